"""Answers that are sent as they are made: event streams and exports (contract 12.6, 12.7)."""

import asyncio
from contextlib import aclosing

import msgspec

from statusgate.api.answers import Call, Send, send_answer, until_gone, while_there
from statusgate.api.edge.problems import Disconnected
from statusgate.api.routes import InstanceRoute
from statusgate.domain.instance import Instance
from statusgate.notifications.live import Stream
from statusgate.wire.exports import CONTENT_TYPE
from statusgate.wire.fields import whole_number
from statusgate.wire.requests import ExportRequest

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


class ExportRoute(InstanceRoute):
    """A method of the table whose answer is a file of any length.

    An answer that cannot be finished is cut off without its last chunk, so that nobody takes
    it for whole.
    """

    async def respond(self, call: Call, send: Send) -> int:
        instance, query = self._admit(call)
        request: ExportRequest = await self._request(call, query)
        headers = [*self._answers.typed(CONTENT_TYPE[request.format]), _UNBUFFERED]
        headers.append((b"content-disposition", _attachment(request, instance)))
        if call.scope["method"] == "HEAD":
            await send_answer(call, send, 200, headers, b"")
            return 200
        with self._gate.open_calls.one(instance.id, self.method.name):
            pages = await self.method.handler(self._services, instance, request)
            async with aclosing(pages), while_there(call):
                async for page in pages:
                    if not call.started:
                        call.started = True
                        await send(
                            {"type": "http.response.start", "status": 200, "headers": headers}
                        )
                    if not self._services.instances.still_admits(instance):
                        raise Disconnected
                    await send({"type": "http.response.body", "body": page, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        return 200


def _attachment(request: ExportRequest, instance: Instance) -> bytes:
    name = f"{request.what}-{instance.id}.{request.format}"
    return f'attachment; filename="{name}"'.encode()


def _last_event_id(headers: list[tuple[bytes, bytes]]) -> int | None:
    """What a browser sends when it connects again; it wins over the query, which is older."""
    for name, value in headers:
        if name == b"last-event-id" and value:
            number = whole_number(value.decode("latin-1"))
            return _UNKNOWN if number is None else number
    return None
