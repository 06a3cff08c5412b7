"""aiohttp's connector under guard, observing what comes back.

Public seams only: the resolver, the socket factory and ``connect``. Addresses that stand in
a URL never reach a resolver in aiohttp, so sockets are made by the guard as well.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from statusgate.outbound.addresses import Address, parse_address
from statusgate.outbound.guard import GuardedResolver, Refused

MOST_INTERIM_BYTES: Final = 64 * 1024
"""Of interim answers (1xx) before the final one."""
_LONGEST_HEAD: Final = 8192
_STATUS_LINE = re.compile(rb"[\r\n]*HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


class Exchange:
    """One request: where it was dialled to, and what came back.

    At most *most_bytes* of the answer, head included, are taken, and at most
    ``MOST_INTERIM_BYTES`` of interim heads of 8 KiB each; then the connection is cut. Once the
    final status line is complete, the rest gets *grace_seconds*. *keep* lets the connection
    wait for another request. *owner* is whose request it is.
    """

    def __init__(
        self,
        most_bytes: int,
        grace_seconds: float | None = None,
        *,
        owner: Hashable = "",
        keep: bool = True,
    ) -> None:
        self.owner = owner
        self.keep = keep
        self.dialled: set[Address] = set()
        self.status: int | None = None
        self.received = 0
        self._most_bytes = most_bytes
        self._grace_seconds = grace_seconds
        self._head: bytes | None = b""
        """what came of a head whose final status line is not known yet"""
        self._interim_bytes = 0
        self.limit: asyncio.Timeout | None = None

    def receive(self, data: bytes) -> bool:
        """Note *data*; False if that is more than is wanted."""
        self.received += len(data)
        if self._head is not None and not self._read_head(self._head + data):
            return False
        return self.received <= self._most_bytes

    def _read_head(self, head: bytes) -> bool:
        """Look for the final status line; False if too much comes before it."""
        start = 0
        while found := _STATUS_LINE.match(head, start):
            status = int(found[1])
            if status >= 200 or status == 101:
                self._head = None
                self._know(status)
                return True
            end = _END_OF_HEAD.search(head, found.end() - 2)
            if end is None:
                break
            self._interim_bytes += end.end() - start
            start = end.end()
            if self._interim_bytes > MOST_INTERIM_BYTES:
                return False
        self._head = head[start:]
        return len(self._head) <= _LONGEST_HEAD

    def _know(self, status: int) -> None:
        if self.status is not None:
            return
        self.status = status
        limit = self.limit
        if limit is None or self._grace_seconds is None or limit.expired():
            return
        soon, latest = asyncio.get_running_loop().time() + self._grace_seconds, limit.when()
        limit.reschedule(soon if latest is None else min(soon, latest))


_current: ContextVar[Exchange] = ContextVar("exchange")


@asynccontextmanager
async def listening(exchange: Exchange, deadline: float) -> AsyncIterator[None]:
    """Requests made inside belong to *exchange*.

    TimeoutError after *deadline* seconds, or after the exchange's grace.
    """
    token = _current.set(exchange)
    try:
        async with asyncio.timeout(deadline) as limit:
            exchange.limit = limit
            try:
                yield
            finally:
                exchange.limit = None
    finally:
        _current.reset(token)


class GuardedConnector(aiohttp.TCPConnector):
    """Connects only to addresses the guard has passed, resolving each name every time.

    Connections wait *keep_seconds* for another request to the same scheme, host and port;
    0: never.
    """

    def __init__(
        self, resolver: GuardedResolver, keep_seconds: float, tls: ssl.SSLContext | None
    ) -> None:
        self._guard = resolver
        super().__init__(
            resolver=_Resolver(resolver),
            use_dns_cache=False,
            socket_factory=self._make_socket,
            ssl=tls or True,
            limit=0,
            **({"keepalive_timeout": keep_seconds} if keep_seconds else {"force_close": True}),
        )

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        """As aiohttp's; Refused unless the peer is an address that was vetted and dialled."""
        connection = await super().connect(*args, **kwargs)
        try:
            self._listen(connection.transport, connection.protocol)
        except BaseException:
            connection.close()
            raise
        return connection

    def _listen(
        self, transport: asyncio.Transport | None, protocol: ResponseHandler | None
    ) -> None:
        if transport is None or protocol is None:
            raise aiohttp.ServerDisconnectedError
        exchange = _current.get()
        observer = transport.get_protocol()
        if not isinstance(observer, _Observer):
            self._compare(transport.get_extra_info("peername"), exchange)
            observer = _Observer(protocol, transport)
            transport.set_protocol(observer)
        observer.exchange = exchange
        if not exchange.keep:
            protocol.force_close()

    def _compare(self, peer: tuple[Any, ...] | None, exchange: Exchange) -> None:
        if peer is None:
            raise aiohttp.ServerDisconnectedError
        address = parse_address(peer[0])
        if address not in exchange.dialled:
            raise Refused(f"connected to {address}, which was not dialled")
        self._guard.check(address)

    def _make_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = info
        address = parse_address(str(where[0]))
        self._guard.check(address)
        _current.get().dialled.add(address)
        return socket.socket(family=family, type=kind, proto=protocol)


class _Resolver(AbstractResolver):
    """The guard's resolver as aiohttp's interface."""

    def __init__(self, guard: GuardedResolver) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._guard.addresses(host, _current.get().owner)
        ]

    async def close(self) -> None:
        """Nothing is open."""


class _Observer(asyncio.Protocol):
    """Stands between a transport and aiohttp's protocol, and reports to the exchange."""

    def __init__(self, inner: asyncio.Protocol, transport: asyncio.Transport) -> None:
        self._inner = inner
        self._transport = transport
        self.exchange: Exchange | None = None

    def data_received(self, data: bytes) -> None:
        if self.exchange is None or self.exchange.receive(data):
            self._inner.data_received(data)
        else:
            self._transport.abort()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
