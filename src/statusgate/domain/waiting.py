"""Waiting for one thing or another."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from statusgate.domain.clock import Clock


class Signal:
    """Something that happens again and again; each waiter is woken by the next time."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Return the event of the next time; take it before looking at what it is about."""
        return self._next

    def ring(self) -> None:
        rung, self._next = self._next, asyncio.Event()
        rung.set()


async def happens_within(event: asyncio.Event, clock: Clock, seconds: float) -> bool:
    """Return when *event* is set, or after *seconds* of *clock*; tell whether it is set."""
    if not event.is_set():
        await first_of(event.wait(), clock.sleep(seconds))
    return event.is_set()


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when the first of *waits* is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel(*tasks)


async def cancel(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and wait until they have ended; None is skipped."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
