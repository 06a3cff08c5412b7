"""Request bodies: bounded in size and in time, and never cut off by a reset."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from statusgate.api.edge.problems import BAD_DATA, TOO_LARGE, Disconnected, Refused

Receive = Callable[[], Awaitable[dict[str, Any]]]
_DRAINED = 16 << 20
_WHOLE_SECONDS = 600.0
DRAIN_SECONDS = 60.0
CHUNKED = -1


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Bytes of body that the headers announce, CHUNKED if they do not tell how many."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
        if name == b"transfer-encoding":
            return CHUNKED
    return 0


class Body:
    """The body of one request."""

    def __init__(self, receive: Receive, length: int, idle_seconds: float) -> None:
        self._receive = receive
        self._length = length
        self._idle_seconds = idle_seconds
        self.ended = False

    def check(self, limit: int) -> None:
        """Refuse a body that announces more than *limit* bytes."""
        if self._length > limit:
            raise Refused(413, TOO_LARGE)

    async def read(self, limit: int) -> bytes:
        """Return the whole body; 413 beyond *limit* bytes, 400 after too long a silence."""
        chunks = [chunk async for chunk in self.chunks(limit)]
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def chunks(self, limit: int) -> AsyncIterator[bytes]:
        """The body as it comes; 413 beyond *limit* bytes, 400 after too long a silence."""
        size = 0
        try:
            async with asyncio.timeout(_WHOLE_SECONDS):
                while not self.ended:
                    chunk = await self._next(self._idle_seconds)
                    size += len(chunk)
                    if size > limit:
                        raise Refused(413, TOO_LARGE)
                    yield chunk
        except TimeoutError:
            raise Refused(400, BAD_DATA) from None

    async def drain(self, limit: int) -> None:
        """Take in what the client still sends, within bounds, so that it hears the answer."""
        left = limit + _DRAINED
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.ended and left > 0:
                    left -= len(await self._next(self._idle_seconds / 3))
        except (TimeoutError, Disconnected):
            return

    async def _next(self, seconds: float) -> bytes:
        async with asyncio.timeout(seconds):
            message = await self._receive()
        if message["type"] == "http.disconnect":
            self.ended = True
            raise Disconnected
        self.ended = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk
