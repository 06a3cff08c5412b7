"""uvicorn, set up for this application; shared by ``serve`` and the tests.

uvicorn limits neither the size nor the time of a request's head, and lets through some of what
is not quite HTTP; ``Connection`` adds that (reliability: HTTP layer). Which methods of uvicorn
are overridden is held by ``tests/unit/api/test_server.py``.
"""

import contextlib
import time
from collections.abc import Generator
from typing import Any, ClassVar

import httptools
import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from statusgate.api.answers import AT_ONCE
from statusgate.api.app import Api
from statusgate.api.edge.connections import Guarded, OpenConnections
from statusgate.api.edge.problems import BAD_DATA
from statusgate.wire.errors import ErrorBody, iso_time

MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 128
MAX_PIPELINED = 128
KEEP_ALIVE_SECONDS = 75
GRACEFUL_SECONDS = 8
_OFFER = (b"upgrade", b"http2-settings")


class Connection(Guarded, HttpToolsProtocol):
    """One HTTP/1.1 connection: bounded heads, bounded waits, errors in the contract's shape."""

    def connection_made(self, transport: Any) -> None:
        self._in_head = False
        self._framing_bytes = 0
        """what came of a message that is neither body nor, so far, a complete head"""
        self._piece_bytes = 0
        self._idle = self.everyone.idle
        self._extensions: Any = {AT_ONCE: self.answer_at_once}
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._piece_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._after_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self.send_400_response(BAD_DATA)
            return
        self._framing_bytes += self._piece_bytes
        if self._framing_bytes > MAX_HEAD_BYTES:
            self.send_400_response(BAD_DATA)
        if self.waits_since is None and self.cycle.response_complete:
            self.waits_since = self.loop.time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._framing_bytes = min(self._framing_bytes, 0)
        self.waits_since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            raise ValueError("trailers are not taken")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._check_head()
        if self.parser.should_upgrade() and self._is_handshake():
            self._check_handshake()
        self._in_head = False
        self._framing_bytes = -self._piece_bytes  # counts anew, from the next piece on
        self.waits_since = None
        self._idle.pop(self, None)
        self.scope["extensions"] = self._extensions
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._framing_bytes = -self._piece_bytes
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:
            self._idle[self] = None
            if self.cycle.more_body:
                self.waits_since = self.loop.time()

    def answer_at_once(self, scope: Any, head: bytes, body: bytes) -> bool:
        """Write a whole answer of code 200; *head*: its header lines but ``Content-Length``.

        An extension of ASGI: it does what two calls of ``send`` do, in a quarter of the time,
        since uvicorn checks each header of each answer anew. Returns False and does nothing
        where the ordinary way is needed.
        """
        cycle = self.cycle
        if cycle.scope is not scope or cycle.disconnected or not cycle.keep_alive:
            return False
        if self.flow.write_paused or scope["method"] == "HEAD":
            return False
        lines = [b"HTTP/1.1 200 OK\r\n"]
        for name, value in cycle.default_headers:
            lines += [name, b": ", value, b"\r\n"]
        lines += [head, b"content-length: %d\r\n\r\n" % len(body)]
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        self.transport.write(b"".join(lines))
        self.transport.write(body)
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over; it is counted and watched by ``Socket`` from now on."""
        self.release()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, after earlier requests have their answers, and close."""
        if self.transport.is_closing():
            return
        if self._owes_answers():
            self.flow.pause_reading()
            self.cycle.keep_alive = False
            return
        if self._in_head or self.cycle is None or not self.cycle.response_started:
            self.transport.write(bad_request())
        self.transport.close()

    def _check_head(self) -> None:
        """Raise ValueError, which the parser hands on, for a head that is not taken."""
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise ValueError("not HTTP/1")
        names = [name for name, _ in self.headers]
        if len(names) > MAX_HEADERS or self._head_is_large():
            raise ValueError("the head is too large")
        hosts = names.count(b"host")
        if hosts != 1 and (hosts or version == "1.1"):
            raise ValueError("not exactly one Host")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests wait for their answers")

    def _check_handshake(self) -> None:
        """Raise ValueError for a WebSocket handshake that would never be answered."""
        names = [name for name, _ in self.headers]
        if self.parser.get_method() != b"GET" or self.parser.get_http_version() != "1.1":
            raise ValueError("a handshake is a GET of HTTP/1.1")
        if b"content-length" in names or b"transfer-encoding" in names:
            raise ValueError("a handshake has no body")
        if self._owes_answers():
            raise ValueError("a handshake does not overtake an answer")

    def _head_is_large(self) -> bool:
        """Whether a head that came in one piece is over the limit; others never get here."""
        if self._piece_bytes <= MAX_HEAD_BYTES:
            return False
        return sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES

    def _should_upgrade(self) -> bool:
        """Whether to leave a message after which the parser expects another protocol to
        ``_after_upgrade``: uvicorn asks before it makes a request of it."""
        return bool(self.parser.get_method() != b"CONNECT")

    def _is_handshake(self) -> bool:
        return self._get_upgrade() == b"websocket"

    def _after_upgrade(self, rest: bytes) -> None:
        """Go on behind a head after which the parser expects another protocol."""
        if self.parser.get_method() == b"CONNECT":
            self.cycle.keep_alive = False
        elif self._is_handshake():
            self.handle_websocket_upgrade()
        else:
            self._pass_over_offer(rest)

    def _pass_over_offer(self, rest: bytes) -> None:
        """Parse the request again without its offer to change to another protocol.

        Java offers HTTP/2 with every request, and the parser would take the body for that.
        """
        version = self.parser.get_http_version().encode()
        head = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
        kept = [b"%s: %s\r\n" % pair for pair in self.headers if pair[0] not in _OFFER]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"".join([head, *kept, b"\r\n", rest]))

    def _owes_answers(self) -> bool:
        """Whether requests before the one that is being parsed still wait for theirs."""
        if self.pipeline:
            return True
        return self._in_head and self.cycle is not None and not self.cycle.response_complete


class Socket(Guarded, WebSocketsSansIOProtocol):
    """One WebSocket connection, from its handshake on."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.everyone.idle.pop(self, None)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_complete:
            self.handshake_complete = True
            self.transport.write(bad_request())
            self.transport.close()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.accept":
            self.waits_since = None
        elif message["type"] == "websocket.http.response.body":
            # without this, uvicorn logs every refusal as an error of the application
            self.handshake_complete = True


class Server(uvicorn.Server):
    """uvicorn's server, which leaves the signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none: ``should_exit`` is how it is stopped."""
        yield


def bad_request() -> bytes:
    """Return the whole answer to what is not HTTP."""
    now_ms = time.time_ns() // 1_000_000
    body = msgspec.json.encode(ErrorBody(400, iso_time(now_ms), "/***", BAD_DATA))
    return (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\ncache-control: no-store\r\nreferrer-policy: no-referrer\r\n"
        b"connection: close\r\n\r\n%s" % (len(body), body)
    )


def make_server(app: Api, host: str, port: int) -> Server:
    """Return a server for *app*; set ``should_exit`` to stop it within GRACEFUL_SECONDS."""
    connections = OpenConnections(app.trusts)

    class CountedConnection(Connection):
        everyone: ClassVar[OpenConnections] = connections

    class CountedSocket(Socket):
        everyone: ClassVar[OpenConnections] = connections

    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=CountedConnection,
            ws=CountedSocket,
            ws_max_size=4096,
            ws_per_message_deflate=False,
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",  # its other lines would show paths, and with them tokens
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        )
    )
