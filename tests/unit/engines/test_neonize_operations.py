"""What a worker answers while there is no connection: the library is not even loaded."""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from statusgate.domain.events import EngineState
from statusgate.engines.account_store import AccountStore
from statusgate.engines.neonize.config import Setup
from statusgate.engines.neonize.gate import Gate
from statusgate.engines.neonize.ipc import NOT_BEGUN, VERSION, Request, Response
from statusgate.engines.neonize.operations import Operations
from statusgate.engines.neonize.post_log import PostLog
from statusgate.engines.neonize.store import SessionStore
from tests.waiting import until

POST = {"key": "KEY1", "kind": 1, "text": "hello"}
ANNA = {"phone": "79001234567"}


class Gateway:
    """Asks, and takes the answers."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[int, Response] = {}
        self.store = AccountStore(folder)
        self.operations = Operations(
            Setup(version=VERSION, directory=str(folder)),
            SessionStore(folder),
            PostLog(self.store),
            self,
            Gate(),
        )

    def send(self, answer: Response) -> None:
        self.answers[answer.id] = answer

    def ask(self, operation: str, *arguments: Any) -> Response:
        number = len(self.answers) + 1
        given = msgspec.Raw(json.dumps(arguments).encode())
        self.operations.serve(Request(id=number, op=operation, p=given))
        return until(lambda: self.answers.get(number))


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path)
    yield made
    made.operations.drain(0)
    made.store.close()


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("post_status", (POST, None)),
        ("delete_status", ("3EB0", [ANNA])),
        ("mark_viewed", ("3EB0", ANNA)),
        ("look_up", (ANNA,)),
        ("privacy", ()),
    ],
)
def test_what_needs_a_connection_says_that_there_is_none(
    gateway: Gateway, operation: str, arguments: tuple[Any, ...]
) -> None:
    answer = gateway.ask(operation, *arguments)
    assert (answer.ok, answer.err, answer.text) == (False, "unavailable", "not connected")
    assert not gateway.operations.busy


def test_the_outcome_of_a_post_needs_no_connection(gateway: Gateway) -> None:
    answer = gateway.ask("outcome", "KEY1")
    assert (answer.ok, answer.text) == (False, NOT_BEGUN)
    gateway.store.run("INSERT INTO posts VALUES ('KEY1', 0, NULL)")
    answer = gateway.ask("outcome", "KEY1")
    assert (answer.ok, answer.err) == (False, "uncertain")


def test_logging_out_what_is_not_linked_is_done_already(gateway: Gateway) -> None:
    assert gateway.ask("logout").ok


def test_a_fault_in_a_request_is_answered_without_its_words(gateway: Gateway) -> None:
    for operation, arguments in (("outcome", (7,)), ("nonsense", ())):
        answer = gateway.ask(operation, *arguments)
        assert (answer.ok, answer.err) == (False, "unavailable")
        assert answer.text in ("ValidationError", "KeyError")


def test_nothing_is_overdue_and_no_account_linked_at_first(gateway: Gateway) -> None:
    assert gateway.operations.overdue() is None
    assert not gateway.operations.is_linked()
    assert not gateway.operations.connected


def test_a_worker_that_drains_leaves_requests_to_the_next_one(gateway: Gateway) -> None:
    gateway.operations.drain(0)
    gateway.operations.serve(Request(id=99, op="logout"))
    assert gateway.answers == {}
    assert not gateway.operations.busy


def test_a_lost_session_can_neither_be_linked_nor_taken_for_none(
    gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "linked").write_text('{"phone":"1"}')
    answer = gateway.ask("begin_linking")
    assert (answer.ok, answer.err) == (False, "unavailable")
    assert "session store" in answer.text


class LookingAtContacts:
    """A session whose look at the contacts lasts until it may end."""

    state = EngineState.OPEN
    contacts_due = True
    half_known: tuple[()] = ()

    def __init__(self) -> None:
        self.attention = threading.Event()
        self.poster = self.watch = self
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.done: list[str] = []

    def start(self) -> None:
        self.attention.set()

    def leave(self, seconds: float) -> bool:
        self.done.append("left")
        return True

    def repair(self) -> None:
        self.begun.set()
        self.may_end.wait(20)

    def look(self) -> tuple[()]:
        self.done.append("looked")
        return ()

    def look_up_later(self, people: tuple[()]) -> None: ...


def test_a_worker_leaves_whatsapp_when_the_library_is_not_at_work(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call for a client that was stopped ends the process."""
    session = LookingAtContacts()
    library = SimpleNamespace(Session=lambda *_, **__: session)
    monkeypatch.setitem(sys.modules, "statusgate.engines.neonize.session", library)
    gateway.operations.open_session(linked=True)
    assert session.begun.wait(20)
    leaving = threading.Thread(target=gateway.operations.drain, args=(0,))
    leaving.start()
    leaving.join(0.1)
    assert session.done == []
    session.may_end.set()
    leaving.join(20)
    assert session.done == ["looked", "left"]
