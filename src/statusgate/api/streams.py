"""Event streams over HTTP (contract 12.7)."""

import asyncio
from contextlib import aclosing

import msgspec

from statusgate.api.answers import Call, Send, send_answer, until_gone
from statusgate.api.routes import InstanceRoute
from statusgate.notifications.live import Stream
from statusgate.wire.fields import whole_number

_UNKNOWN = -1
"""An id that was never given: the stream begins with ``resync``."""
_UNBUFFERED = (b"x-accel-buffering", b"no")
"""Proxies hand on what comes, as it comes."""


class StreamRoute(InstanceRoute):
    """A method of the table whose answer does not end by itself."""

    content_type = b"text/event-stream; charset=utf-8"

    async def respond(self, call: Call, send: Send) -> int:
        """Stream until the reader goes, falls behind or may not read any more."""
        instance, query = self._admit(call)
        request = await self._request(call, query)
        headers = [*self.headers, _UNBUFFERED]
        if call.scope["method"] == "HEAD":
            await send_answer(call, send, 200, headers, b"")
            return 200
        resumed = _last_event_id(call.scope["headers"])
        if resumed is not None:
            request = msgspec.structs.replace(request, last_event_id=resumed)
        with self._gate.open_calls.one(instance.id, self.method.name):
            stream: Stream = await self.method.handler(self._services, instance, request)
            try:
                call.started = True
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await self._stream(call, send, stream)
            finally:
                self._services.live.leave(stream)
        return 200

    async def _stream(self, call: Call, send: Send, stream: Stream) -> None:
        leaving = asyncio.create_task(until_gone(call.receive))
        leaving.add_done_callback(lambda _: stream.end())
        try:
            async with aclosing(stream.chunks()) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            leaving.cancel()


def _last_event_id(headers: list[tuple[bytes, bytes]]) -> int | None:
    """What a browser sends when it connects again; it wins over the query, which is older."""
    for name, value in headers:
        if name == b"last-event-id" and value:
            number = whole_number(value.decode("latin-1"))
            return _UNKNOWN if number is None else number
    return None
