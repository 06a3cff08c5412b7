"""Uploads of clients: streamed to disk, kept for 15 days (contract 7.1)."""

import asyncio
import errno
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from statusgate.accounts.files import Files
from statusgate.domain.clock import Clock
from statusgate.domain.errors import LimitReached, MediaFull
from statusgate.domain.ids import InstanceId, new_media_key
from statusgate.domain.media import StoredFile, media_url
from statusgate.domain.media_types import UNKNOWN, of_mimetype, of_name
from statusgate.journal import Journal, Transaction

KEPT_MS = 15 * 86_400_000
_COPY_BYTES = 1 << 20
_BUFFERED = 1 << 20
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class Staged:
    """A file on its way in."""

    def __init__(self, path: Path, file: BinaryIO, least_free_bytes: int) -> None:
        self.path = path
        self._least_free_bytes = least_free_bytes
        self.size = 0
        self._file = file
        self._buffer: list[bytes] = []
        self._buffered = 0

    async def write(self, chunk: bytes) -> None:
        """Append; MediaFull if there is no room."""
        self._buffer.append(chunk)
        self._buffered += len(chunk)
        self.size += len(chunk)
        if self._buffered >= _BUFFERED:
            await self.flush()

    async def flush(self) -> None:
        """Have all of it in the file."""
        chunks, self._buffer, self._buffered = self._buffer, [], 0
        try:
            await asyncio.to_thread(self._write, chunks)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise MediaFull(str(error)) from error
            raise

    async def cut(self, start: int, size: int) -> None:
        """Keep *size* bytes from *start* on."""
        if (start, size) != (0, self.size):
            await asyncio.to_thread(self._cut, start, size)

    def _write(self, chunks: list[bytes]) -> None:
        if shutil.disk_usage(self.path.parent).free < self._least_free_bytes:
            raise MediaFull("free disk space is below the low-water mark")
        self._file.writelines(chunks)
        self._file.flush()

    def _cut(self, start: int, size: int) -> None:
        part = self.path.with_suffix(".part")
        with self.path.open("rb") as whole, part.open("wb") as file:
            whole.seek(start)
            left = size
            while left > 0 and (chunk := whole.read(min(_COPY_BYTES, left))):
                file.write(chunk)
                left -= len(chunk)
        part.replace(self.path)
        self.size = size


class UploadLimits(msgspec.Struct, frozen=True):
    """How many uploads are kept for an instance, and how many bytes of them."""

    files: int
    megabytes: int

    def check(self, files: int, size: int, *, more: int = 0) -> None:
        """Raise LimitReached if one more file, of *more* bytes, is too much."""
        if files >= self.files:
            raise LimitReached(f"at most {self.files} uploads are kept")
        if size + more > self.megabytes << 20:
            raise LimitReached(f"at most {self.megabytes} MB of uploads are kept")


class Uploads:
    """Receives files; once a URL was returned, the file is stored and recorded."""

    def __init__(
        self,
        journal: Journal,
        files: Files,
        clock: Clock,
        *,
        public_url: str,
        staging: Path,
        least_free_bytes: int,
        limits: UploadLimits,
    ) -> None:
        """*staging*: a private folder for files on their way; *least_free_bytes* stay free."""
        self._least_free_bytes = least_free_bytes
        self._limits = limits
        self._journal = journal
        self._files = files
        self._clock = clock
        self._public_url = public_url
        self._staging = staging

    @asynccontextmanager
    async def stage(self, instance_id: InstanceId) -> AsyncIterator[Staged]:
        """A new file to write to; it is gone at the end. Raises LimitReached."""
        now_ms = self._clock.now_ms()
        self._limits.check(
            *await self._journal.read(lambda tx: tx.upload_usage(instance_id, now_ms))
        )
        folder = self._staging / f"upload-{secrets.token_hex(8)}"
        folder.mkdir(parents=True, mode=0o700)
        try:
            with (folder / "file").open("wb") as file:
                yield Staged(folder / "file", file, self._least_free_bytes)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def keep(
        self, instance_id: InstanceId, staged: Staged, *, mimetype: str, name: str
    ) -> str:
        """Store a staged file and return its URL.

        Raises LimitReached, MediaFull or MediaUnavailable.
        """
        kind, extension = file_type(mimetype, name)
        now_ms = self._clock.now_ms()
        file = StoredFile(
            key=new_media_key(),
            extension=extension,
            mimetype=kind,
            size=staged.size,
            created_ms=now_ms,
            expires_ms=now_ms + KEPT_MS,
        )

        def admit(tx: Transaction) -> None:
            self._limits.check(*tx.upload_usage(instance_id, now_ms), more=file.size)

        await self._files.store(instance_id, file, staged.path, admit=admit)
        await self._journal.write(
            instance_id, lambda tx: tx.keep_file(instance_id, file.key, file.expires_ms)
        )
        return media_url(self._public_url, instance_id, file.name)


def file_type(mimetype: str, name: str) -> tuple[str, str]:
    """Return media type and extension of an upload, as declared; ``bin`` if neither is.

    The type wins over the name. Neither is believed when the file is used.
    """
    found = of_mimetype(mimetype)
    if found is UNKNOWN:
        found = of_name(name)
    if found is not UNKNOWN:
        return found.mimetype, found.extension
    _, dot, extension = name.strip().lower().rpartition(".")
    is_usable = bool(dot) and _EXTENSION.fullmatch(extension) is not None
    return UNKNOWN.mimetype, extension if is_usable else UNKNOWN.extension
