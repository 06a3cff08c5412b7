"""Files that clients bring: to disk as they come, kept for 15 days (contract 7.1)."""

import asyncio
import errno
import mimetypes
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from statusgate.domain.clock import Clock
from statusgate.domain.errors import MediaFull
from statusgate.domain.filetypes import UNKNOWN, extension_of
from statusgate.domain.ids import InstanceId, new_media_key
from statusgate.domain.media import StoredFile, media_url
from statusgate.journal import Journal
from statusgate.media.store import MediaStore

LARGEST_FILE = 104_857_600
KEPT_MS = 15 * 86_400_000
_COPY_BYTES = 1 << 20
_BUFFERED = 1 << 20
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
_MIMETYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
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


class Uploads:
    """Takes files in; what a call has returned a URL for is stored and recorded."""

    def __init__(
        self,
        journal: Journal,
        store: MediaStore,
        clock: Clock,
        *,
        public_url: str,
        staging: Path,
        least_free_bytes: int,
    ) -> None:
        """*staging*: a private folder for files on their way; *least_free_bytes* stay free."""
        self._least_free_bytes = least_free_bytes
        self._journal = journal
        self._store = store
        self._clock = clock
        self._public_url = public_url
        self._staging = staging

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Staged]:
        """A new file to write to; it is gone at the end."""
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
        """Store a staged file and return its URL. Raises MediaFull."""
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
        await self._store.put(f"{instance_id}/{file.name}", staged.path)
        await self._journal.write(instance_id, lambda tx: tx.add_file(instance_id, file))
        return media_url(self._public_url, instance_id, file.name)


def file_type(mimetype: str, name: str) -> tuple[str, str]:
    """Media Type and extension of an upload, as told; ``bin`` if neither tells.

    The type wins over the name. Nothing is believed when the file is used.
    """
    kind = mimetype if _MIMETYPE.fullmatch(mimetype) else ""
    known = extension_of(kind)
    if known != UNKNOWN[1]:
        return kind, known
    guessed = (mimetypes.guess_extension(kind) or "").removeprefix(".") if kind else ""
    told = guessed or name.rpartition(".")[2].strip().lower() * ("." in name)
    if not _EXTENSION.fullmatch(told):
        return kind or UNKNOWN[0], UNKNOWN[1]
    by_name = mimetypes.types_map.get(f".{told}", UNKNOWN[0])
    return kind or by_name, told
