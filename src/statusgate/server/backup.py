"""Backups: a folder with the journal, the media and, encrypted, session stores and server key.

``manifest.json`` lists every file with its size and hash and is written last. The journal is
copied first: media of statuses in it are on disk before them. Accounts come directly after it:
an account must never know less than the journal, which would pass over its next events.
"""

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from statusgate import __version__
from statusgate.domain.clock import now_ms
from statusgate.engines.disk import sync, write_durably
from statusgate.journal import migrate_journal
from statusgate.journal.backup import check_file, copy_file
from statusgate.server.age import Decrypted, Encrypted, Unreadable
from statusgate.server.folders import BackupFailed, private_folder
from statusgate.settings import Settings

MANIFEST = "manifest.json"
JOURNAL = "journal.db"
SECRETS = "secrets.age"
KEY = "server.key"
Progress = Callable[[int, int], None]
"""gets the bytes done and the bytes in all"""
_PATH = re.compile(r"journal\.db|secrets\.age|media/\d{1,18}/[0-9a-f-]{1,64}\.[a-z0-9]{1,8}")
_CHUNK = 1 << 20
_TRIES = 20
PAUSE_SECONDS = 0.25


class Entry(msgspec.Struct, frozen=True):
    """A file of a backup."""

    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    format: Literal[1] = 1
    statusgate: str
    """version that made it"""
    created_ms: int
    database: Literal["sqlite", "postgresql"]
    """``postgresql``: the journal is not in it"""
    media: Literal["folder", "bucket"] = "folder"
    """``bucket``: the media are not in it"""
    files: list[Entry]

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.files)

    @property
    def has_secrets(self) -> bool:
        return any(entry.path == SECRETS for entry in self.files)


def back_up(
    settings: Settings, folder: Path, passphrase: str | None, progress: Progress
) -> Manifest:
    """Make the backup *folder*, also while a server runs; it appears when it is whole.

    Without *passphrase*, session stores and server key are left out. Raises BackupFailed, or
    JournalUnavailable if the journal cannot be read.
    """
    if folder.exists():
        raise BackupFailed(f"{folder} exists already; a backup is a new folder")
    with _faults(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            manifest = _fill(settings, partial, passphrase, progress)
            write_durably(
                partial / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest))
            )
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        sync(folder.parent)
    return manifest


def _fill(
    settings: Settings, partial: Path, passphrase: str | None, progress: Progress
) -> Manifest:
    journal = sqlite_file(settings)
    folder = settings.media_folder
    media = [] if folder is None else _media_in(folder)
    journal_size = 0 if journal is None else _size(journal)
    total = journal_size + sum(size for _, size in media)
    entries = []
    if journal is not None:
        copy_file(journal, partial / JOURNAL, lambda done: progress(min(done, total), total))
        entries.append(_entry(partial, JOURNAL))
    if passphrase is not None:
        _encrypt_secrets(settings.data_folder, partial / SECRETS, passphrase)
        entries.append(_entry(partial, SECRETS))
    done = journal_size
    for path, size in media:
        try:
            entries.append(_copied(Path(settings.media_store, path), partial, f"media/{path}"))
        except FileNotFoundError:
            continue  # its status has ended meanwhile
        done += size
        progress(min(done, total), total)
    return Manifest(
        statusgate=__version__,
        created_ms=now_ms(),
        database="postgresql" if journal is None else "sqlite",
        media="bucket" if folder is None else "folder",
        files=entries,
    )


