"""Who may be in the library at the same time."""

import re
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from statusgate.engines.neonize import gate as gates
from statusgate.engines.neonize.gate import Gate
from tests.waiting import until


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


class Call:
    """A call that lasts until it is ended."""

    def __init__(self, gate: Gate) -> None:
        self.inside, self._end = threading.Event(), threading.Event()
        self._thread = in_thread(lambda: self._run(gate))

    def _run(self, gate: Gate) -> None:
        with gate.call():
            self.inside.set()
            self._end.wait(30)

    def end(self) -> None:
        self._end.set()
        self._thread.join(30)


def test_calls_do_not_wait_for_each_other() -> None:
    gate = Gate()
    calls = [Call(gate) for _ in range(3)]
    assert all(call.inside.wait(30) for call in calls)
    for call in calls:
        call.end()


def test_a_writer_waits_for_every_call_and_calls_wait_for_it() -> None:
    gate, writer = Gate(), object()
    early = Call(gate)
    assert early.inside.wait(30)
    assert not gate.enter(writer, 0.3)
    early.end()
    assert gate.enter(writer, 30)
    late = Call(gate)
    assert not late.inside.wait(0.2)
    gate.leave(writer)
    assert late.inside.wait(30)
    late.end()


def test_two_writers_are_never_in_at_once() -> None:
    gate, first, second = Gate(), object(), object()
    assert gate.enter(first)
    assert not gate.enter(second, 0.1)
    gate.leave(second)  # it is not in, so this changes nothing
    assert not gate.enter(second, 0.1)
    gate.leave(first)
    assert gate.enter(second, 30)


def test_a_long_call_stalls_no_other_call_while_a_writer_waits() -> None:
    gate = Gate()
    long = Call(gate)
    assert long.inside.wait(30)
    writing = in_thread(lambda: gate.enter("writer"))
    for _ in range(20):
        other = Call(gate)
        assert other.inside.wait(30)
        other.end()
    assert writing.is_alive()
    long.end()
    writing.join(30)
    assert not writing.is_alive()


def test_one_that_has_written_lets_calls_in_and_writers_not() -> None:
    gate, writer = Gate(), object()
    assert gate.enter(writer)
    gate.admit_calls(writer)
    with gate.call():
        pass
    assert not gate.enter(object(), 0.1)
    gate.leave(writer)
    assert gate.enter(object(), 30)


def test_calls_go_on_beside_a_writer_that_does_not_come_to_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "UNSETTLED_AFTER", 0.2)
    gate = Gate()
    assert gate.enter("writer")
    call = Call(gate)
    assert call.inside.wait(30)
    assert not gate.enter("another", 0.1)
    call.end()


def test_nothing_is_read_while_something_is_written() -> None:
    """What the gate is for, with more threads than the machine has processors."""
    gate, ending = Gate(), threading.Event()
    writing, seen, calls = [False], [False], [0]

    def read() -> None:
        while not ending.is_set():
            with gate.call():
                seen[0] |= writing[0]
                time.sleep(0)
                seen[0] |= writing[0]
                calls[0] += 1

    def write(writer: str) -> None:
        for _ in range(5):
            assert gate.enter(writer, 60)
            seen[0] |= writing[0]
            writing[0] = True
            time.sleep(0.001)
            writing[0] = False
            gate.leave(writer)

    readers = [in_thread(read) for _ in range(4)]
    until(lambda: calls[0])
    writers = [in_thread(partial(write, name)) for name in "abc"]
    for thread in writers:
        thread.join(60)
        assert not thread.is_alive()
    ending.set()
    for thread in readers:
        thread.join(30)
    assert not seen[0]


def test_only_the_client_behind_the_gate_reaches_the_library() -> None:
    """Messages, events and errors of the library are data; whatever calls it is in one file."""
    calls = re.compile(
        r"gocode|_binder|neonize\.client|neonize import client|\._raw\b|NewClient"
    )
    files = Path(gates.__file__).parent.glob("*.py")
    assert {file.name for file in files if calls.search(file.read_text())} == {"library.py"}
