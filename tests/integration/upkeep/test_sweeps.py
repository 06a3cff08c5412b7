"""Sweeps: what a crash left behind goes once it is old; what is in use stays."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from statusgate.accounts.instances import NewInstance
from statusgate.domain.ids import InstanceId, new_media_key
from statusgate.domain.media import StoredFile
from statusgate.server import wiring
from statusgate.server.wiring import Gateway
from statusgate.settings import Settings
from statusgate.upkeep.sweeps import Sweeps
from tests.integration.api.running import running_gateway
from tests.waiting import eventually

HOUR = 3_600
DAY = 24 * HOUR


@pytest.fixture
async def built(lasting_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    settings = Settings(
        database=lasting_url, data=str(tmp_path / "data"), min_free_mb=0, min_free_media_mb=0
    )
    async with wiring.gateway(settings, "http://127.0.0.1") as built:
        yield built


def sweeps(built: Gateway) -> Sweeps:
    data = built.settings.data_folder
    return Sweeps(
        built.journal,
        built.services.media,
        built.clock,
        staging=data / "staging",
        accounts=data / "accounts",
    )


def left(path: Path, age_seconds: float) -> Path:
    """A file that was last written so long ago, in folders that are as old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left")
    at = time.time() - age_seconds
    for each in (path, path.parent):
        os.utime(each, (at, at))
    return path


async def stored(
    built: Gateway, owner: InstanceId, age_seconds: float, *, recorded: bool
) -> Path:
    file = StoredFile(
        key=new_media_key(), extension="jpg", mimetype="image/jpeg", size=4, created_ms=0
    )
    if recorded:
        await built.journal.write(owner, lambda tx: tx.add_file(owner, file))
    return left(Path(built.settings.media_store) / str(owner) / file.name, age_seconds)


async def instance(built: Gateway) -> InstanceId:
    made, _ = await built.instances.create(NewInstance(engine="simulated"))
    return made.id


async def test_old_files_on_their_way_go_and_young_ones_stay(built: Gateway) -> None:
    staging = built.settings.data_folder / "staging"
    old_file = left(staging / "old", 7 * HOUR)
    old_folder = left(staging / "tmpold" / "file", 7 * HOUR).parent
    young = left(staging / "tmpyoung" / "file", 60)
    busy = left(staging / "tmpbusy" / "file", 7 * HOUR)
    os.utime(busy)  # its folder is old, what is in it is being written
    assert await sweeps(built).once() == 2
    assert not old_file.exists()
    assert not old_folder.exists()
    assert young.exists()
    assert busy.exists()


async def test_stored_files_without_a_record_go_after_a_day(built: Gateway) -> None:
    owner = await instance(built)
    never_recorded = await stored(built, owner, 2 * DAY, recorded=False)
    of_nobody = await stored(built, InstanceId(1101999999), 2 * DAY, recorded=False)
    just_put = await stored(built, owner, HOUR, recorded=False)
    recorded = await stored(built, owner, 2 * DAY, recorded=True)
    assert await sweeps(built).once() == 2
    assert [path.exists() for path in (never_recorded, of_nobody, just_put, recorded)] == [
        False, False, True, True,
    ]  # fmt: skip


async def test_folders_of_accounts_that_are_gone_go_after_a_week(built: Gateway) -> None:
    owner, deleted = await instance(built), await instance(built)
    await built.instances.delete(deleted)  # its record is still there: retention's work
    accounts = built.settings.data_folder / "accounts"
    paths = {
        name: left(accounts / name / "session.db", 8 * DAY)
        for name in (str(owner), str(deleted), "1101999999", "notes")
    }
    paths["young"] = left(accounts / "1101999998" / "session.db", DAY)
    assert await sweeps(built).once() == 1
    assert {name for name, path in paths.items() if path.exists()} == {
        str(owner), str(deleted), "notes", "young",
    }  # fmt: skip


async def test_with_an_empty_database_nothing_but_staging_is_touched(built: Gateway) -> None:
    """It may be a wrong address, beside the folders of another database."""
    data = built.settings.data_folder
    keys = left(data / "accounts" / "1101000001" / "session.db", 300 * DAY)
    file = await stored(built, InstanceId(1101000001), 300 * DAY, recorded=False)
    assert await sweeps(built).once() == 0
    assert keys.exists()
    assert file.exists()


async def test_a_server_sweeps_at_its_start(tmp_path: Path) -> None:
    old = left(tmp_path / "staging" / "old", 7 * HOUR)
    async with running_gateway(tmp_path):
        await eventually(lambda: not old.exists())


async def test_the_record_of_a_deleted_instance_stays_until_its_keys_are_gone(
    built: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await instance(built)
    keys = built.settings.data_folder / "accounts" / str(owner) / "session.db"
    left(keys, DAY)
    await built.instances.change(owner, deleted_ms=built.clock.now_ms() - 120_000)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("no")

    with monkeypatch.context() as broken:
        broken.setattr("shutil.rmtree", refused)
        await built.retention.once()
    assert await built.journal.read(lambda tx: tx.instance(owner)) is not None
    await built.retention.once()
    assert not keys.parent.exists()
    assert await built.journal.read(lambda tx: tx.instance(owner)) is None
