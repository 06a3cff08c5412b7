"""Stored files: ``/media/{idInstance}/{key}.{ext}`` (contract 7.2)."""

import asyncio
import re
from collections.abc import AsyncIterator

from statusgate.api.answers import Answers, Call, Header, Send, send_answer, until_gone
from statusgate.api.context import Services
from statusgate.api.edge.problems import FORBIDDEN, NOT_FOUND, Disconnected, Refused
from statusgate.api.routes import Route
from statusgate.domain.errors import MediaUnavailable
from statusgate.domain.ids import InstanceId, parse_instance_id
from statusgate.domain.media import StoredFile
from statusgate.domain.media_types import UNKNOWN, of_mimetype

_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([a-z0-9]{1,10})")
_RANGE = re.compile(rb"bytes=([0-9]{0,18})-([0-9]{0,18})")
_FROM_HERE = b"from=gateway"
_NOT_FOR_FILES = frozenset(
    {
        b"script", b"style", b"worker", b"sharedworker", b"serviceworker", b"audioworklet",
        b"paintworklet", b"xslt", b"manifest", b"json",
    }
)  # fmt: skip
"""What a browser would make of a file (``Sec-Fetch-Dest``) where it may become code of the page
that asked; pages of this server's own share its origin."""


class FileRoute(Route):
    """Streams files of the media store; the key in the path is the only secret."""

    def __init__(self, answers: Answers, services: Services) -> None:
        super().__init__("media", "GET", answers)
        self._services = services
        self._fixed: list[Header] = [
            *answers.common,
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"sandbox; default-src 'none'"),
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"accept-ranges", b"bytes"),
        ]

    async def respond(self, call: Call, send: Send) -> int:
        """Send a file or one range of it; 404 if there is none of that name, 403 as code."""
        if _is_for_code(call.scope["headers"]):
            raise Refused(403, FORBIDDEN)
        instance_id, file = await self._find(call)
        path = f"{instance_id}/{file.name}"
        if link := await self._link(call, path):
            headers = [*self._fixed, (b"location", link.encode()), (b"content-length", b"0")]
            await send_answer(call, send, 307, headers, b"")
            return 307
        part = requested_range(call.scope["headers"], file.size)
        start, end = part or (0, file.size)
        headers = self._headers(file, end - start)
        if part:
            headers.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, file.size)))
        code = 206 if part else 200
        if call.scope["method"] == "HEAD" or start == end:
            await send_answer(call, send, code, headers, b"")
            return code
        chunks = self._services.media.read(path, start, end)
        await _stream(call, send, code, headers, chunks)
        return code

    async def _find(self, call: Call) -> tuple[InstanceId, StoredFile]:
        """The file that the path names; Refused 404."""
        instance_id = parse_instance_id(call.segments[1])
        named = _NAME.fullmatch(call.segments[2])
        if instance_id is not None and named and self._services.instances.find(instance_id):
            file = await self._services.history.file(instance_id, named[1])
            if file is not None and file.extension == named[2]:
                return instance_id, file
        raise Refused(404, NOT_FOUND)

    async def _link(self, call: Call, path: str) -> str | None:
        """Where else to get a file; None: here. Pages of ours show nothing of other hosts."""
        if call.scope["method"] == "HEAD" or call.scope["query_string"] == _FROM_HERE:
            return None
        return await self._services.media.link(path)

    def _headers(self, file: StoredFile, length: int) -> list[Header]:
        known = of_mimetype(file.mimetype)
        named = file.mimetype if known.inline else UNKNOWN.mimetype
        return [
            (b"content-type", named.encode("latin-1", "replace")),
            *self._fixed,
            (b"content-disposition", b"inline" if known.inline else b"attachment"),
            (b"content-length", b"%d" % length),
        ]


def requested_range(headers: list[Header], size: int) -> tuple[int, int] | None:
    """Return start and end (exclusive) of the one range asked for, None for the whole file.

    Several ranges, and what is no range of bytes, mean the whole file. Refused 416 if the range
    is not in the file.
    """
    asked = [value for name, value in headers if name == b"range"]
    found = _RANGE.fullmatch(asked[0].replace(b" ", b"")) if len(asked) == 1 else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start = int(found[1])
        end = min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= size or start >= end:
        raise Refused(416, "Range Not Satisfiable")
    return start, end


async def _stream(
    call: Call, send: Send, code: int, headers: list[Header], chunks: AsyncIterator[bytes]
) -> None:
    """Send chunks as the client takes them; 404 if there is no such file in the store.

    Raises MediaUnavailable if even the first one cannot be read now.
    """
    try:
        first = await anext(chunks)
    except StopAsyncIteration:
        raise Refused(404, NOT_FOUND) from None
    except MediaUnavailable as error:
        if error.final:
            raise Refused(404, NOT_FOUND) from None
        raise
    call.started = True
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": first, "more_body": True})
    leaving = asyncio.create_task(until_gone(call.receive))
    try:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if leaving.done():
                raise Disconnected
    finally:
        leaving.cancel()
    await send({"type": "http.response.body", "body": b""})


def _is_for_code(headers: list[Header]) -> bool:
    """Whether a browser asks for a script, a style or a worker."""
    return any(
        (name == b"sec-fetch-dest" and value.lower() in _NOT_FOR_FILES)
        or name == b"service-worker"
        for name, value in headers
    )
