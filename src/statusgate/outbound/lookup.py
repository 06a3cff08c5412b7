"""The system's resolver, without holding up anybody else's work."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from threading import Thread
from typing import Final

MOST_AT_ONCE: Final = 64


class SystemLookup:
    """Asks ``getaddrinfo`` in threads of its own.

    A name server may keep a call for half a minute. In asyncio's shared pool a handful of
    such names would stop all other lookups and delay the end of the process.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def __call__(self, host: str) -> Sequence[str]:
        """All A and AAAA records of *host*; OSError if there is none."""
        await self._slots.acquire()
        answer: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        try:
            Thread(target=self._ask, args=(host, answer), name="lookup", daemon=True).start()
        except RuntimeError as error:
            self._slots.release()
            raise OSError(str(error)) from error
        return await answer

    def _ask(self, host: str, answer: asyncio.Future[Sequence[str]]) -> None:
        result: Sequence[str] | Exception
        try:
            rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            result = [str(row[4][0]) for row in rows]
        except (OSError, UnicodeError) as error:
            result = error if isinstance(error, OSError) else OSError(str(error))
        # the loop may have ended meanwhile: nobody waits any more
        with contextlib.suppress(RuntimeError):
            answer.get_loop().call_soon_threadsafe(self._settle, answer, result)

    def _settle(
        self, answer: asyncio.Future[Sequence[str]], result: Sequence[str] | Exception
    ) -> None:
        self._slots.release()
        if answer.done():
            return
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)
