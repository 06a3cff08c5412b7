"""Retention: what is old goes with its files; deleted instances leave nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from statusgate.accounts.instances import NewInstance
from statusgate.domain.errors import JournalFull
from statusgate.domain.ids import InstanceId
from statusgate.domain.media import StoredFile
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.status import Kind
from statusgate.journal import Transaction
from statusgate.server import wiring
from statusgate.server.wiring import Gateway
from statusgate.settings import Settings
from tests.factories import new_status, person

DAY_MS = 86_400_000


@pytest.fixture
async def built(tmp_path: Path) -> AsyncIterator[Gateway]:
    settings = Settings(
        database=f"sqlite:///{tmp_path}/s.db",
        retention_days=7,
        min_free_mb=0,
        min_free_media_mb=0,
    )
    async with wiring.gateway(settings, "http://127.0.0.1") as built:
        yield built


async def status_with_file(
    built: Gateway, owner: InstanceId, number: int, age_days: int
) -> str:
    """An outgoing picture with a viewer; returns the path of its file."""
    posted_ms = built.clock.now_ms() - age_days * DAY_MS
    file = StoredFile(
        key=f"{number:08d}-0000-0000-0000-000000000000",
        extension="jpg",
        mimetype="image/jpeg",
        size=3,
        created_ms=posted_ms,
    )
    path = Path(built.settings.media_store) / str(owner) / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"jpg")

    def work(tx: Transaction) -> None:
        status = tx.record_status(
            owner,
            new_status(
                number, author=None, kind=Kind.IMAGE, posted_ms=posted_ms, sent_ms=posted_ms
            ),
        )
        assert status is not None
        assert status.wire_id is not None
        tx.add_file(owner, file)
        tx.attach_file(owner, status.no, file, None)
        receipt = Receipt(status.wire_id, person(1), Progress.READ, posted_ms)
        tx.record_receipts(owner, [receipt], posted_ms)

    await built.journal.write(owner, work)
    return str(path)


async def test_what_is_older_than_the_retention_goes_with_rows_and_files(
    built: Gateway,
) -> None:
    made, _ = await built.instances.create(NewInstance(engine="simulated"))
    old = await status_with_file(built, made.id, 1, age_days=8)
    young = await status_with_file(built, made.id, 2, age_days=6)
    assert await built.retention.once() > 0
    statuses = await built.journal.read(
        lambda tx: tx.statuses(made.id, outgoing=True, since_ms=0)
    )
    assert [status.status_id for status in statuses] == [new_status(2).status_id]
    assert not Path(old).exists()
    assert Path(young).exists()
    assert await built.retention.once() == 0


async def test_a_deleted_instance_leaves_neither_records_nor_files_nor_keys(
    built: Gateway,
) -> None:
    made, _ = await built.instances.create(NewInstance(engine="simulated"))
    file = await status_with_file(built, made.id, 1, age_days=0)
    keys = built.settings.data_folder / "accounts" / str(made.id) / "session.db"
    keys.parent.mkdir(parents=True)
    keys.write_bytes(b"keys")
    long_ago = built.clock.now_ms() - 120_000
    await built.instances.change(made.id, deleted_ms=long_ago)
    assert await built.retention.once() > 0
    assert not Path(file).exists()
    assert not keys.parent.exists()
    statuses = await built.journal.read(
        lambda tx: tx.statuses(made.id, outgoing=True, since_ms=0)
    )
    assert statuses == []


async def test_an_engine_has_time_to_stop_before_its_keys_go(built: Gateway) -> None:
    made, _ = await built.instances.create(NewInstance(engine="simulated"))
    keys = built.settings.data_folder / "accounts" / str(made.id) / "session.db"
    keys.parent.mkdir(parents=True)
    keys.write_bytes(b"keys")
    await built.instances.delete(made.id)
    await built.retention.once()
    assert keys.exists()


async def test_a_file_that_cannot_be_removed_does_not_keep_the_others(built: Gateway) -> None:
    made, _ = await built.instances.create(NewInstance(engine="simulated"))
    stuck = Path(await status_with_file(built, made.id, 1, age_days=9))
    old = Path(await status_with_file(built, made.id, 2, age_days=8))
    stuck.unlink()
    (stuck / "something").mkdir(parents=True)  # no object store can delete a folder in use
    assert await built.retention.once() > 0
    assert not old.exists()
    assert await built.retention.once() == 0
    (stuck / "something").rmdir()
    stuck.rmdir()
    stuck.write_bytes(b"jpg")
    await built.retention.once()
    assert not stuck.exists()


async def test_a_deleted_instance_goes_while_the_disk_is_nearly_full(tmp_path: Path) -> None:
    """Removing is what brings the space back."""
    settings = Settings(
        database=f"sqlite:///{tmp_path}/s.db",
        retention_days=7,
        min_free_media_mb=0,
        min_free_mb=0,
    )
    async with wiring.gateway(settings, "http://127.0.0.1") as roomy:
        made, _ = await roomy.instances.create(NewInstance(engine="simulated"))
        file = await status_with_file(roomy, made.id, 1, age_days=0)
        await roomy.instances.change(made.id, deleted_ms=roomy.clock.now_ms() - 120_000)
    full = msgspec.structs.replace(settings, min_free_mb=1 << 40)
    async with wiring.gateway(full, "http://127.0.0.1") as built:
        with pytest.raises(JournalFull):
            await built.journal.write(made.id, lambda tx: tx.advance_cursor(made.id, 1))
        assert await built.retention.once() > 0
        assert await built.journal.read(lambda tx: tx.instance(made.id)) is None
    assert not Path(file).exists()
