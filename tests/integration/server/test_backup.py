"""Backup and restore: what comes back is what was there, or nothing does."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from statusgate.engines.account_store import AccountStore
from statusgate.journal import Journal, open_journal
from statusgate.media.store import FolderMediaStore
from statusgate.server import age, backup
from statusgate.server.backup import back_up, read_manifest, restore
from statusgate.server.folders import BackupFailed, server_key
from statusgate.settings import Settings
from tests.acceptance.processes import run
from tests.databases import new_instance
from tests.factories import INSTANCE, new_status

PASSPHRASE = "correct horse battery staple"
PICTURE = f"{INSTANCE}/0123abcd.jpg"
SECRET = b"the noise key of a linked device"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age, "WORK_FACTOR", 2)


def settings_in(folder: Path) -> Settings:
    return Settings(database=f"sqlite:///{folder}/statusgate.db")


def nothing(_done: int, _total: int) -> None: ...


@pytest.fixture
async def served(tmp_path: Path) -> Any:
    """The settings of a gateway with a status, a picture and an account, and its journal."""
    folder = tmp_path / "served"
    folder.mkdir()
    settings = settings_in(folder)
    journal = open_journal(settings.database)
    await server_key(settings.data_folder, journal)
    await journal.write(None, lambda tx: tx.create_instance(new_instance()))
    await post(journal, "first")
    picture = tmp_path / "picture"
    picture.write_bytes(b"\xff\xd8picture")
    store = FolderMediaStore(Path(settings.media_store), low_water_bytes=0)
    await store.put(PICTURE, picture)
    account = settings.data_folder / "accounts" / str(INSTANCE)
    store_of_account = AccountStore(account, min_free_bytes=0)
    store_of_account.append(b"an event")
    (account / "session.db").write_bytes(SECRET)
    yield settings, journal, store_of_account
    store_of_account.close()
    await journal.close()


async def post(journal: Journal, name: str) -> None:
    new = new_status(status_id=name, wire_id=name)
    await journal.write(INSTANCE, lambda tx: tx.record_status(INSTANCE, new))


async def statuses(settings: Settings) -> set[str]:
    journal = open_journal(settings.database)
    try:
        found = await journal.read(lambda tx: tx.statuses(INSTANCE, outgoing=False, since_ms=0))
        return {status.status_id for status in found}
    finally:
        await journal.close()


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_running_gateway_comes_back_whole(served: Any, tmp_path: Path) -> None:
    settings, journal, _ = served
    made = back_up(settings, tmp_path / "backup", PASSPHRASE, nothing)
    assert read_manifest(tmp_path / "backup") == made
    await post(journal, "later")
    again = settings_in(tmp_path / "again")
    assert restore(tmp_path / "backup", again, PASSPHRASE, nothing) == []
    assert await statuses(again) == {"first"}
    assert (Path(again.media_store) / PICTURE).read_bytes() == b"\xff\xd8picture"
    key = "server.key"
    assert (again.data_folder / key).read_text() == (settings.data_folder / key).read_text()
    account = again.data_folder / "accounts" / str(INSTANCE)
    assert (account / "session.db").read_bytes() == SECRET
    store = AccountStore(account, min_free_bytes=0)
    assert list(store.read(0)) == [(1, b"an event")]
    store.close()
    journal = open_journal(again.database)
    assert await server_key(again.data_folder, journal)
    await journal.close()


async def test_what_is_secret_is_encrypted_or_left_out(served: Any, tmp_path: Path) -> None:
    settings, _, _ = served
    key = (settings.data_folder / "server.key").read_bytes()
    for name, passphrase in (("with", PASSPHRASE), ("without", None)):
        made = back_up(settings, tmp_path / name, passphrase, nothing)
        assert made.has_secrets == (passphrase is not None)
        found = everything(tmp_path / name)
        assert key not in found
        assert SECRET not in found
    again = settings_in(tmp_path / "again")
    restore(tmp_path / "with", again, None, nothing)
    assert not (again.data_folder / "server.key").exists()
    assert not (again.data_folder / "accounts").exists()


async def test_only_the_owner_may_read_a_backup_and_what_is_restored(
    served: Any, tmp_path: Path
) -> None:
    settings, _, _ = served
    back_up(settings, tmp_path / "backup", PASSPHRASE, nothing)
    restore(tmp_path / "backup", settings_in(tmp_path / "again"), PASSPHRASE, nothing)
    for root in (tmp_path / "backup", tmp_path / "again"):
        for path in (root, *root.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path


async def test_commits_and_events_go_on_during_a_backup(served: Any, tmp_path: Path) -> None:
    settings, journal, store = served
    posted = 0

    def append() -> None:
        for _ in range(5):
            store.append(b"an event")
            time.sleep(0.05)

    writer = threading.Thread(target=append)
    writer.start()
    copying = asyncio.create_task(
        asyncio.to_thread(back_up, settings, tmp_path / "backup", PASSPHRASE, nothing)
    )
    while not copying.done() or posted < 3:
        await post(journal, f"meanwhile-{posted}")
        posted += 1
    await copying
    writer.join()
    again = settings_in(tmp_path / "again")
    restore(tmp_path / "backup", again, PASSPHRASE, nothing)
    found = await statuses(again)
    kept = len(found) - 1  # the commits up to one moment, none left out
    assert found == {"first", *(f"meanwhile-{number}" for number in range(kept))}
    restored = AccountStore(again.data_folder / "accounts" / str(INSTANCE), min_free_bytes=0)
    numbers = [number for number, _ in restored.read(0)]
    assert restored.damaged is None
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers
    restored.close()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [flip, Path.unlink], ids=["changed", "missing"])
@pytest.mark.parametrize("name", ["journal.db", "secrets.age", f"media/{PICTURE}"])
async def test_a_damaged_backup_is_refused_before_anything_is_written(
    served: Any, tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    back_up(served[0], tmp_path / "backup", PASSPHRASE, nothing)
    damage(tmp_path / "backup" / name)
    with pytest.raises(BackupFailed, match=name):
        restore(tmp_path / "backup", settings_in(tmp_path / "again"), PASSPHRASE, nothing)
    assert not (tmp_path / "again").exists()


async def test_a_wrong_passphrase_restores_nothing(served: Any, tmp_path: Path) -> None:
    back_up(served[0], tmp_path / "backup", PASSPHRASE, nothing)
    with pytest.raises(BackupFailed, match="the passphrase is wrong"):
        restore(tmp_path / "backup", settings_in(tmp_path / "again"), "guess", nothing)
    assert everything(tmp_path / "again") == b""


async def test_nothing_that_exists_is_overwritten(served: Any, tmp_path: Path) -> None:
    settings = served[0]
    back_up(settings, tmp_path / "backup", None, nothing)
    before = everything(tmp_path / "backup")
    with pytest.raises(BackupFailed, match="exists already"):
        back_up(settings, tmp_path / "backup", None, nothing)
    assert everything(tmp_path / "backup") == before
    with pytest.raises(BackupFailed, match="is not empty"):
        restore(tmp_path / "backup", settings, None, nothing)
    elsewhere = Settings(database=settings.database, data=str(tmp_path / "empty"))
    with pytest.raises(BackupFailed, match="exists already"):
        restore(tmp_path / "backup", elsewhere, None, nothing)


@pytest.mark.parametrize(
    "path", ["../outside", "media/../../outside", "/etc/passwd", "accounts/1/session.db"]
)
async def test_a_manifest_cannot_name_files_elsewhere(
    served: Any, tmp_path: Path, path: str
) -> None:
    made = back_up(served[0], tmp_path / "backup", None, nothing)
    entry = msgspec.structs.replace(made.files[0], path=path)
    forged = msgspec.structs.replace(made, files=[entry])
    (tmp_path / "backup/manifest.json").write_bytes(msgspec.json.encode(forged))
    with pytest.raises(BackupFailed, match="names a file that no backup has"):
        restore(tmp_path / "backup", settings_in(tmp_path / "again"), None, nothing)


async def test_a_backup_that_fails_leaves_nothing(served: Any, tmp_path: Path) -> None:
    settings = served[0]

    def fail(_done: int, _total: int) -> None:
        raise OSError(28, "No space left on device", "backup")

    with pytest.raises(BackupFailed, match="No space left"):
        back_up(settings, tmp_path / "backups/today", None, fail)
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_folder_without_manifest_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="is no backup"):
        read_manifest(tmp_path)


async def test_of_postgresql_all_but_the_journal_is_saved(served: Any, tmp_path: Path) -> None:
    settings, _, _ = served
    url = "postgresql://statusgate@db/statusgate"
    remote = Settings(database=url, data=str(settings.data_folder))
    made = back_up(remote, tmp_path / "backup", PASSPHRASE, nothing)
    assert [entry.path for entry in made.files] == ["secrets.age", f"media/{PICTURE}"]
    with pytest.raises(BackupFailed, match="of a postgresql database"):
        restore(tmp_path / "backup", settings_in(tmp_path / "again"), PASSPHRASE, nothing)
    again = Settings(database=url, data=str(tmp_path / "again"))
    restore(tmp_path / "backup", again, PASSPHRASE, nothing)
    assert (Path(again.media_store) / PICTURE).exists()
    assert (again.data_folder / "server.key").exists()


async def test_the_files_of_an_account_that_never_rest_are_not_copied(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAUSE_SECONDS", 0.0)
    account = served[0].data_folder / "accounts" / str(INSTANCE)
    (account / "state").symlink_to("/proc/sys/kernel/random/uuid")  # another at each read
    with pytest.raises(BackupFailed, match=f"account {INSTANCE} keep changing"):
        back_up(served[0], tmp_path / "backup", PASSPHRASE, nothing)
    assert not (tmp_path / "backup").exists()


def test_without_terminal_the_passphrase_comes_from_a_file(tmp_path: Path) -> None:
    database = ("--database", f"sqlite:///{tmp_path}/data/statusgate.db")
    run("instance", "create", "--engine", "simulated", *database)
    folder, file = str(tmp_path / "backup"), tmp_path / "passphrase"
    asked = run("backup", folder, "--with-secrets", *database)
    assert (asked.returncode, asked.stderr) == (
        1,
        "Error: a passphrase is needed: --passphrase-file\n",
    )
    given = ("--passphrase-file", str(file))
    file.write_text("\n")
    assert "the passphrase is empty" in run("backup", folder, "--with-secrets", *given).stderr
    file.write_text("first line\nsecond line\n")
    done = run("backup", folder, "--with-secrets", *given, "--json", *database)
    assert done.returncode == 0, done.stderr
    assert msgspec.json.decode(done.stdout)["secrets"] is True
    again = ("--database", f"sqlite:///{tmp_path}/again/statusgate.db")
    file.write_text("second line")
    wrong = run("restore", folder, *given, *again)
    assert wrong.returncode == 1
    assert wrong.stderr.endswith("the passphrase is wrong\n")
    left_out = run("restore", folder, "--without-secrets", *again)
    assert left_out.returncode == 0, left_out.stderr
    assert "accounts must be linked anew" in left_out.stderr
