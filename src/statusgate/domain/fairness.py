"""Fair shares: bounded places for work, dealt out so that no instance keeps others waiting."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class FairShares(Generic[K]):
    """A semaphore with keys: at most *total* places in use, and at most *each* by one key.

    Free places go round the keys that wait; of one key, first come, first served::

        async with shares.place(instance_id):
            ...
    """

    def __init__(self, *, total: int, each: int) -> None:
        self._free = total
        self._each = each
        self._used: Counter[K] = Counter()
        self._waiting: OrderedDict[K, deque[asyncio.Future[None]]] = OrderedDict()
        """by key, whose turn is next first"""

    @asynccontextmanager
    async def place(self, key: K) -> AsyncGenerator[None, None]:
        """Hold a place for the length of the block; waits until one is free."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        self._deal()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._release(key)
            else:
                self._leave(key, turn)

    def _deal(self) -> None:
        """Give free places to those whose turn it is."""
        while self._free and (found := self._next()):
            key, turns = found
            del self._waiting[key]  # goes to the end if others of it wait
            turn = turns.popleft()
            if turns:
                self._waiting[key] = turns
            if not turn.cancelled():
                turn.set_result(None)
                self._used[key] += 1
                self._free -= 1

    def _next(self) -> tuple[K, deque[asyncio.Future[None]]] | None:
        waiting = self._waiting.items()
        return next((one for one in waiting if self._used[one[0]] < self._each), None)

    def _release(self, key: K) -> None:
        self._free += 1
        self._used[key] -= 1
        if not self._used[key]:
            del self._used[key]
        self._deal()

    def _leave(self, key: K, turn: asyncio.Future[None]) -> None:
        """Give up waiting; nothing to do if the turn was dealt to meanwhile."""
        turns = self._waiting.get(key, deque())
        if turn in turns:
            turns.remove(turn)
        if not turns:
            self._waiting.pop(key, None)
