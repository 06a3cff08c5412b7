"""A clock that tests own: time stands still until they move it."""

import asyncio
import heapq
import itertools
import math

START_MS = 1_710_134_000_000


class VirtualClock:
    """The port ``Clock``, moved by :meth:`advance`."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due_ms = self._now_ms + max(1, round(seconds * 1000))
        heapq.heappush(self._sleepers, (due_ms, next(self._order), woken))
        await woken

    def next_due_ms(self) -> float:
        """When the next sleeper is to wake; infinity if nobody sleeps."""
        return min(
            (due_ms for due_ms, _, woken in self._sleepers if not woken.done()),
            default=math.inf,
        )

    async def advance(self, seconds: float) -> None:
        """Let time pass; sleepers wake in order, each at its own time."""
        end_ms = self._now_ms + round(seconds * 1000)
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end_ms:
            due_ms, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self._now_ms = due_ms
                woken.set_result(None)
                await _settle()
        self._now_ms = end_ms
        await _settle()


async def _settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)
