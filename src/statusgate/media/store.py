"""The media store: files by path ``instance/key.ext``, on an object store of any kind."""

import contextlib
import os
import re
import secrets
import shutil
import time
from asyncio import to_thread
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore

from statusgate.domain.errors import MediaFull, MediaUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.media.limits import NO_ROOM

LOW_WATER_BYTES = 512 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
_PART_BYTES = 5 * 1024 * 1024
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_LEFT_OVER_SECONDS = 3600
_PATH = re.compile(r"[0-9]{1,18}/[0-9a-f-]{1,64}\.[a-z0-9]{1,8}", re.ASCII)


class Listed(msgspec.Struct, frozen=True):
    """A file that is in the store, whether or not the journal knows of it."""

    path: str
    size: int
    modified_ms: int
    """when it was put"""


class MediaStore:
    """Files on an object store; what a put has returned from can be read back."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, path: str, source: Path) -> None:
        """Store a copy of *source*. Raises MediaUnavailable if that fails."""
        _check(path)
        size = (await to_thread(source.stat)).st_size
        with _faults():
            await obstore.put_async(
                self._store, path, source, chunk_size=_PART_BYTES, max_concurrency=2
            )
            stored = (await obstore.head_async(self._store, path))["size"]
        if stored != size:
            raise MediaUnavailable(f"{stored} of {size} bytes were stored", final=False)

    async def read(self, path: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Bytes ``start <= i < end`` in chunks; those past the end of the file are left out.

        Raises MediaUnavailable: final if there is no such file, not final if it cannot be
        read now or *start* lies past its end.
        """
        _check(path)
        if start >= end:
            return
        with _faults(missing_is_final=True):
            found = await obstore.get_async(self._store, path, options={"range": (start, end)})
            async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    async def list(self, instance_id: InstanceId | None = None) -> AsyncGenerator[Listed, None]:
        """Yield the stored files, of all instances or of one, in no particular order.

        Files that are put or removed meanwhile may be left out. Raises MediaUnavailable.
        """
        folder = None if instance_id is None else f"{instance_id}/"
        with _faults():
            async for chunk in obstore.list(self._store, folder):
                for found in chunk:
                    if _is_path(found["path"]):
                        modified_ms = int(found["last_modified"].timestamp() * 1000)
                        yield Listed(found["path"], found["size"], modified_ms)

    async def remove(self, paths: Sequence[str]) -> None:
        """Remove files; those that are gone already, or never could be here, are fine."""
        for path in filter(_is_path, paths):
            with _faults(), contextlib.suppress(FileNotFoundError):
                await obstore.delete_async(self._store, path)


class FolderMediaStore(MediaStore):
    """Files in a folder that only this user can enter."""

    def __init__(self, root: Path, *, low_water_bytes: int = LOW_WATER_BYTES) -> None:
        """Create *root* if need be. Less than *low_water_bytes* left on its disk is full."""
        self._root = root
        self._incoming = root / ".incoming"
        self._low_water_bytes = low_water_bytes
        root.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._incoming.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        self._drop_left_overs()
        super().__init__(LocalStore(root))

    async def put(self, path: str, source: Path) -> None:
        """Store a copy of *source*; it is whole and on disk when this returns.

        Raises MediaFull, or MediaUnavailable for other faults of the disk.
        """
        _check(path)
        with _faults():
            await to_thread(self._put, path, source)

    def _put(self, path: str, source: Path) -> None:
        self._check_room(source.stat().st_size)
        target = self._root / path
        arriving = self._incoming / secrets.token_hex(16)
        try:
            _copy_durably(source, arriving)
            if not target.parent.is_dir():
                target.parent.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
                _sync_folder(self._root)
            arriving.replace(target)
            _sync_folder(target.parent)
        finally:
            arriving.unlink(missing_ok=True)

    def _check_room(self, wanted: int) -> None:
        if shutil.disk_usage(self._root).free - wanted < self._low_water_bytes:
            raise MediaFull(f"less than {self._low_water_bytes} bytes would be left")

    def _drop_left_overs(self) -> None:
        """Remove what puts left that a crash cut short."""
        oldest = time.time() - _LEFT_OVER_SECONDS
        for path in self._incoming.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def open_media_store(place: str, *, low_water_bytes: int = LOW_WATER_BYTES) -> MediaStore:
    """Open the store that *place* names: a folder, or ``memory:`` for tests."""
    if place == "memory:":
        return MediaStore(MemoryStore())
    return FolderMediaStore(Path(place), low_water_bytes=low_water_bytes)


def _check(path: str) -> None:
    if not _is_path(path):
        raise MediaUnavailable("no such file", final=True)


def _is_path(path: str) -> bool:
    """Tell whether *path* has the store's own form, which leaves no way out of it."""
    return _PATH.fullmatch(path) is not None


def _copy_durably(source: Path, target: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with (
        source.open("rb") as reading,
        os.fdopen(os.open(target, flags, _PRIVATE_FILE), "wb") as writing,
    ):
        shutil.copyfileobj(reading, writing, CHUNK_BYTES)
        writing.flush()
        os.fsync(writing.fileno())


def _sync_folder(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextlib.contextmanager
def _faults(*, missing_is_final: bool = False) -> Iterator[None]:
    """Raise a store's errors as ours, with their first line, which is meant for users."""
    try:
        yield
    except (BaseError, OSError) as error:
        if missing_is_final and isinstance(error, FileNotFoundError):
            raise MediaUnavailable("no such file", final=True) from error
        reason = str(error).partition("\n")[0]
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise MediaFull(reason) from error
        raise MediaUnavailable(reason, final=False) from error
