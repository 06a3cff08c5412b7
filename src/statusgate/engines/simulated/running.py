"""One run of a sandbox account, from start to stop: its log at work."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from statusgate.domain.clock import Clock
from statusgate.domain.errors import EngineUnavailable
from statusgate.domain.events import EngineEvent, EngineState, Sequenced, StateChanged
from statusgate.domain.instance import State
from statusgate.domain.waiting import Signal, first_of
from statusgate.engines.simulated.account import Account, Record, Scheduled
from statusgate.engines.simulated.sandbox_log import SandboxLog

T = TypeVar("T")

_LONGEST_NAP_SECONDS = 60.0
"""the wall clock may be set while we sleep"""
_RETRY_SECONDS = 5.0
_READ_AHEAD = 64
_RELEASED_AT_ONCE = 1_000
_UNACKED_LIMIT = 64
"""records; scheduled events wait while the gateway is this far behind"""


class _Listener:
    """One reader of the events, and the volatile ones it has not had yet."""

    def __init__(self, shown: EngineEvent | None) -> None:
        self.volatile: deque[EngineEvent] = deque([shown] if shown else [])


class RunningAccount:
    """The log at work: one change after the other, each on disk before the gateway gets it."""

    def __init__(self, stored: SandboxLog, clock: Clock) -> None:
        self.account: Account = stored.account
        """changed in here only, by one task at a time"""
        self.is_closing = False
        self._log = stored
        self._clock = clock
        self._lock = asyncio.Lock()
        self._acked = stored.confirmed
        self._news = Signal()
        self._acks = Signal()
        self._listeners: list[_Listener] = []
        self._tasks: set[asyncio.Task[int]] = set()
        self._shown: EngineEvent | None = None
        self._ended = False

    @property
    def is_settled(self) -> bool:
        """Nothing is scheduled, and the gateway has committed everything."""
        return not self.account.scheduled and self._acked == self._log.last

    # -- changes

    async def commit(self, make: Callable[[int], Record | None]) -> int:
        """Append the record that *make* returns for its number; returns that number.

        None: there is nothing to append, the newest number is returned. Raises what *make*
        raises, or EngineUnavailable if the record cannot be stored. A caller that is
        cancelled leaves the change to happen.
        """
        task = asyncio.create_task(self._commit(make))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _commit(self, make: Callable[[int], Record | None]) -> int:
        async with self._lock:
            if self._ended:
                raise EngineUnavailable("the sandbox account is not running")
            record = make(self._log.last + 1)
            if record is None:
                return self._log.last
            seq = await in_thread(self._log.append, record)
            self.account.apply(seq, record)
        self._news.ring()
        return seq

    async def until_acked(self, seq: int) -> None:
        """Return once the gateway has committed *seq*. EngineUnavailable if the run ends."""
        while self._acked < seq:
            if self._ended:
                raise EngineUnavailable("the sandbox account was stopped")
            await self._acks.next().wait()

    # -- events

    async def events(
        self, after: int, announce: Callable[[int], Record]
    ) -> AsyncGenerator[Sequenced, None]:
        """Events above *after* and volatile ones, until the run ends.

        *announce* makes the record with which numbering goes on if the log was lost.
        """
        await self._agree_on(after, announce)
        listener = _Listener(self._shown)
        self._listeners.append(listener)
        try:
            while not self._ended:
                news = self._news.next()
                while listener.volatile:
                    yield Sequenced(0, (listener.volatile.popleft(),))
                records = await in_thread(self._read, after)
                for seq, record in records:
                    after = seq
                    yield Sequenced(seq, record.events)
                if not records:
                    await news.wait()
        finally:
            self._listeners.remove(listener)

    def tell(self, event: EngineEvent) -> None:
        """Tell a volatile event to those who listen."""
        for listener in self._listeners:
            listener.volatile.append(event)
        self._news.ring()

    def show(self, event: EngineEvent | None) -> None:
        """Tell a volatile event, also to those who come later, until the next or None."""
        self._shown = event
        if event is not None:
            self.tell(event)

    async def ack(self, seq: int) -> None:
        """Everything up to *seq* is committed by the gateway."""
        self._acked = max(self._acked, min(seq, self._log.last))
        self._acks.ring()
        if self._log.wants_checkpoint(self._acked):
            async with self._lock:
                if not self._ended:
                    await self._checkpoint(self._acked)

    async def _agree_on(self, after: int, announce: Callable[[int], Record]) -> None:
        """Take over how far the gateway is; it may know more than a log that was lost."""
        if after <= self._log.last:
            await self.ack(after)
            return
        async with self._lock:
            await self._checkpoint(after)
            self._acked = after
        await self.commit(announce)

    def _read(self, after: int) -> list[tuple[int, Record]]:
        return list(self._log.read(after, _READ_AHEAD))

    async def _checkpoint(self, acked: int) -> None:
        await in_thread(self._log.checkpoint, self.account.snapshot(), acked)

    # -- scheduled events

    async def release_scheduled(self) -> None:
        """Let scheduled events happen when they are due; runs until it is cancelled."""
        while True:
            news, acks = self._news.next(), self._acks.next()
            due_ms = self.account.scheduled[0].due_ms if self.account.scheduled else None
            if due_ms is None:
                await news.wait()
            elif due_ms > self._clock.now_ms():
                await first_of(news.wait(), self._sleep_until(due_ms))
            elif self._log.last - self._acked >= _UNACKED_LIMIT:
                await acks.wait()
            else:
                await self._release()

    async def _sleep_until(self, due_ms: int) -> None:
        while (left_ms := due_ms - self._clock.now_ms()) > 0:
            await self._clock.sleep(min(left_ms / 1000, _LONGEST_NAP_SECONDS))

    async def _release(self) -> None:
        try:
            await self.commit(lambda _: self._release_due())
        except EngineUnavailable:
            await self._clock.sleep(_RETRY_SECONDS)  # no room on the disk, as a rule

    def _release_due(self) -> Record | None:
        now_ms = self._clock.now_ms()
        due = [
            one for one in self.account.scheduled[:_RELEASED_AT_ONCE] if one.due_ms <= now_ms
        ]
        if not due:
            return None
        return Record(
            events=tuple(one.event for one in due if self._is_sensible(one)),
            released=len(due),
        )

    def _is_sensible(self, scheduled: Scheduled) -> bool:
        """A connection comes back only if the account is still linked."""
        reopens = (
            isinstance(scheduled.event, StateChanged)
            and scheduled.event.state is EngineState.OPEN
        )
        return not reopens or self.account.link.state is State.AUTHORIZED

    # -- the end

    async def close(self, patience_seconds: float) -> None:
        """Wait a moment for the gateway to commit what it got, save all, end."""
        self.is_closing = True
        if self._listeners and self._acked < self._log.last:
            last = self._log.last
            await first_of(self.until_acked(last), self._clock.sleep(patience_seconds))
        async with self._lock:
            self._ended = True
            with contextlib.suppress(EngineUnavailable):  # the log alone is enough to go on
                await self._checkpoint(self._acked)
            with contextlib.suppress(EngineUnavailable):
                await in_thread(self._log.close)
        self._news.ring()
        self._acks.ring()


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Do blocking work aside; a fault of the disk is EngineUnavailable."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except OSError as error:
        raise EngineUnavailable(f"the sandbox cannot use its directory: {error}") from error
