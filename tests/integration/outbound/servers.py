"""Other people's servers, scripted byte by byte, and an eye on every connect."""

import asyncio
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

Behaviour = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    head: bytes
    body: bytes
    connection: int
    """Counted from 1."""

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; a repeated one would fail."""
        lines = self.head.decode("ascii").split("\r\n")[1:]
        pairs = [line.split(": ", 1) for line in lines if line]
        found = {name.lower(): value for name, value in pairs}
        assert len(found) == len(pairs)
        return found


@dataclass
class Receiver:
    """A listener on loopback and what it got."""

    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b"


def reply(*pieces: bytes) -> Behaviour:
    """Write *pieces*, then wait for the next request."""

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return behave


def reply_and_close(*pieces: bytes) -> Behaviour:
    """Write *pieces*, then close."""

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        await reply(*pieces)(request, writer)
        writer.close()

    return behave


def reply_for_ever(head: bytes, piece: bytes, every_seconds: float = 0) -> Behaviour:
    """Write *head*, then *piece* over and over."""

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every_seconds)

    return behave


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    """A whole answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def receiver(
    behave: Behaviour,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> AsyncIterator[Receiver]:
    """A server that does *behave* for each request."""
    seen = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        seen.connections += 1
        number = seen.connections
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                request = await _read(reader, number)
                seen.requests.append(request)
                await behave(request, writer)
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, number: int) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    request = Request(head, b"", number)
    length = int(request.headers.get("content-length", "0"))
    return Request(head, await reader.readexactly(length), number)


class Names:
    """A resolver that follows a script: what each name answers at the first, second … time."""

    def __init__(self, *answers: Sequence[str], **by_name: Sequence[Sequence[str]]) -> None:
        self.asked: list[str] = []
        self._answers = answers
        self._by_name = by_name

    async def __call__(self, host: str, owner: Hashable = "") -> Sequence[str]:
        answers = self._by_name.get(host.removesuffix(".").split(".")[0], self._answers)
        turn = min(self.asked.count(host), len(answers) - 1)
        self.asked.append(host)
        return answers[turn]


_watchers: list[Callable[[Any], None]] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        for watcher in _watchers:
            watcher(arguments[1])


sys.addaudithook(_audit)


@contextmanager
def dials(*, blocked: bool = False) -> Iterator[list[str]]:
    """The addresses that any socket of this process connects to; *blocked*: would have."""
    seen: list[str] = []

    def watch(address: Any) -> None:
        seen.append(address[0])
        if blocked:
            raise ConnectionRefusedError("blocked by the test")

    _watchers.append(watch)
    try:
        yield seen
    finally:
        _watchers.remove(watch)
