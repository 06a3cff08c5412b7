"""The media store: files by path ``instance/key.ext``, in a folder or in a bucket of S3."""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import time
from asyncio import to_thread
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, S3Store

from statusgate.domain.errors import MediaFull, MediaUnavailable
from statusgate.domain.fairness import FairShares
from statusgate.domain.ids import InstanceId
from statusgate.domain.media_types import UNKNOWN, of_name
from statusgate.media.limits import NO_ROOM

LOW_WATER_BYTES = 512 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024
LINK_SECONDS = 600
_PART_BYTES = 5 * 1024 * 1024
"""the least that S3 takes as a part of a file"""
_PARTS_AT_ONCE = 2
_PUTS_AT_ONCE = 4
"""with the parts of each, what uploads may take of the memory"""
_PUTS_EACH = 2
"""of one instance"""
READ_SECONDS = 20.0
_REQUEST_SECONDS = 60
_RETRIES = 3
_RETRY_SECONDS = 10
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_LEFT_OVER_SECONDS = 3600
_PATH = re.compile(r"[0-9]{1,18}/[0-9a-f-]{1,64}\.[a-z0-9]{1,8}", re.ASCII)
_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[\w!*'().-]+)*)/?", re.ASCII)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class Listed(msgspec.Struct, frozen=True):
    """A file that is in the store, whether or not the journal knows of it."""

    path: str
    size: int
    modified_ms: int
    """when it was put"""


class MediaStore:
    """Files on an object store; what a put has returned from can be read back."""

    missing = ""
    """what the error of a file that does not exist says, beside being one of that kind"""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._puts = FairShares[str](total=_PUTS_AT_ONCE, each=_PUTS_EACH)

    async def put(self, path: str, source: Path) -> None:
        """Store a copy of *source*, in parts. Raises MediaUnavailable if that fails."""
        _check(path)
        owner, _, _ = path.partition("/")
        async with self._puts.place(owner):
            with _faults():
                await obstore.put_async(
                    self._store,
                    path,
                    source,
                    attributes=_served_as(path),
                    chunk_size=_PART_BYTES,
                    max_concurrency=_PARTS_AT_ONCE,
                )

    async def read(self, path: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Bytes ``start <= i < end`` in chunks; those past the end of the file are left out.

        Each chunk is a request of its own, so that a slow reader holds neither a connection
        nor more than one chunk. Raises MediaUnavailable: final if there is no such file, not
        final if it cannot be read now or *start* lies past its end.
        """
        _check(path)
        while start < end:
            with _faults(missing=self.missing):
                async with asyncio.timeout(READ_SECONDS):
                    part = (start, min(end, start + CHUNK_BYTES))
                    found = await obstore.get_async(self._store, path, options={"range": part})
                    chunk = bytes(await found.bytes_async())
            start += len(chunk)
            end = min(end, found.meta["size"])
            yield chunk

    async def link(self, _path: str) -> str | None:
        """A URL that leads to the file itself, without the gateway; None: there is none."""
        return None

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
        """Remove files; those that are gone already, or never could be here, are fine.

        Raises MediaUnavailable if any stays; all were tried.
        """
        stays: MediaUnavailable | None = None
        for path in filter(_is_path, paths):
            try:
                with _faults(), contextlib.suppress(FileNotFoundError):
                    await obstore.delete_async(self._store, path)
            except MediaUnavailable as error:
                stays = error
        if stays is not None:
            raise stays


class BucketMediaStore(MediaStore):
    """Files in a bucket of S3, or of a server that speaks its protocol.

    Address and keys are the operator's, by the variables of the environment that every program
    for S3 knows (``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID``, …); nothing that
    a client sends can change where these requests go.
    """

    missing = "<Code>NoSuchKey</Code>"  # a wrong bucket or address is "not found" as well

    def __init__(self, place: str, *, has_links: bool = False) -> None:
        """*place*: ``s3://bucket/prefix``. Raises ValueError if it is not of that form."""
        self._has_links = has_links
        named = _BUCKET.fullmatch(place)
        if named is None:
            raise ValueError("media: a folder or s3://bucket/prefix is expected")
        self._bucket = S3Store(
            named[1],
            prefix=named[2].strip("/") or None,
            client_options={
                "allow_http": endpoint().startswith("http://"),
                "timeout": timedelta(seconds=_REQUEST_SECONDS),
            },
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
            },
        )
        super().__init__(self._bucket)

    async def remove(self, paths: Sequence[str]) -> None:
        """As for any store, but up to 1,000 with one request."""
        if known := list(filter(_is_path, paths)):
            with _faults():
                await obstore.delete_async(self._store, known)

    async def link(self, path: str) -> str | None:
        """A URL by which anybody can fetch the file for ``LINK_SECONDS``, if it has such."""
        if not self._has_links:
            return None
        _check(path)
        with _faults():
            return await obstore.sign_async(
                self._bucket, "GET", path, timedelta(seconds=LINK_SECONDS)
            )


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


def open_media_store(
    place: str, *, has_links: bool = False, low_water_bytes: int = LOW_WATER_BYTES
) -> MediaStore:
    """Open the store that *place* names: a folder, ``s3://bucket/prefix``, or ``memory:``
    for tests. Nothing is asked of a bucket yet.

    *has_links*: its files are fetched by links to the store itself. Raises ValueError.
    """
    if place.startswith("s3:"):
        return BucketMediaStore(place, has_links=has_links)
    if has_links:
        raise ValueError("media_links: only files in a bucket have links of their own")
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


def endpoint() -> str:
    """The address of the operator's S3 server, ``""`` for that of Amazon."""
    return next(filter(None, map(os.environ.get, _ENDPOINTS)), "")


def _served_as(path: str) -> dict[str, str]:
    """How a file is served by its own link: as the gateway would (contract 7.2)."""
    found = of_name(path)
    if not found.inline:
        return {"Content-Type": UNKNOWN.mimetype, "Content-Disposition": "attachment"}
    return {"Content-Type": found.mimetype, "Content-Disposition": "inline"}


@contextlib.contextmanager
def _faults(*, missing: str | None = None) -> Iterator[None]:
    """Raise a store's errors as ours; a missing file whose error says *missing* is final."""
    try:
        yield
    except (BaseError, OSError) as error:
        reason = _reason(error)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise MediaFull(reason) from None
        is_missing = isinstance(error, FileNotFoundError)
        if is_missing and missing is not None and missing in str(error):
            raise MediaUnavailable("no such file", final=True) from None
        raise MediaUnavailable(reason, final=False) from None


def _reason(error: Exception) -> str:
    """What a store says, for people: without the key of a file, by which anybody could get it,
    and of an answer of S3 its code alone, because the rest may name credentials."""
    text = str(error) or type(error).__name__
    code = re.search(r"<Code>(\w{1,64})</Code>", text)
    said = text.partition("\n")[0].partition("<?xml")[0].partition("<Error>")[0].rstrip(": ")
    return _PATH.sub("(file)", said) + (f" ({code[1]})" if code else "")
