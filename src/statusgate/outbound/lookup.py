"""The system's resolver, without holding up anybody else's work."""

import asyncio
import contextlib
import socket
from collections.abc import Hashable, Sequence
from threading import Thread
from typing import Final

from statusgate.domain.fairness import FairShares

MOST_AT_ONCE: Final = 512
MOST_OF_ONE: Final = 8
LONGEST_SECONDS: Final = 60.0
"""After this time a thread that still hangs no longer counts."""


class SystemLookup:
    """Asks ``getaddrinfo`` in threads of its own, at most a few for each owner.

    A name server may keep a call for half a minute, and nothing can end it. In asyncio's
    shared pool a handful of such names would stop all other lookups and delay the end of the
    process; without owners, the names of one would stop those of all.
    """

    def __init__(self, *, total: int = MOST_AT_ONCE, each: int = MOST_OF_ONE) -> None:
        self._places = FairShares[Hashable](total=total, each=each)
        self._asking: set[asyncio.Task[None]] = set()

    async def __call__(self, host: str, owner: Hashable = "") -> Sequence[str]:
        """All A and AAAA records of *host*; OSError if there is none.

        A caller may stop waiting at any time; its thread counts for *owner* until it ends.
        """
        answer: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        asking = asyncio.create_task(self._ask(host, owner, answer))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        return await answer

    async def _ask(
        self, host: str, owner: Hashable, answer: asyncio.Future[Sequence[str]]
    ) -> None:
        async with self._places.place(owner):
            if answer.done():
                return
            settled = asyncio.Event()
            thread = Thread(
                target=_look_up, args=(host, answer, settled), name="lookup", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:
                answer.set_exception(OSError(str(error)))
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(settled.wait(), LONGEST_SECONDS)


def _look_up(host: str, answer: asyncio.Future[Sequence[str]], settled: asyncio.Event) -> None:
    result: Sequence[str] | Exception
    try:
        rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        result = [str(row[4][0]) for row in rows]
    except (OSError, UnicodeError) as error:
        result = error if isinstance(error, OSError) else OSError(str(error))
    # the loop may have ended meanwhile: nobody waits any more
    with contextlib.suppress(RuntimeError):
        answer.get_loop().call_soon_threadsafe(_settle, answer, settled, result)


def _settle(
    answer: asyncio.Future[Sequence[str]],
    settled: asyncio.Event,
    result: Sequence[str] | Exception,
) -> None:
    settled.set()
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
