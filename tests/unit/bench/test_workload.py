"""The workload is what it says it is."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from bench import workload
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind, Status
from statusgate.journal import Journal, Transaction, open_journal
from statusgate.wire.statuses import encode_item
from tests.clocks import START_MS

ID = workload.INSTANCE
MINUTE_MS = 60_000


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def journal() -> AsyncIterator[Journal]:
    async with fresh_journal() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def seeded() -> AsyncIterator[Journal]:
    """Only read by its tests."""
    async with fresh_journal() as opened:
        await workload.seed(opened, ID, START_MS)
        yield opened


@asynccontextmanager
async def fresh_journal() -> AsyncIterator[Journal]:
    opened = open_journal("sqlite:///:memory:")
    instance = workload.instance(ID, bytes(32), START_MS)
    await opened.write(ID, lambda tx: tx.create_instance(instance))
    yield opened
    await opened.close()


async def window(
    journal: Journal, minutes: int, *, outgoing: bool, later_ms: int = 0
) -> list[Status]:
    since_ms = START_MS + later_ms - minutes * MINUTE_MS
    return await journal.read(
        lambda tx: tx.statuses(
            ID, outgoing=outgoing, since_ms=since_ms, contacts_only=not outgoing
        )
    )


async def rows_of(journal: Journal, i: int) -> list[Progress]:
    def work(tx: Transaction) -> list[Progress]:
        status = tx.status(ID, workload.status_id(i))
        assert status is not None
        return [one.progress for one in tx.recipients(status)]

    return await journal.read(work)


async def test_the_workload_holds_exactly_its_statuses_and_rows(seeded: Journal) -> None:
    outgoing = await window(seeded, 1_440, outgoing=True)
    incoming = await window(seeded, 1_440, outgoing=False)
    rows = [len(await rows_of(seeded, i)) for i in range(1, 5_001) if workload.is_outgoing(i)]

    assert (len(outgoing), len(incoming)) == (2_000, 3_000)
    assert sum(one.kind is Kind.IMAGE for one in outgoing) == 666
    assert sum(one.kind is Kind.IMAGE for one in incoming) == 1_000
    assert sum(rows) == 20_090
    assert all(len(one.participants) == 10 for one in outgoing)


@pytest.mark.parametrize("later_ms", [0, 1_000 * workload.WINDOW_SECONDS])
async def test_the_windows_hold_for_thirteen_minutes(seeded: Journal, later_ms: int) -> None:
    short = await window(seeded, 30, outgoing=True, later_ms=later_ms)
    outgoing = await window(seeded, 110, outgoing=True, later_ms=later_ms)
    incoming = await window(seeded, 110, outgoing=False, later_ms=later_ms)
    since_ms = START_MS + later_ms - 110 * MINUTE_MS

    assert (len(short), len(outgoing), len(incoming)) == (10, 100, 150)
    assert all(one.last_action_ms >= since_ms for one in outgoing)


async def test_status_1_has_97_rows_read_and_3_delivered(seeded: Journal) -> None:
    rows = await rows_of(seeded, 1)

    assert (rows.count(Progress.READ), rows.count(Progress.DELIVERED)) == (97, 3)


async def test_every_receipt_lies_in_the_past(journal: Journal) -> None:
    await workload.seed(journal, ID, START_MS, many_viewers=True)

    newest = (await window(journal, 30, outgoing=True))[0]

    assert newest.status_id == workload.status_id(0)
    assert newest.last_action_ms < START_MS
    assert len(await rows_of(journal, 0)) == 1_024


async def test_answers_are_about_as_long_as_the_table_says(journal: Journal) -> None:
    await workload.seed(journal, ID, START_MS, thumbnails=True)

    items = await window(journal, 110, outgoing=True)
    bare = [len(encode_item(one, "http://127.0.0.1:8080")) for one in items]
    images = [one for one in items if one.kind is Kind.IMAGE]

    assert len(images) == 33
    assert all(len(b64encode(one.thumbnail)) == 800 for one in images)
    assert sum(bare) >= 99_000
    assert sum(bare) - 33 * 800 == pytest.approx(73_000, rel=0.05)


async def test_the_filler_is_older_than_a_day_and_younger_than_retention(
    journal: Journal,
) -> None:
    await workload.seed_filler(journal, [ID], START_MS, 1_000)

    recent = await window(journal, 1_440, outgoing=True)
    kept = await window(journal, 29 * 1_440 + 1, outgoing=True)

    assert (len(recent), len(kept)) == (0, 400)


async def test_arriving_receipts_are_all_new() -> None:
    told = [workload.moving_receipts(serial) for serial in range(5_000)]

    assert len(set(told)) == len(told)
    assert {status_id for status_id, _, _ in told} == {
        workload.status_id(i) for i in range(5, 251) if workload.is_outgoing(i)
    }
