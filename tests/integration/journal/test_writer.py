"""The writer and its queue: groups, retries, bounds — with a database that is a list."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from statusgate.domain.errors import JournalFull, JournalUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.journal.session import Call, Collision, InDoubt, Lost, Session, Value
from statusgate.journal.work_queue import WorkQueue
from statusgate.journal.writer import Readers, Writer
from tests.waiting import eventually

ONE = InstanceId(1)


class Tape:
    """A session that writes down what it is asked; works append to it by what they ask for."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.calls: list[str] = []
        self.commits = 0
        self.maintained = 0
        self.closed = False
        self.at_commit: list[Exception] = []
        self.at_begin: list[Exception] = []
        self.tokens: dict[InstanceId, int] = {}
        self._locked: set[InstanceId] = set()
        self._new: list[str] = []

    def run(self, name: str, /, **parameters: Value) -> list[Any]:
        self.send(name, **parameters)
        return []

    def ask(self, name: str, /, **parameters: Value) -> Callable[[], list[Any]]:
        rows = self.run(name, **parameters)
        return lambda: rows

    def run_each(self, *calls: Call) -> list[list[Any]]:
        return [self.run(name, **parameters) for name, parameters in calls]

    def send(self, name: str, /, **parameters: Value) -> None:
        self._new.append(str(parameters["status_id"]))

    def lock(self, instance_ids: Iterable[InstanceId]) -> None:
        self._locked |= set(instance_ids)
        self.calls.append(f"lock {sorted(instance_ids)}")

    def holds(self, instance_id: InstanceId | None) -> bool:
        return instance_id in self._locked

    def token(self, instance_id: InstanceId) -> int:
        return self.tokens.get(instance_id, 0)

    def begin(self) -> None:
        self._new = []
        self._locked = set()
        if self.at_begin:
            raise self.at_begin.pop(0)

    def commit(self) -> None:
        if self.at_commit:
            raise self.at_commit.pop(0)
        self.commits += 1
        self.kept += self._new

    def rollback(self) -> None:
        self.calls.append("rollback")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        before = [*self._new]
        try:
            yield
        except Exception:
            self._new = before
            raise

    def maintain(self) -> None:
        self.maintained += 1

    def close(self) -> None:
        self.closed = True


def note(text: str) -> Callable[[Any], str]:
    def work(record: Any) -> str:
        record.outgoing_one(ONE, text)
        return text

    return work


def failing(text: str) -> Callable[[Any], str]:
    def work(record: Any) -> str:
        record.outgoing_one(ONE, text)
        raise LookupError(text)

    return work


class Held:
    """A writer that starts only when everything is submitted, so that groups are certain."""

    def __init__(
        self, *works: Callable[[Any], Any], bound: int = 1000, most: int = 512
    ) -> None:
        self.tape = Tape()
        self.queue = WorkQueue(bound)
        self._works = works
        self._most = most

    async def results(self) -> list[Any]:
        calls = [asyncio.create_task(self.queue.submit(ONE, work)) for work in self._works]
        await asyncio.sleep(0)
        writer = Writer(self.tape, self.queue, "writer", self._most)
        results = await asyncio.gather(*calls, return_exceptions=True)
        self.queue.stop(1)
        await asyncio.to_thread(writer.join)
        return results


async def test_those_who_wait_together_commit_together() -> None:
    held = Held(*(note(f"{no}") for no in range(100)))
    assert await held.results() == [f"{no}" for no in range(100)]
    assert held.tape.commits == 1
    assert held.tape.kept == [f"{no}" for no in range(100)]
    assert held.tape.closed


async def test_a_group_has_a_bound() -> None:
    held = Held(*(note(f"{no}") for no in range(100)), most=10)
    await held.results()
    assert held.tape.commits == 10


async def test_a_group_does_not_wait_for_ever() -> None:
    def slow(_: Any) -> None:
        time.sleep(0.02)

    held = Held(*[slow] * 10)
    await held.results()
    assert held.tape.commits >= 2


async def test_failing_works_do_not_split_their_group() -> None:
    works = [failing(f"{no}") if no % 100 == 50 else note(f"{no}") for no in range(300)]
    held = Held(*works)
    results = await held.results()
    failed = [no for no, result in enumerate(results) if isinstance(result, LookupError)]
    assert failed == [50, 150, 250]
    assert held.tape.kept == [f"{no}" for no in range(300) if no % 100 != 50]
    assert held.tape.commits == 1


async def test_a_failing_work_leaves_the_others_in_order() -> None:
    held = Held(note("a"), failing("b"), note("c"))
    results = await held.results()
    assert results[0] == "a"
    assert isinstance(results[1], LookupError)
    assert results[2] == "c"
    assert held.tape.kept == ["a", "c"]


@pytest.mark.parametrize("error", [JournalFull("full"), JournalUnavailable("in doubt")])
async def test_a_failed_commit_reaches_all_of_the_group(error: Exception) -> None:
    held = Held(note("a"), note("b"))
    held.tape.at_commit = [error]
    assert await held.results() == [error, error]
    assert held.tape.kept == []


@pytest.mark.parametrize("error", [Lost("gone"), Collision("deadlock")])
async def test_what_certainly_changed_nothing_is_tried_again(error: Exception) -> None:
    held = Held(note("a"), note("b"))
    held.tape.at_commit = [error, error]
    assert await held.results() == ["a", "b"]
    assert held.tape.kept == ["a", "b"]


async def test_trying_again_has_an_end() -> None:
    held = Held(note("a"))
    held.tape.at_begin = [Lost("gone")] * 20
    results = await held.results()
    assert isinstance(results[0], Lost)


async def test_a_full_queue_makes_callers_wait_in_order() -> None:
    ran: list[int] = []
    held = Held(*(lambda _, no=no: ran.append(no) for no in range(50)), bound=4)
    await held.results()
    assert ran == list(range(50))


async def test_a_cancelled_call_frees_its_place() -> None:
    queue, tape = WorkQueue(2), Tape()
    calls = [asyncio.create_task(queue.submit(ONE, note(f"{no}"))) for no in range(4)]
    await asyncio.sleep(0)
    for call in calls[:3]:
        call.cancel()
    writer = Writer(tape, queue, "writer")
    assert await calls[3] == "3"
    assert [await queue.submit(ONE, note("x")) for _ in range(3)] == ["x"] * 3
    queue.stop(1)
    await asyncio.to_thread(writer.join)


def test_answers_to_a_loop_that_ended_are_dropped() -> None:
    queue, tape = WorkQueue(5), Tape()
    begun, release = threading.Event(), threading.Event()

    def work(_: Any) -> None:
        begun.set()
        release.wait(30)

    async def ask() -> None:
        call = asyncio.create_task(queue.submit(ONE, work))
        await eventually(begun.is_set)
        call.cancel()

    writer = Writer(tape, queue, "writer")
    asyncio.run(ask())
    release.set()
    queue.stop(1)
    writer.join()
    assert tape.commits == 1


async def test_a_reader_asks_a_lost_connection_again() -> None:
    queue, tape = WorkQueue(5), Tape()
    tape.at_begin = [Lost("gone")]
    sessions: list[Session] = [tape]
    readers = Readers(sessions, queue)
    assert await queue.submit(None, note("a")) == "a"
    tape.at_commit = [InDoubt("gone")]
    assert await queue.submit(None, note("a")) == "a"
    tape.at_begin = [Lost("gone")] * 2
    with pytest.raises(Lost):
        await queue.submit(None, note("b"))
    await asyncio.to_thread(readers.stop)
    assert tape.closed
