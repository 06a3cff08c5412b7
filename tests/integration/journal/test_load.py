"""Size, contention and upkeep under load."""

import asyncio
import itertools
import random
import time
from pathlib import Path

import pytest

from statusgate.domain.address import Address
from statusgate.domain.receipt import Progress, Receipt
from statusgate.journal import Journal, Transaction, open_journal
from statusgate.journal import sqlite as sqlite_module
from tests.databases import Account, new_instance, record_in, transaction
from tests.factories import INSTANCE, NOON_MS, new_status

DAY_MS = 24 * 3600 * 1000
KINDS = (Progress.DELIVERED, Progress.READ)


def post(tx: Transaction, numbers: range, viewers: int = 0) -> None:
    """Statuses of ours, each with its audience."""
    audience = [viewer(number) for number in range(viewers)]
    for number in numbers:
        made = tx.record_status(
            INSTANCE, new_status(number, author=None, by_api=True, wire_id=f"W{number}")
        )
        assert made is not None
        tx.add_recipients(INSTANCE, made.no, audience)


def viewer(number: int) -> Address:
    return Address(phone=f"79{number:09d}")


def receipts(statuses: int, viewers: int) -> list[Receipt]:
    """Delivered and read by everybody, as they come: mixed."""
    made = [
        Receipt(f"W{status}", viewer(number), kind, NOON_MS + number * 10 + kind)
        for status, number, kind in itertools.product(range(statuses), range(viewers), KINDS)
    ]
    random.Random(1).shuffle(made)
    return made


def file_size(tmp_path: Path, statuses: int, viewers: int) -> int:
    """Bytes on disk of a record with so many rows, delivered and read."""
    session, record = record_in(f"sqlite:///{tmp_path}/journal.db")
    with transaction(session):
        record.create_instance(new_instance())
        post(record, range(statuses), viewers)
    told = receipts(statuses, viewers)
    for at in range(0, len(told), 1000):
        batch = told[at : at + 1000]
        with transaction(session):
            record.record_receipts(INSTANCE, batch, NOON_MS)
        session.maintain()
    session.close()
    return sum(file.stat().st_size for file in tmp_path.iterdir())


def test_a_row_costs_less_than_a_hundred_bytes(tmp_path: Path) -> None:
    assert file_size(tmp_path, 50, 1000) / 50_000 < 100


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_million_rows_cost_less_than_a_hundred_bytes_each(tmp_path: Path) -> None:
    assert file_size(tmp_path, 1000, 1000) / 1_000_000 < 100


async def test_a_burst_of_receipts_is_recorded_whole(account: Account) -> None:
    await account.write(lambda tx: post(tx, range(20), 250))
    told = receipts(20, 250)
    changes = await asyncio.gather(
        *(account.receive(*told[at : at + 1000]) for at in range(0, len(told), 1000))
    )
    rows = await account.recipients(new_status(0).status_id)
    assert len(rows) == 250
    assert {row.progress for row in rows} == {Progress.READ}
    assert sum(map(len, changes)) >= 20 * 250


@pytest.fixture
def early_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "CHECKPOINT_PAGES", 200)
    monkeypatch.setattr(sqlite_module, "CHECKPOINT_STEP_PAGES", 50)
    monkeypatch.setattr(sqlite_module, "RESTART_PAGES", 400)


@pytest.mark.usefixtures("early_checkpoints")
async def test_writers_and_readers_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    journal = open_journal(f"sqlite:///{tmp_path}/journal.db")
    await journal.write(None, lambda tx: tx.create_instance(new_instance()))
    numbers = iter(range(2000))
    finished = False

    async def writer() -> None:
        for number in numbers:
            await journal.write(
                INSTANCE,
                lambda tx, no=number: post(tx, range(no, no + 1), 3),  # type: ignore[misc]
            )

    def ask(record: Transaction) -> int:
        return len(record.statuses(INSTANCE, outgoing=True, since_ms=0, before_ms=NOON_MS + 20))

    async def reader() -> None:
        while not finished:
            await journal.read(ask)

    reading = [asyncio.create_task(reader()) for _ in range(32)]
    await asyncio.gather(*(writer() for _ in range(8)))
    finished = True
    await asyncio.gather(*reading)
    wal = (tmp_path / "journal.db-wal").stat().st_size
    kept = await journal.read(
        lambda record: record.statuses(INSTANCE, outgoing=True, since_ms=0)
    )
    await journal.close()
    assert len(kept) == 2000
    assert wal < 64 * 2**20


async def test_retention_does_not_hold_up_writes(tmp_path: Path) -> None:
    journal = open_journal(f"sqlite:///{tmp_path}/journal.db")
    await journal.write(None, lambda tx: tx.create_instance(new_instance()))
    await journal.write(INSTANCE, lambda tx: post(tx, range(200), 100))
    gone = steps = most_steps = 0

    async def retain() -> None:
        nonlocal gone, steps
        while True:
            count, _ = await journal.write(
                None, lambda tx: tx.expire(NOON_MS + DAY_MS * 2, DAY_MS, 500)
            )
            if count == 0:
                break
            gone += count
            steps += 1
            await asyncio.sleep(0)

    retaining = asyncio.create_task(retain())
    number = 1000
    while not retaining.done():
        before = steps
        await journal.write(INSTANCE, lambda tx, no=number: keep(tx, no))  # type: ignore[misc]
        most_steps = max(most_steps, steps - before)
        number += 1
    kept = await journal.read(
        lambda record: record.statuses(INSTANCE, outgoing=True, since_ms=0)
    )
    await journal.close()
    assert gone == 200 + 200 * 100
    assert len(kept) == number - 1000
    assert steps > 10
    assert most_steps <= 2  # a write waits for the step under way, and shares the next one


def keep(tx: Transaction, number: int) -> None:
    tx.record_status(
        INSTANCE,
        new_status(number, author=None, wire_id=f"W{number}", posted_ms=NOON_MS + 2 * DAY_MS),
    )


async def test_a_window_does_not_pay_for_what_is_older(tmp_path: Path) -> None:
    journal = open_journal(f"sqlite:///{tmp_path}/journal.db")
    await journal.write(None, lambda tx: tx.create_instance(new_instance()))
    few = await window_seconds(journal)
    await journal.write(INSTANCE, older)
    many = await window_seconds(journal)
    await journal.close()
    assert many < 20 * few + 0.01


def older(tx: Transaction) -> None:
    for number in range(5_000):
        tx.record_status(INSTANCE, new_status(number, posted_ms=number))


async def window_seconds(journal: Journal) -> float:
    def ask(record: Transaction) -> float:
        started = time.monotonic()
        record.statuses(INSTANCE, outgoing=False, since_ms=NOON_MS, contacts_only=True)
        return time.monotonic() - started

    return min([await journal.read(ask) for _ in range(20)])


async def test_memory_of_waiting_work_is_bounded(tmp_path: Path) -> None:
    journal = open_journal(f"sqlite:///{tmp_path}/journal.db")
    await journal.write(None, lambda tx: tx.create_instance(new_instance()))
    done = await asyncio.gather(
        *(journal.write(INSTANCE, lambda tx: tx.cursor(INSTANCE)) for _ in range(12_000))
    )
    await journal.close()
    assert len(done) == 12_000
