"""How answers look on the wire: headers made once, bodies of errors (contract 2.5, 2.6, 8)."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import msgspec

from statusgate.api.edge.body import Body, Receive
from statusgate.api.edge.problems import Disconnected, Refused
from statusgate.domain.clock import Clock
from statusgate.wire.errors import ErrorBody, iso_time, shown_path

Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]
JSON = b"application/json"
AT_ONCE = "statusgate.at_once"
"""extension of ASGI by which our server takes a whole answer (``Connection.answer_at_once``)"""
_encode = msgspec.json.Encoder().encode
_CLOSE = (b"connection", b"close")


class Call:
    """One request, on its way through the application."""

    __slots__ = ("body", "by_operator", "receive", "scope", "segments", "started")

    def __init__(
        self,
        scope: dict[str, Any],
        segments: list[str],
        body: Body | None,
        receive: Receive,
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.segments = segments
        self.body = body
        """None: the request announces none"""
        self.by_operator = False
        """the admin token opened the instance (D42)"""
        self.started = False
        """the answer is under way: no other can be given"""


class Answers:
    """Makes headers and error bodies; one for the whole server."""

    def __init__(self, clock: Clock, cors_allow_origin: str) -> None:
        self._clock = clock
        self._ids = count(1)
        self._id_prefix = secrets.token_hex(4)
        self.common: list[Header] = [
            (b"cache-control", b"no-store"),
            (b"referrer-policy", b"no-referrer"),
            (b"access-control-allow-origin", cors_allow_origin.encode("latin-1")),
            (b"access-control-expose-headers", b"Retry-After, Content-Disposition"),
        ]
        self.json = self.typed(JSON)
        self.preflight: list[Header] = [
            *self.common,
            (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE, OPTIONS"),
            (
                b"access-control-allow-headers",
                b"Authorization, Content-Type, GA-Filename, Last-Event-ID",
            ),
            (b"access-control-max-age", b"86400"),
        ]

    def new_id(self) -> str:
        """A new request id: a prefix that lives as long as the process, then a number."""
        return f"{self._id_prefix}-{next(self._ids):x}"

    def typed(self, content_type: bytes) -> list[Header]:
        """The common headers and a Content-Type."""
        return [(b"content-type", content_type), *self.common]

    def refusal(
        self, refused: Refused, segments: Sequence[str], request_id: str
    ) -> tuple[list[Header], bytes]:
        """Headers and body of an answer other than 200; no secret of the path is in it.

        *request_id* goes into a header, so that a caller's report finds our log line.
        """
        body = _encode(
            ErrorBody(
                status_code=refused.code,
                timestamp=iso_time(self._clock.now_ms()),
                path=shown_path(segments),
                message=refused.message,
            )
        )
        headers = [
            *self.json,
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode()),
        ]
        if refused.retry_after is not None:
            headers.append((b"retry-after", b"%d" % refused.retry_after))
        if refused.code == 413:
            headers.append(_CLOSE)
        return headers, body


def encoded(headers: list[Header]) -> bytes:
    """Headers as lines."""
    return b"".join(b"%s: %s\r\n" % header for header in headers)


async def send_answer(
    call: Call, send: Send, code: int, headers: list[Header], body: bytes, drained: int = 0
) -> None:
    """Send an answer, and take in what the client still sends (*drained* bytes and some), so
    that no reset keeps it from being read."""
    call.started = True
    unread = call.body is not None and not call.body.ended
    waits = unread and _expects_continue(call.scope["headers"])
    if waits:
        headers = [*headers, _CLOSE]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    if unread and not waits and call.body is not None:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await call.body.drain(drained)
        body = b""
    await send({"type": "http.response.body", "body": body})


async def until_gone(receive: Receive) -> None:
    """Return once the client has left; what it sends meanwhile is dropped."""
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


@asynccontextmanager
async def while_there(call: Call) -> AsyncIterator[None]:
    """Run the block unless the client leaves, which is noticed from the second second on.

    Raises Disconnected then.
    """
    watching: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as deadline:

            async def watch() -> None:
                await until_gone(call.receive)
                deadline.reschedule(loop.time())

            start = loop.call_later(1.0, lambda: watching.append(loop.create_task(watch())))
            try:
                yield
            finally:
                start.cancel()
                for task in watching:
                    task.cancel()
    except TimeoutError:
        raise Disconnected from None


def _expects_continue(headers: list[Header]) -> bool:
    """Whether the client asks before it sends its body, which it then never does."""
    return any(name == b"expect" for name, _ in headers)
