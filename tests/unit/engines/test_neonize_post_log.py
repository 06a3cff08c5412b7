"""What the post log knows after a restart."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from statusgate.domain.address import Address
from statusgate.domain.errors import EngineRejected, EngineUncertain
from statusgate.domain.post import SentStatus, Skipped
from statusgate.engines.account_store import AccountStore
from statusgate.engines.neonize import post_log as module
from statusgate.engines.neonize.audience import PHONES, Entry
from statusgate.engines.neonize.post_log import PostLog
from tests.unit.engines.test_account_store import old_spool

ROWS = tuple(Entry(str(n), PHONES, "First", f"Name {n}") for n in range(4500))


class Folder:
    """An account's folder whose log can be opened anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._store = AccountStore(path, min_free_bytes=0)
        self.log = PostLog(self._store)

    def reopen(self) -> None:
        self.close()
        self.__init__(self.path)  # type: ignore[misc]

    def close(self) -> None:
        self._store.close()

    def outcome(self, key: str) -> object:
        """What the log knows of a post; an exception is returned."""
        try:
            return self.log.outcome(key)
        except (EngineRejected, EngineUncertain) as error:
            return error


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.close()


def sent(key: str, people: int = 1) -> SentStatus:
    addresses = tuple(Address(phone=f"7{n:010d}", lid=f"22{n:013d}") for n in range(people))
    return SentStatus(
        key=key,
        wire_id="3EB0",
        recipients=addresses,
        skipped=(Skipped(Address(phone="1"), "privacy"),),
    )


def test_a_post_that_began_and_never_ended_is_uncertain(folder: Folder) -> None:
    assert folder.outcome("K") is None
    folder.log.begin("K", ())
    assert isinstance(folder.outcome("K"), EngineUncertain)
    folder.reopen()
    assert isinstance(folder.outcome("K"), EngineUncertain)


def test_an_answer_is_remembered(folder: Folder) -> None:
    folder.log.begin("K", ())
    folder.log.end("K", sent=sent("K"))
    folder.log.begin("R", ())
    folder.log.end("R", code=479, text="no")
    for _ in range(2):
        assert folder.outcome("K") == sent("K")
        refusal = folder.outcome("R")
        assert isinstance(refusal, EngineRejected)
        assert (refusal.code, str(refusal)) == (479, "no")
        folder.reopen()


def test_what_was_not_sent_may_be_tried_again(folder: Folder) -> None:
    folder.log.begin("K", ())
    folder.log.withdraw("K")
    folder.reopen()
    assert folder.outcome("K") is None


def test_borrowed_names_are_owed_until_given_back(folder: Folder) -> None:
    folder.log.begin("K", ROWS[:4000])
    folder.log.borrow("K", ROWS[4000:])
    folder.log.borrow("other", ROWS[:1])
    folder.reopen()
    assert folder.log.owed() == {"K": list(ROWS), "other": [ROWS[0]]}
    folder.log.give_back("K")
    folder.reopen()
    assert folder.log.owed() == {"other": [ROWS[0]]}


def test_old_posts_are_forgotten_while_it_runs_but_no_debt_is(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = [0]
    monkeypatch.setattr(module, "now_ms", lambda: day[0] * module.KEEP_MS)
    folder.log.begin("old", ())
    folder.log.end("old", code=500)
    folder.log.begin("debt", ROWS[:1])
    day[0] = 2
    folder.log.begin("new", ())
    assert folder.outcome("old") is None
    assert folder.log.owed() == {"debt": [ROWS[0]]}
    assert isinstance(folder.outcome("new"), EngineUncertain)


def test_many_large_posts_of_one_day_take_a_bounded_room(folder: Folder) -> None:
    rows = ROWS[:2000]
    for number in range(60):
        key = f"K{number}"
        folder.log.begin(key, rows)
        folder.log.give_back(key)
        folder.log.end(key, sent=sent(key, 2000))
    stored = sum(path.stat().st_size for path in folder.path.iterdir())
    assert stored < 3 * module.MAX_OUTCOME_BYTES
    assert folder.outcome("K59") == sent("K59", 2000)
    assert folder.outcome("K50") == sent("K50", 2000)
    assert isinstance(folder.outcome("K0"), EngineUncertain)  # but never posted again


def test_the_newest_outcome_is_remembered_however_long_it_is(folder: Folder) -> None:
    for key in ("K1", "K2"):
        folder.log.begin(key, ())
        folder.log.end(key, sent=sent(key, 100_000))
    assert folder.outcome("K2") == sent("K2", 100_000)
    assert isinstance(folder.outcome("K1"), EngineUncertain)


def test_what_an_older_version_noted_is_taken_over(tmp_path: Path) -> None:
    row = {"user": "1", "server": PHONES, "first": "A", "full": "B"}
    lines = [
        {"k": "Borrowed", "key": "done", "at_ms": 1, "rows": [row]},
        {"k": "Begun", "key": "done", "at_ms": 1},
        {"k": "Returned", "key": "done", "at_ms": 2},
        {"k": "Ended", "key": "done", "at_ms": 2, "sent": {"key": "done", "wire_id": "W"}},
        {"k": "Begun", "key": "none", "at_ms": 3},
        {"k": "Withdrawn", "key": "none", "at_ms": 3},
        {"k": "Ended", "key": "refused", "at_ms": 4, "code": 479, "text": "no"},
        {"k": "Borrowed", "key": "open", "at_ms": 5, "rows": [row]},
        {"k": "Begun", "key": "open", "at_ms": 5},
    ]
    old_spool(tmp_path / "posts", *(json.dumps(line).encode() for line in lines))
    folder = Folder(tmp_path)
    assert folder.outcome("done") == SentStatus(key="done", wire_id="W")
    assert folder.outcome("none") is None
    assert isinstance(folder.outcome("refused"), EngineRejected)
    assert isinstance(folder.outcome("open"), EngineUncertain)
    assert folder.log.owed() == {"open": [Entry("1", PHONES, "A", "B")]}
    folder.close()
