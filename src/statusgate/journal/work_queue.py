"""Work handed from the event loop to a thread, and results handed back."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from statusgate.domain.claim import token_for
from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.ids import InstanceId

from .session import InDoubt, Later
from .transaction import Transaction

T = TypeVar("T")


class Task(NamedTuple):
    """One call that waits for its result."""

    instance_id: InstanceId | None
    work: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    on_commit: Callable[[Any, bool], None] | None
    token: int | None
    """of the claim that must still stand; None: anyone may do this"""


class Outcome(NamedTuple):
    """The result of a task or the error it raised; both if its commit is in doubt."""

    task: Task
    result: Any
    error: Exception | None

    @property
    def is_in_doubt(self) -> bool:
        return isinstance(self.error, InDoubt)


class WorkQueue:
    """A bounded queue from event loops to threads; callers that find it full wait in order."""

    def __init__(self, bound: int) -> None:
        self._room = asyncio.Semaphore(bound)
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._returned: deque[Task] = deque()
        self._closed = False

    async def submit(
        self,
        instance_id: InstanceId | None,
        work: Callable[[Transaction], T | Later[T]],
        on_commit: Callable[[T, bool], None] | None = None,
    ) -> T:
        """Return the result of *work*, or raise what it raised.

        *on_commit*: see ``Journal.write``.
        """
        await self._room.acquire()
        if self._closed:
            self._room.release()
            raise JournalUnavailable("the journal is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(Task(instance_id, work, future, on_commit, token_for(instance_id)))
        return await future

    def close(self) -> None:
        """Refuse further work."""
        self._closed = True

    def stop(self, threads: int) -> None:
        """Make *threads* threads return from ``wait`` with None after all waiting tasks."""
        for _ in range(threads):
            self._queue.put(None)

    def wait(self) -> Task | None:
        """Block until there is a task; None: stop."""
        return self._returned.popleft() if self._returned else self._queue.get()

    def waiting(self, most: int) -> deque[Task]:
        """Take the tasks that wait already, at most so many."""
        taken: deque[Task] = deque()
        while len(taken) < most and (task := self._next()) is not None:
            taken.append(task)
        return taken

    def put_back(self, tasks: Iterable[Task]) -> None:
        """Let the only thread that takes tasks have these again, before all others."""
        self._returned.extendleft(reversed([*tasks]))

    def _next(self) -> Task | None:
        if self._returned:
            return self._returned.popleft()
        try:
            task = self._queue.get_nowait()
        except Empty:
            return None
        if task is None:
            self._queue.put(None)
        return task

    def deliver(self, outcomes: Iterable[Outcome]) -> None:
        """Wake the callers: one call into each event loop, however many they are."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = defaultdict(list)
        for outcome in outcomes:
            by_loop[outcome.task.future.get_loop()].append(outcome)
        for loop, its_outcomes in by_loop.items():
            with suppress(RuntimeError):  # the loop has ended, and its callers with it
                loop.call_soon_threadsafe(self._settle, its_outcomes)

    def _settle(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self._room.release()
            future, error = outcome.task.future, _notified(outcome)
            if future.done():
                continue
            if error is None:
                future.set_result(outcome.result)
            else:
                future.set_exception(error)


def _notified(outcome: Outcome) -> Exception | None:
    """Call *on_commit* if there was or may have been a commit; returns the caller's error."""
    on_commit = outcome.task.on_commit
    if on_commit is not None and (outcome.error is None or outcome.is_in_doubt):
        try:
            on_commit(outcome.result, not outcome.is_in_doubt)
        except Exception as error:  # noqa: BLE001 - it belongs to the caller
            return error
    return outcome.error
