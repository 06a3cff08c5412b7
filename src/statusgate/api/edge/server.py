"""uvicorn, set up for this application; shared by ``serve`` and the tests.

uvicorn limits neither the size nor the time of a request's head, nor connections by address;
``Connection`` adds that (reliability: HTTP layer).
"""

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Generator
from typing import ClassVar

import httptools
import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from statusgate.api.app import Api
from statusgate.api.edge.problems import BAD_DATA
from statusgate.wire.errors import ErrorBody, iso_time

HEAD_SECONDS = 15.0
MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 128
CONNECTIONS_PER_ADDRESS = 512
KEEP_ALIVE_SECONDS = 75
GRACEFUL_SECONDS = 8
_LOOPBACK = ("127.", "::1")
_H2C = re.compile(rb"\r\nupgrade:[ \t]*h2c[ \t]*(?=\r\n|$)", re.IGNORECASE)


class Connection(HttpToolsProtocol):
    """One HTTP/1.1 connection: bounded heads, bounded waits, errors in the contract's shape."""

    head_seconds = HEAD_SECONDS
    by_address: ClassVar[Counter[str]]
    """open connections; each server has its own"""
    trusts: Callable[[str], bool]
    """whether an address is one of the operator's proxies"""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_head = False
        self._head_bytes = 0
        self._chunk_bytes = 0
        self._waits_since: float | None = self.loop.time()
        """since when something is due: a head, or the rest of a body that nobody reads"""
        self._address = self.client[0] if self.client else ""
        self.by_address[self._address] += 1
        self._watch: asyncio.TimerHandle | None = None
        if self.by_address[self._address] > CONNECTIONS_PER_ADDRESS and not self._is_proxy():
            transport.abort()
        else:
            self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._chunk_bytes = len(data)
        if b"h2c" in data and (self.cycle is None or not self.cycle.more_body):
            data = _without_h2c(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
        except httptools.HttpParserError:
            self.send_400_response(BAD_DATA)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response(BAD_DATA)

    def _upgrade(self) -> None:
        """Change to WebSocket; a request for any other protocol is the connection's last."""
        if self._should_upgrade():
            self.handle_websocket_upgrade()
        else:
            self.cycle.keep_alive = False

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self._waits_since = self.loop.time()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._waits_since = None
        if len(self.headers) > MAX_HEADERS or self._head_is_large():
            raise ValueError("the head is too large")
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            raise ValueError("not HTTP/1")
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._waits_since = self.loop.time()

    def handle_websocket_upgrade(self) -> None:
        self._forget()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, and close."""
        if self.transport.is_closing():
            return
        body = msgspec.json.encode(
            ErrorBody(400, iso_time(time.time_ns() // 1_000_000), "/***", BAD_DATA)
        )
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\ncache-control: no-store\r\nreferrer-policy: no-referrer\r\n"
            b"connection: close\r\n\r\n%s" % (len(body), body)
        )
        self.transport.close()

    def _head_is_large(self) -> bool:
        """Whether a head that came in one piece is over the limit; others never get here."""
        if self._chunk_bytes <= MAX_HEAD_BYTES:
            return False
        return sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES

    def _watch_head(self) -> None:
        """Close a connection whose next request has not come together in time."""
        now = self.loop.time()
        if self._waits_since is not None and now - self._waits_since > self.head_seconds:
            self.transport.close()
            return
        self._watch = self.loop.call_later(self.head_seconds / 3, self._watch_head)

    def _forget(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self.by_address[self._address] -= 1
        if self.by_address[self._address] <= 0:
            del self.by_address[self._address]

    def _is_proxy(self) -> bool:
        """Proxies are not limited; on loopback there is nobody but one on this machine."""
        return self._address.startswith(_LOOPBACK) or self.trusts(self._address)


class Server(uvicorn.Server):
    """uvicorn's server, which leaves the signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none: ``should_exit`` is how it is told to stop."""
        yield


def _without_h2c(data: bytes) -> bytes:
    """Take the offer of HTTP/2 off a request's head: Java makes it with every request, and the
    parser would take the body for the other protocol."""
    head, end, body = data.partition(b"\r\n\r\n")
    return _H2C.sub(b"", head) + end + body


def make_server(app: Api, host: str, port: int) -> Server:
    """Return a server for *app*; set ``should_exit`` to stop it within GRACEFUL_SECONDS."""

    class CountedConnection(Connection):
        by_address: ClassVar[Counter[str]] = Counter()
        trusts = staticmethod(app.trusts)

    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=CountedConnection,
            ws="websockets-sansio",
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
