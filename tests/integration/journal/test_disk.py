"""F4-F8: what the disk can do to us, through a VFS that counts, logs and fails."""

import asyncio
import random
from pathlib import Path

import apsw
import pytest

from statusgate.domain.errors import JournalBroken, JournalFull
from statusgate.journal import Journal, JournalRefused, Transaction, open_journal
from statusgate.journal import sqlite as sqlite_module
from statusgate.journal.migrate import migrate
from statusgate.journal.session import Health
from statusgate.journal.sqlite import SqliteSession
from tests.databases import new_instance, record_in, transaction
from tests.factories import INSTANCE, new_status
from tests.faulty_disk import Disk, Entry, Kind, cut, disk

__all__ = ["disk"]

COMMITS = 20


def record_number(tx: Transaction, number: int) -> None:
    tx.record_status(INSTANCE, new_status(number, author=None, wire_id=f"W{number}"))


async def opened(path: Path, disk: Disk) -> Journal:
    journal = open_journal(f"sqlite:///{path}", vfs=disk.name)
    await journal.write(None, lambda tx: tx.create_instance(new_instance()))
    return journal


async def tried(journal: Journal, number: int) -> Exception | None:
    try:
        await journal.write(INSTANCE, lambda tx: record_number(tx, number))
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error
    return None


def recorded(path: Path) -> set[int]:
    """What a sound process finds in the file."""
    session, record = record_in(f"sqlite:///{path}")
    with transaction(session):
        assert session.run_script("PRAGMA integrity_check") == [("ok",)]
        statuses = record.statuses(INSTANCE, outgoing=True, since_ms=0)
    session.close()
    return {int(status.status_id[4:], 16) for status in statuses}


@pytest.mark.parametrize("kind", ["sync", "write"])
async def test_an_io_error_is_the_end(tmp_path: Path, disk: Disk, kind: Kind) -> None:
    broken = 0
    for after in range(1, 31):
        path = tmp_path / f"{kind}{after}.db"
        journal = await opened(path, disk)
        disk.fail(kind, after)
        results = [await tried(journal, number) for number in range(COMMITS)]
        disk.heal()
        assert journal.healthy == (results.count(None) == COMMITS)
        kept = {number for number, error in enumerate(results) if error is None}
        assert kept == set(range(len(kept)))  # none succeeds after the first that failed
        assert all(error is None or isinstance(error, JournalBroken) for error in results)
        if not journal.healthy:
            with pytest.raises(JournalBroken):
                await journal.read(lambda record: record.instances())
        broken += not journal.healthy
        await journal.close()
        assert recorded(path) >= kept
    assert broken >= COMMITS


async def test_a_failed_sync_fails_all_that_wait_for_it(tmp_path: Path, disk: Disk) -> None:
    journal = await opened(tmp_path / "journal.db", disk)
    disk.fail("sync", 1)
    results = await asyncio.gather(*(tried(journal, number) for number in range(50)))
    assert {type(error) for error in results} == {JournalBroken}
    assert not journal.healthy
    await journal.close()


@pytest.mark.parametrize("short", [False, True])
async def test_a_full_disk_costs_what_it_refuses_and_nothing_else(
    tmp_path: Path, disk: Disk, *, short: bool
) -> None:
    for after in range(1, 31):
        path = tmp_path / f"full{after}.db"
        journal = await opened(path, disk)
        disk.fail("write", after, apsw.FullError, lasting=True, short=short)
        kept = set()
        for number in range(COMMITS):
            error = await tried(journal, number)
            assert error is None or isinstance(error, JournalFull)
            if error is None:
                kept.add(number)
            assert len(await journal.read(lambda record: record.instances())) == 1
        assert len(kept) < COMMITS
        assert journal.healthy
        disk.heal()
        assert await tried(journal, 99) is None
        await journal.close()
        assert recorded(path) == kept | {99}


async def test_a_file_system_gone_read_only_is_a_full_one(tmp_path: Path, disk: Disk) -> None:
    journal = await opened(tmp_path / "journal.db", disk)
    disk.fail("write", 1, apsw.ReadOnlyError, lasting=True)
    assert isinstance(await tried(journal, 1), JournalFull)
    assert len(await journal.read(lambda record: record.instances())) == 1
    disk.heal()
    assert await tried(journal, 1) is None
    await journal.close()


async def test_a_read_only_file_system_is_refused_at_the_start(
    tmp_path: Path, disk: Disk
) -> None:
    disk.fail("write", 1, apsw.ReadOnlyError, lasting=True)
    with pytest.raises(JournalRefused, match="cannot be written"):
        open_journal(f"sqlite:///{tmp_path}/journal.db", vfs=disk.name)
    disk.heal()
    await open_journal(f"sqlite:///{tmp_path}/journal.db", vfs=disk.name).close()


async def test_every_answer_follows_a_sync(tmp_path: Path, disk: Disk) -> None:
    journal = await opened(tmp_path / "journal.db", disk)
    for number in range(200):
        assert await tried(journal, number) is None
        unsynced = False
        for entry in disk.log:
            if entry.file.endswith("-wal"):
                unsynced = entry.kind == "write" or (unsynced and entry.kind != "sync")
        assert not unsynced
        disk.log.clear()
    await journal.close()


# -- F4: power cuts, replayed from the log


def logged_run(path: Path, disk: Disk, synchronous: str) -> None:
    """Commit a number at a time, with an ``ack`` in the log after each."""
    session = SqliteSession(str(path), Health(), vfs=disk.name)
    migrate(session, "sqlite")
    session.run_script(f"PRAGMA synchronous = {synchronous}")
    record = Transaction(session)
    with transaction(session):
        record.create_instance(new_instance())
    disk.log.append(Entry("ack", offset=-1))
    for number in range(60):
        with transaction(session):
            record_number(record, number)
        disk.log.append(Entry("ack", offset=number))
        session.maintain()
    session.close()


def lost_in_cuts(tmp_path: Path, disk: Disk, synchronous: str, images: int) -> int:
    """Return how many acknowledged commits are missing over all images."""
    logged_run(tmp_path / "journal.db", disk, synchronous)
    begin = disk.log.index(Entry("ack", offset=-1)) + 1
    moments = random.Random(4)
    lost = 0
    for number in range(images):
        folder = tmp_path / f"image{number}"
        folder.mkdir()
        upto = moments.randrange(begin, len(disk.log) + 1)
        acknowledged = cut(disk.log[:upto], moments, folder) - {-1}
        lost += len(acknowledged - recorded(folder / "journal.db"))
    return lost


@pytest.fixture
def frequent_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "CHECKPOINT_PAGES", 40)


@pytest.mark.usefixtures("frequent_checkpoints")
def test_power_cuts_lose_nothing(tmp_path: Path, disk: Disk) -> None:
    assert lost_in_cuts(tmp_path, disk, "FULL", 150) == 0


@pytest.mark.usefixtures("frequent_checkpoints")
def test_a_power_cut_shows_a_weaker_setting(tmp_path: Path, disk: Disk) -> None:
    assert lost_in_cuts(tmp_path, disk, "NORMAL", 30) > 0


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("frequent_checkpoints")
def test_two_thousand_power_cuts(tmp_path: Path, disk: Disk) -> None:
    assert lost_in_cuts(tmp_path, disk, "FULL", 2000) == 0
