"""Writers and readers: a thread and a connection each; waiting works commit together."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Thread

from statusgate.domain.errors import Fenced, JournalUnavailable

from .session import Collision, InDoubt, Later, Lost, Session
from .transaction import Transaction
from .work_queue import Outcome, Task, WorkQueue

MOST_TOGETHER = 512
TIME_TOGETHER_SECONDS = 0.04
"""A group takes in further works for this long, so that its first ones do not wait for ever."""
TRIES = 5


class Writer:
    """Commits works in groups.

    If a work of a group raises, all of them run again, each with a savepoint, so that the
    others still commit together; works are pure functions of the transaction and may run more
    than once. If the disk or the server fails, all of the group fail alike.
    """

    def __init__(
        self, session: Session, queue: WorkQueue, name: str, together: int = MOST_TOGETHER
    ) -> None:
        self._most = together
        self._session = session
        self._queue = queue
        self._transaction = Transaction(session)
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until all submitted work is done."""
        self._thread.join()

    def _run(self) -> None:
        while (task := self._queue.wait()) is not None:
            self._queue.deliver(self._group(task))
            self._session.maintain()
        self._session.close()

    def _group(self, first: Task) -> list[Outcome]:
        """Run *first* and the tasks that wait behind it; they commit together if they can."""
        begun = [first]
        for run in (self._work, self._guarded):
            try:
                return self._together(begun, run)
            except Exception as error:  # noqa: BLE001 - a work's error belongs to its caller
                self._session.rollback()
                if isinstance(error, Lost | Collision):
                    break
                if isinstance(error, JournalUnavailable):
                    return [Outcome(task, None, error) for task in begun]
        return [self._alone(task) for task in begun]

    def _together(self, begun: list[Task], run: Callable[[Task], Outcome]) -> list[Outcome]:
        """Commit *begun* and what waits, which is added to *begun*.

        All instances are locked at the start; who comes later joins if its own is among them.
        """
        until = time.monotonic() + TIME_TOGETHER_SECONDS
        further = self._queue.waiting(self._most - len(begun))
        try:
            self._session.begin()
            self._lock([*begun, *further])
            outcomes = [run(task) for task in begun]
            while time.monotonic() < until:
                further = further or self._queue.waiting(self._most - len(begun))
                if not further or not self._session.holds(further[0].instance_id):
                    break
                begun.append(further.popleft())
                outcomes.append(run(begun[-1]))
            return self._commit(outcomes)
        finally:
            self._queue.put_back(further)

    def _alone(self, task: Task, tries: int = TRIES) -> Outcome:
        try:
            self._session.begin()
            self._lock([task])
            return self._commit([self._work(task)])[0]
        except Exception as error:  # noqa: BLE001 - as above
            self._session.rollback()
            if isinstance(error, Lost | Collision) and tries > 1:
                return self._alone(task, tries - 1)
            return Outcome(task, None, error)

    def _commit(self, outcomes: list[Outcome]) -> list[Outcome]:
        try:
            self._session.commit()
        except InDoubt as error:
            self._wait_for_locks(outcome.task for outcome in outcomes)
            return [one if one.error else one._replace(error=error) for one in outcomes]
        return [_known(outcome) for outcome in outcomes]

    def _wait_for_locks(self, tasks: Iterable[Task]) -> None:
        """Wait until the server has ended the transaction of these tasks, which locks their
        instances: what is read from then on shows whether it was committed."""
        with suppress(JournalUnavailable):
            self._session.begin()
            self._lock(tasks)
        self._session.rollback()

    def _lock(self, tasks: Iterable[Task]) -> None:
        self._session.lock({task.instance_id for task in tasks if task.instance_id is not None})

    def _guarded(self, task: Task) -> Outcome:
        """As ``_work``; what a work that raises has changed is undone."""
        try:
            with self._session.savepoint():
                return self._work(task)
        except JournalUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            return Outcome(task, None, error)

    def _work(self, task: Task) -> Outcome:
        if self._is_fenced(task):
            return Outcome(task, None, Fenced("another node has claimed the account"))
        return Outcome(task, task.work(self._transaction), None)

    def _is_fenced(self, task: Task) -> bool:
        if task.token is None or task.instance_id is None:
            return False
        return self._session.token(task.instance_id) != task.token


def _known(outcome: Outcome) -> Outcome:
    if isinstance(outcome.result, Later):
        return outcome._replace(result=outcome.result.value())
    return outcome


class Readers:
    """Threads that run reads, each on its own connection."""

    def __init__(self, sessions: list[Session], queue: WorkQueue) -> None:
        self._queue = queue
        self.count = len(sessions)
        self._threads = [
            Thread(target=self._run, args=(one,), name=f"journal-reader-{no}", daemon=True)
            for no, one in enumerate(sessions)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until all submitted work is done."""
        self._queue.stop(self.count)
        for thread in self._threads:
            thread.join()

    def _run(self, session: Session) -> None:
        transaction = Transaction(session)
        while (task := self._queue.wait()) is not None:
            self._queue.deliver([_answer(session, transaction, task)])
        session.close()


def _answer(session: Session, transaction: Transaction, task: Task, tries: int = 2) -> Outcome:
    try:
        session.begin()
        result = task.work(transaction)
        session.commit()
        return Outcome(task, result, None)
    except Exception as error:  # noqa: BLE001 - a work's error belongs to its caller
        session.rollback()
        if isinstance(error, Lost | InDoubt) and tries > 1:  # nothing to commit, so no doubt
            return _answer(session, transaction, task, tries - 1)
        return Outcome(task, None, error)
