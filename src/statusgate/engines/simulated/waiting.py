"""Waiting for one thing or another."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Signal:
    """Something that happens again and again; who waits hears of the next time."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Return the event of the next time; take it before looking at what it is about."""
        return self._next

    def ring(self) -> None:
        rung, self._next = self._next, asyncio.Event()
        rung.set()


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when the first of *waits* is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel(*tasks)


async def cancel(*tasks: asyncio.Task[Any] | None) -> None:
    """End tasks, and wait until they have; None is nothing to end."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
