"""Copies between databases: all rows, once, however often the copy is interrupted."""

from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest

from statusgate.journal import Journal, JournalRefused, Transaction, copying, open_journal
from statusgate.journal.copying import copy_journal
from tests.databases import fresh_schema, new_instance
from tests.factories import INSTANCE, NOON_MS, new_status, person

BATCH_ROWS = 50
ROWS = 2 * BATCH_ROWS + 17
Make = Callable[[str], str]


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "BATCH_ROWS", BATCH_ROWS)


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A function that returns the address of a new, empty database of a kind."""
    numbers = count(1)

    def made(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/{next(numbers)}.db"
        return fresh_schema(request.getfixturevalue("postgres_server"))

    return made


async def work_on(url: str, work: Callable[[Journal], Awaitable[None]]) -> None:
    journal = open_journal(url)
    try:
        await work(journal)
    finally:
        await journal.close()


async def fill(url: str) -> None:
    """Three batches of statuses, with texts in several languages."""

    def record(tx: Transaction) -> None:
        tx.create_instance(new_instance())
        for number, text in enumerate(["שלום", "привет 'quoted'", "tab\tand\nline", "🎉"]):
            tx.record_status(
                INSTANCE, new_status(number + 1, text=text, thumbnail=b"\x00\xff\\")
            )
        for number in range(ROWS):
            tx.record_status(INSTANCE, new_status(100 + number, author=person(number % 20)))

    async def write(journal: Journal) -> None:
        await journal.write(None, record)

    await work_on(url, write)


async def texts(url: str) -> list[str]:
    found: list[str] = []

    async def read(journal: Journal) -> None:
        shown = await journal.read(lambda tx: tx.statuses(INSTANCE, outgoing=False, since_ms=0))
        found.extend(status.text for status in shown)

    await work_on(url, read)
    return found


def nothing(_table: str, _done: int, _total: int) -> None: ...


class Interrupted(Exception):
    pass


def interrupted_after(steps: int) -> Callable[[str, int, int], None]:
    left = iter(range(steps))

    def progress(_table: str, _done: int, _total: int) -> None:
        if next(left, None) is None:
            raise Interrupted

    return progress


WAYS = [
    pytest.param("sqlite", "sqlite"),
    pytest.param("sqlite", "postgres", marks=pytest.mark.postgres),
    pytest.param("postgres", "sqlite", marks=pytest.mark.postgres),
]


@pytest.mark.parametrize(("one", "other"), WAYS)
async def test_a_copy_holds_the_same_and_can_be_served(
    make: Make, one: str, other: str
) -> None:
    source, target = make(one), make(other)
    await fill(source)
    steps: list[tuple[int, int]] = []
    copied = copy_journal(source, target, lambda _table, *step: steps.append(step))
    assert {table.table: table.rows for table in copied}["statuses"] == ROWS + 4
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert await texts(target) == await texts(source)
    await work_on(target, delete_the_first)  # what the schema does by itself came along


@pytest.mark.parametrize(("one", "other"), WAYS)
async def test_an_interrupted_copy_is_not_served_and_goes_on(
    make: Make, one: str, other: str
) -> None:
    source, target = make(one), make(other)
    await fill(source)
    whole = copy_journal(source, make("sqlite"), nothing)
    for steps in (0, 7, 4):
        with pytest.raises(Interrupted):
            copy_journal(source, target, interrupted_after(steps))
        with pytest.raises(JournalRefused, match="unfinished copy"):
            open_journal(target)
        with pytest.raises(JournalRefused, match="unfinished copy"):
            open_journal(target, exclusive=False)
    assert copy_journal(source, target, nothing) == whole


async def delete_the_first(journal: Journal) -> None:
    first = new_status(1)
    deleted = await journal.write(
        INSTANCE,
        lambda tx: tx.record_deletion(INSTANCE, first.status_id, first.author, NOON_MS),
    )
    assert deleted is not None


async def test_what_changed_in_the_source_since_an_interruption_changes_in_the_copy(
    make: Make,
) -> None:
    source, target = make("sqlite"), make("sqlite")
    await fill(source)
    with pytest.raises(Interrupted):
        copy_journal(source, target, interrupted_after(9))
    await work_on(source, delete_the_first)
    assert copy_journal(source, target, nothing) == copy_journal(
        source, make("sqlite"), nothing
    )


@pytest.mark.parametrize(("one", "other"), WAYS)
async def test_what_the_target_holds_is_never_touched(make: Make, one: str, other: str) -> None:
    source, target, third = make(one), make(other), make("sqlite")
    await fill(source)
    await work_on(third, _create)
    copy_journal(third, target, nothing)
    with pytest.raises(JournalRefused, match="the target is not empty"):
        copy_journal(source, target, nothing)
    assert copy_journal(target, make("sqlite"), nothing) == copy_journal(
        third, make("sqlite"), nothing
    )


async def _create(journal: Journal) -> None:
    await journal.write(None, lambda tx: tx.create_instance(new_instance(id=7)))


async def test_an_unfinished_copy_of_another_journal_is_refused(make: Make) -> None:
    source, target, third = make("sqlite"), make("sqlite"), make("sqlite")
    await fill(source)
    await work_on(third, _create)
    with pytest.raises(Interrupted):
        copy_journal(source, target, interrupted_after(7))
    with pytest.raises(JournalRefused, match="an unfinished copy of another database"):
        copy_journal(third, target, nothing)


@pytest.mark.parametrize(("one", "other"), WAYS)
async def test_a_database_that_is_served_is_refused(make: Make, one: str, other: str) -> None:
    source, target = make(one), make(other)
    for served in (source, target):
        journal = open_journal(served)
        try:
            with pytest.raises(JournalRefused, match="served by another process"):
                copy_journal(source, target, nothing)
        finally:
            await journal.close()


def test_a_source_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(JournalRefused, match="no database to copy from"):
        copy_journal(f"sqlite:///{tmp_path}/none.db", f"sqlite:///{tmp_path}/new.db", nothing)
    assert not (tmp_path / "none.db").exists()