def read_manifest(folder: Path) -> Manifest:
    """Return what a backup holds. Raises BackupFailed."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupFailed(f"{folder} is no backup of this program: {error}") from None
    for entry in manifest.files:
        if not _PATH.fullmatch(entry.path):
            raise BackupFailed(f"{folder} names a file that no backup has: {entry.path!r}")
    return manifest


def restore(
    folder: Path, settings: Settings, passphrase: str | None, progress: Progress
) -> list[str]:
    """Put a backup where *settings* say, and bring its journal up to date.

    Every file is compared with its hash before anything is written. Without *passphrase*,
    session stores and server key are left out. Returns the migrations that were applied.

    Raises BackupFailed: something is damaged, or there are data already.
    """
    manifest = read_manifest(folder)
    journal = sqlite_file(settings)
    if (journal is not None) != (manifest.database == "sqlite"):
        raise BackupFailed(
            f"the backup is of a {manifest.database} database, the settings name another kind"
        )
    if (settings.media_folder is None) != (manifest.media == "bucket"):
        raise BackupFailed(
            f"the media of the backup are in a {manifest.media}; the setting 'media' names"
            " another kind of place"
        )
    with _faults(folder):
        _refuse_existing(settings, journal)
        _verify(folder, manifest, progress)
        data = private_folder(settings.data_folder)
        if passphrase is not None and manifest.has_secrets:
            _decrypt_secrets(folder / SECRETS, data, passphrase)
        if settings.media_folder is not None:
            private_folder(settings.media_folder)
        done, total = manifest.size, 2 * manifest.size
        for entry in manifest.files:
            if entry.path.startswith("media/"):
                name = entry.path.removeprefix("media/")
                _copied(folder / entry.path, Path(settings.media_store), name)
            done += entry.size
            progress(done, total)
        if journal is None:
            return []
        _copied(folder / JOURNAL, private_folder(journal.parent), journal.name)
        check_file(journal)
    return migrate_journal(settings.database)


def sqlite_file(settings: Settings) -> Path | None:
    """The file of the journal; None if it is in PostgreSQL."""
    if settings.database.startswith(("postgresql://", "postgres://")):
        return None
    path = settings.database.removeprefix("sqlite:///")
    if path in (settings.database, "", ":memory:"):
        raise BackupFailed("the database is not a file and not in PostgreSQL")
    return Path(path)


def _refuse_existing(settings: Settings, journal: Path | None) -> None:
    for taken in (settings.data_folder, settings.media_folder):
        if taken is not None and taken.is_dir() and any(taken.iterdir()):
            raise BackupFailed(f"{taken} is not empty; a backup is restored into new folders")
    if journal is not None and journal.exists():
        raise BackupFailed(f"{journal} exists already; a backup is restored into new folders")


def _verify(folder: Path, manifest: Manifest, progress: Progress) -> None:
    done = 0
    for entry in manifest.files:
        path = folder / entry.path
        if not path.is_file():
            raise BackupFailed(f"the backup is not whole: {entry.path} is missing")
        if _hash(path) != entry.sha256:
            raise BackupFailed(f"the backup is damaged: {entry.path} is not what was saved")
        done += entry.size
        progress(done, 2 * manifest.size)


def _media_in(folder: Path) -> list[tuple[str, int]]:
    """Files of the store, by path, with their sizes."""
    found = (path for path in folder.glob("*/*") if path.is_file())
    named = ((path.relative_to(folder).as_posix(), path) for path in found)
    return sorted(
        (name, _size(path)) for name, path in named if _PATH.fullmatch(f"media/{name}")
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


# -- session stores and server key


def _encrypt_secrets(data: Path, target: Path, passphrase: str) -> None:
    with (
        tempfile.TemporaryDirectory(dir=private_folder(data / "staging")) as staging,
        _new_file(target) as file,
    ):
        encrypted = Encrypted(file, passphrase)
        archive: Any = encrypted  # tarfile only writes to it
        with tarfile.open(fileobj=archive, mode="w|") as tar:
            if (data / KEY).exists():
                tar.add(data / KEY, KEY, filter=_plain)
            accounts = private_folder(data / "accounts")
            tar.add(accounts, accounts.name, recursive=False, filter=_plain)
            for account in sorted(accounts.iterdir()):
                copy = Path(staging) / account.name
                _copy_settled(account, copy)
                tar.add(copy, f"accounts/{account.name}", filter=_plain)
                shutil.rmtree(copy)
        encrypted.close()


def _decrypt_secrets(source: Path, data: Path, passphrase: str) -> None:
    try:
        with source.open("rb") as file:
            archive: Any = Decrypted(file, passphrase)  # tarfile only reads from it
            with tarfile.open(fileobj=archive, mode="r|") as tar:
                tar.extractall(data, filter=_private)  # noqa: S202 - judged by the filter
        for path in data.rglob("*"):
            sync(path)
    except (Unreadable, tarfile.TarError) as error:
        raise BackupFailed(f"{source} cannot be read: {error}") from None


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Files and folders for their owner alone, without the name of that owner."""
    if not member.isfile() and not member.isdir():
        return None
    member.mode = 0o700 if member.isdir() else 0o600
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _private(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """Nothing that lies outside of *folder*, and everything for its owner alone."""
    safe = tarfile.data_filter(member, folder)
    return safe.replace(mode=0o700 if member.isdir() else 0o600, deep=False)


def _copy_settled(folder: Path, target: Path) -> None:
    """Copy the files of an account as they are at one moment, although its engine may run.

    The engine holds its databases alone, so they are copied as files, log and all, until no
    file has changed between the beginning and the end: what a crash at that moment would leave,
    from which SQLite recovers.
    """
    for _ in range(_TRIES):
        try:
            before = _hashes(folder)
            shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*-shm", "*.sock"))
            if before == _hashes(target) == _hashes(folder):
                return
        except (FileNotFoundError, shutil.Error):
            pass  # a file that was there for a moment
        shutil.rmtree(target, ignore_errors=True)
        time.sleep(PAUSE_SECONDS)
    raise BackupFailed(
        f"the files of account {folder.name} keep changing: stop the server, or try again"
    )


def _hashes(folder: Path) -> dict[Path, str]:
    return {
        path.relative_to(folder): _hash(path)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }


# -- files


def _copied(source: Path, root: Path, name: str) -> Entry:
    """Copy a file to *root*, for its owner alone."""
    target = root / name
    for parent in reversed(Path(name).parents):
        private_folder(root / parent)
    with source.open("rb") as reading, _new_file(target) as writing:
        shutil.copyfileobj(reading, writing, _CHUNK)
    return _entry(root, name)


@contextmanager
def _new_file(path: Path) -> Iterator[Any]:
    """A file that is on disk when the block ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _entry(root: Path, name: str) -> Entry:
    return Entry(name, (root / name).stat().st_size, _hash(root / name))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _faults(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupFailed(f"{error.filename or folder}: {error.strerror or error}") from None
