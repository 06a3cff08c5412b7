"""What the book of posts knows after a restart."""

import time
from pathlib import Path

import pytest

from statusgate.domain.address import Address
from statusgate.domain.errors import EngineRejected, EngineUncertain
from statusgate.domain.post import SentStatus, Skipped
from statusgate.engines.neonize import post_log as module
from statusgate.engines.neonize.audience import PHONES, Entry
from statusgate.engines.neonize.post_log import PostLog

ROWS = tuple(Entry(str(n), PHONES, "First", f"Name {n}") for n in range(4500))


def reopened(book: PostLog, directory: Path) -> PostLog:
    book.close()
    return PostLog(directory)


def test_a_post_that_began_and_never_ended_is_uncertain(tmp_path: Path) -> None:
    book = PostLog(tmp_path)
    assert book.outcome("K") is None
    book.begin("K", ())
    for _ in range(2):
        assert book.unfinished() == ["K"]
        with pytest.raises(EngineUncertain):
            book.outcome("K")
        book = reopened(book, tmp_path)
    book.close()


def test_an_answer_is_remembered(tmp_path: Path) -> None:
    person = Address(phone="1")
    sent = SentStatus(
        key="K", wire_id="3EB0", recipients=(person,), skipped=(Skipped(person, "privacy"),)
    )
    book = PostLog(tmp_path)
    book.begin("K", ())
    book.end("K", sent=sent)
    book.begin("R", ())
    book.end("R", code=479, text="no")
    for _ in range(2):
        assert book.outcome("K") == sent
        with pytest.raises(EngineRejected) as refusal:
            book.outcome("R")
        assert refusal.value.code == 479
        assert book.unfinished() == []
        book = reopened(book, tmp_path)
    book.close()


def test_what_was_not_sent_may_be_tried_again(tmp_path: Path) -> None:
    book = PostLog(tmp_path)
    book.begin("K", ())
    book.withdraw("K")
    book = reopened(book, tmp_path)
    assert book.outcome("K") is None
    book.close()


def test_borrowed_names_are_owed_until_given_back(tmp_path: Path) -> None:
    book = PostLog(tmp_path)
    book.begin("K", ROWS)
    book = reopened(book, tmp_path)
    assert book.owed() == {"K": list(ROWS)}
    book.give_back("K")
    book = reopened(book, tmp_path)
    assert book.owed() == {}
    book.close()


def test_old_posts_are_forgotten_but_no_debt_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_days_ago = int(time.time() * 1000) - 2 * module.KEEP_MS
    monkeypatch.setattr(module, "_now_ms", lambda: two_days_ago)
    book = PostLog(tmp_path)
    book.begin("old", ())
    book.end("old", code=500)
    book.begin("debt", ROWS[:1])
    monkeypatch.undo()
    book.begin("new", ())
    book = reopened(book, tmp_path)
    book = reopened(book, tmp_path)
    assert book.outcome("old") is None
    assert book.owed() == {"debt": [ROWS[0]]}
    assert "new" in book.unfinished()
    book.close()
