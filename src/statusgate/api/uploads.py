"""``uploadFile``: a file to disk as it comes, whatever form the client gives it (7.1)."""

import asyncio
from collections.abc import Iterable
from urllib.parse import unquote

from statusgate.api.context import Services
from statusgate.api.edge.body import Body
from statusgate.api.edge.problems import TOO_LARGE, Refused
from statusgate.api.multipart import Part, find_file
from statusgate.domain.errors import BadRequestData
from statusgate.domain.instance import Instance
from statusgate.domain.media_types import MAX_FILE_BYTES
from statusgate.publishing.uploads import Staged
from statusgate.wire.reports import UploadAnswer

_ENVELOPE = 64 * 1024
"""what a form may add to the file"""
LARGEST_BODY = MAX_FILE_BYTES + _ENVELOPE
_NO_FILE_TYPES = frozenset(
    {"application/x-www-form-urlencoded", "application/octet-stream", "multipart/form-data"}
)
"""sent by clients that do not know what they send"""


class Upload:
    """A body on its way in, and what the headers tell of it."""

    def __init__(
        self, headers: Iterable[tuple[bytes, bytes]], body: Body | None, limit: int
    ) -> None:
        known = dict(headers)
        self.mimetype = _plain(known.get(b"content-type", b"").decode("latin-1"))
        self.name = unquote(known.get(b"ga-filename", b"").decode("utf-8", "replace"))
        self._body = body
        self._limit = limit

    async def save(self, staged: Staged) -> None:
        """Write the body; Refused 413 if it is too large."""
        if self._body is None:
            return
        self._body.check(self._limit)
        async for chunk in self._body.chunks(self._limit):
            await staged.write(chunk)
        await staged.flush()


async def upload_file(services: Services, instance: Instance, upload: Upload) -> UploadAnswer:
    """Stores a file of at most 100 MB for 15 days: the body, or the part `file`.

    The answer comes once it is durably stored and recorded.
    """
    async with services.uploads.stage(instance.id) as staged:
        await upload.save(staged)
        part = await asyncio.to_thread(find_file, staged.path)
        if part is None:
            part = Part(0, staged.size, upload.name, upload.mimetype)
        if part.size > MAX_FILE_BYTES:
            raise Refused(413, TOO_LARGE)
        if part.size == 0:
            raise BadRequestData("an empty file")
        await staged.cut(part.start, part.size)
        url = await services.uploads.keep(
            instance.id,
            staged,
            mimetype="" if _plain(part.mimetype) in _NO_FILE_TYPES else _plain(part.mimetype),
            name=part.name or upload.name,
        )
    return UploadAnswer(url_file=url)


def _plain(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
