"""The writer: one thread, one connection; works that wait together commit together."""

import time
from threading import Thread

from statusgate.domain.errors import JournalUnavailable

from .session import Collision, Lost, Session
from .transaction import Transaction
from .work_queue import Outcome, Task, WorkQueue

MOST_TOGETHER = 512
TIME_TOGETHER_SECONDS = 0.04
"""Nobody waits much longer than this for those behind him in the same transaction."""
TRIES = 5


class Writer:
    """Commits works in groups.

    A work that raises is found by running each of its group again, alone in its own
    transaction, so the others do not suffer; works are pure functions of the transaction and
    may run twice. If the disk or the server fails, all of the group fail alike.
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
        """Wait until everything that was submitted is settled."""
        self._thread.join()

    def _run(self) -> None:
        while (task := self._queue.wait()) is not None:
            self._queue.deliver(self._together(task))
            self._session.tidy()
        self._session.close()

    def _together(self, first: Task) -> list[Outcome]:
        """Run *first* and whoever waits behind it in one transaction."""
        until = time.monotonic() + TIME_TOGETHER_SECONDS
        begun = [first]
        try:
            self._session.begin()
            outcomes = [self._work(first)]
            while len(begun) < self._most and time.monotonic() < until:
                task = self._queue.next()
                if task is None:
                    break
                begun.append(task)
                outcomes.append(self._work(task))
            self._session.commit()
            return outcomes
        except Exception as error:  # noqa: BLE001 - a work's error belongs to its caller
            self._session.rollback()
            if isinstance(error, JournalUnavailable) and not isinstance(
                error, Lost | Collision
            ):
                return [Outcome(task, None, error) for task in begun]
            return [self._alone(task) for task in begun]

    def _alone(self, task: Task, tries: int = TRIES) -> Outcome:
        try:
            self._session.begin()
            outcome = self._work(task)
            self._session.commit()
            return outcome
        except Exception as error:  # noqa: BLE001 - as above
            self._session.rollback()
            if isinstance(error, Lost | Collision) and tries > 1:
                return self._alone(task, tries - 1)
            return Outcome(task, None, error)

    def _work(self, task: Task) -> Outcome:
        if task.instance_id is not None:
            self._session.own(task.instance_id)
        return Outcome(task, task.work(self._transaction), None)


class Readers:
    """Threads that answer questions, each on its own connection."""

    def __init__(self, sessions: list[Session], queue: WorkQueue) -> None:
        self._queue = queue
        self._threads = [
            Thread(target=self._run, args=(one,), name=f"journal-reader-{no}", daemon=True)
            for no, one in enumerate(sessions)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
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
        if isinstance(error, Lost) and tries > 1:
            return _answer(session, transaction, task, tries - 1)
        return Outcome(task, None, error)
