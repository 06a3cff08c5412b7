"""Answers are read however they are cut, and the open loop waits for nobody."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httptools
import msgspec
import pytest

from bench.openloop import Call, Work, send
from bench.servers import HOST
from bench.wire import AnswerParser, Closed, Connection, request
from tests.waiting import eventually

TWO = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize("size", [1, 3, 20, len(TWO)])
def test_answers_are_read_however_they_are_cut(size: int) -> None:
    parser = AnswerParser()
    found = [
        (answer.status, answer.body)
        for at in range(0, len(TWO), size)
        for answer in parser.feed(TWO[at : at + size])
    ]

    assert found == [(200, b"body"), (404, b"")]


def test_what_is_not_http_is_refused() -> None:
    with pytest.raises(Closed):
        AnswerParser().feed(b"220 mail.example ESMTP\r\n")


def test_a_request_has_what_a_server_needs() -> None:
    assert request("POST", "/a", b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")
    assert request("GET", "/a?b=c") == f"GET /a?b=c HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


class Slow(asyncio.Protocol):
    """Answers each request after a while, the second of a connection never."""

    seconds = 0.2
    status = b"200 OK"
    lost = False

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        answer = b"HTTP/1.1 " + self.status + b"\r\nContent-Length: 0\r\n\r\n"
        asyncio.get_running_loop().call_later(self.seconds, self._transport.write, answer)


class Refusing(Slow):
    seconds = 0.0
    status = b"503 Busy"


@asynccontextmanager
async def served(kind: type[Slow]) -> AsyncIterator[int]:
    """A server's port; at the end its connections are closed."""
    made: list[Slow] = []

    def new() -> Slow:
        made.append(kind())
        return made[-1]

    server = await asyncio.get_running_loop().create_server(new, HOST, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await eventually(lambda: all(one.lost for one in made))


def work(port: int, rate: float, count: int) -> Work:
    return Work(port=port, rate=rate, calls=[Call("/", msgspec.Raw(b"{}"))] * count)


async def test_a_slow_answer_delays_no_other_request() -> None:
    async with served(Slow) as port:
        begun = time.monotonic()
        sent = await send(work(port, 200, 40))
        taken = time.monotonic() - begun

    assert len(sent.latencies_ms) == 40
    assert min(sent.latencies_ms) >= 190
    assert taken < 40 * 0.2  # as long as one after the other takes
    gaps = [later - one for one, later in zip(sent.began_ns, sent.began_ns[1:], strict=False)]
    assert min(gaps) >= 0
    assert sent.faults == []


async def test_what_is_refused_has_no_latency() -> None:
    async with served(Refusing) as port:
        sent = await send(work(port, 500, 5))

    assert sent.latencies_ms == []
    assert sent.faults[0].startswith("answered 503")


async def test_a_connection_that_closes_says_so() -> None:
    async with served(Slow) as port:
        connection = await Connection.open(port)
        asking = asyncio.create_task(connection.ask(request("GET", "/")))
        await asyncio.sleep(0)
        connection.close()
        with pytest.raises(Closed):
            await asking
        with pytest.raises(Closed):
            await connection.ask(b"")
