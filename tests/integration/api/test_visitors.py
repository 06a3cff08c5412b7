"""What anybody who can connect may cost the others: memory, connections, time."""

import asyncio
import contextlib
import logging
import re
import socket
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from statusgate.api.edge.connections import Guarded, OpenConnections
from tests.integration.api.running import Running, Tenant, parse
from tests.waiting import eventually, stays

MIB = 1 << 20
HEAD = b"POST /waInstance1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "trailers": (b"0\r\n", b"X-T: " + b"t" * 1000 + b"\r\n"),
    "one trailer": (b"0\r\nX-T: ", b"t" * 1000),
    "name of a trailer": (b"0\r\n", b"t" * 1000),
    "chunk extension": (b"2;e=", b"e" * 1000),
}
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
UP = b'{"status":"up"}'


@pytest.mark.parametrize("kind", ENDLESS)
async def test_what_follows_a_head_endlessly_takes_no_memory(
    running: Running, kind: str
) -> None:
    first, then = ENDLESS[kind]
    block = then * 256
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    tracemalloc.start()
    try:
        writer.write(HEAD + first)
        for _ in range(40 * MIB // len(block)):
            writer.write(block)
            await writer.drain()
    except OSError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak <= 5 * MIB
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):  # the answer may be overtaken by the reset
            assert b"HTTP/1.1 400" in await reader.read()
    writer.close()
    assert (await running.request("GET", "/health/live")).body == UP


async def test_a_trailer_is_refused(tenant: Tenant) -> None:
    head = f"POST {tenant.path('addContact')} HTTP/1.1\r\nHost: x\r\n".encode()
    body = b"2\r\n{}\r\n0\r\nX-T: t\r\n\r\n"
    raw = await tenant.running.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert parse(raw).code == 400


SOCKET = (
    b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
)
KEY = b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
HANDSHAKES = {
    "length": b"GET /x HTTP/1.1\r\n" + SOCKET + KEY + b"Content-Length: 5\r\n\r\n",
    "length of nothing": b"GET /x HTTP/1.1\r\n" + SOCKET + KEY + b"Content-Length: 0\r\n\r\n",
    "chunks": b"GET /x HTTP/1.1\r\n" + SOCKET + KEY + b"Transfer-Encoding: chunked\r\n\r\n",
    "verb": b"POST /x HTTP/1.1\r\n" + SOCKET + KEY + b"\r\n",
    "version": b"GET /x HTTP/1.0\r\n" + SOCKET + KEY + b"\r\n",
    "no key": b"GET /x HTTP/1.1\r\n" + SOCKET + b"\r\n",
    "two keys": b"GET /x HTTP/1.1\r\n" + SOCKET + KEY + KEY + b"\r\n",
    "long header": b"GET /x HTTP/1.1\r\n" + SOCKET + KEY + b"A: " + b"a" * 9000 + b"\r\n\r\n",
    "long path": b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + SOCKET + KEY + b"\r\n",
    "behind another": LIVE + b"GET /x HTTP/1.1\r\n" + SOCKET + KEY + b"\r\n",
}


@pytest.mark.parametrize("name", HANDSHAKES)
async def test_a_handshake_that_is_wrong_is_answered_at_once(
    running: Running, name: str
) -> None:
    raw = await running.raw(HANDSHAKES[name])
    codes = re.findall(rb"HTTP/1\.1 ([0-9]{3})", raw)
    assert codes == [b"200"] if name == "behind another" else codes == [b"400"], raw
    await eventually(lambda: not running.connections.count, "the connection is forgotten")


async def test_a_refused_handshake_is_no_error_of_ours(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        raw = await running.raw(b"GET /x HTTP/1.1\r\n" + SOCKET + KEY + b"\r\n")
    assert parse(raw).code == 404
    assert not caplog.records


async def test_sockets_count_as_connections_and_a_handshake_has_little_time(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenConnections, "per_trusted_address", 3)
    handshake = f"GET {tenant.path('scanqrcode')} HTTP/1.1\r\n".encode() + SOCKET + KEY
    opened = [await asyncio.open_connection("127.0.0.1", tenant.running.port) for _ in "123"]
    for reader, writer in opened:
        writer.write(handshake + b"\r\n")
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
    with contextlib.suppress(OSError):
        assert await tenant.running.raw(LAST) == b""
    for _, writer in opened:
        writer.close()
    await eventually(lambda: not tenant.running.connections.count)
    assert (await tenant.running.raw(LAST)).endswith(UP)


async def test_the_body_of_a_head_that_comes_in_two_pieces_stays_whole(
    tenant: Tenant,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", tenant.running.port)
    name = "upgrade: h2c"
    body = f'{{"chatId":"79001234567@c.us","firstName":"\\r\r\nUpgrade: h2c\r\n\r\n{name}"}}'
    head = (
        f"POST {tenant.path('addContact')} HTTP/1.1\r\nHost: x\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    for split in (0, 1, 2):
        text = head + "\r\n"
        cut = len(text) - split
        writer.write(text[:cut].encode())
        await stays(lambda: True, 0.05)  # the two pieces must not arrive as one
        writer.write(text[cut:].encode() + body.encode() + LIVE)
        async with asyncio.timeout(30):
            answer = await reader.readuntil(b"\r\n\r\n")
            assert b" 400 " in answer.split(b"\r\n")[0]
            await reader.readexactly(int(parse(answer).headers["content-length"]))
            second = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in second.split(b"\r\n")[0], "the next request is lost"
            assert await reader.readexactly(len(UP)) == UP
    writer.close()


async def test_an_offer_of_another_protocol_may_come_in_any_pieces(tenant: Tenant) -> None:
    body = b'{"chatId":"79001234567@c.us","firstName":"Anna"}'
    head = (
        f"POST {tenant.path('addContact')} HTTP/1.1\r\nHost: x\r\n"
        "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAA\r\nUpgrade: h2c\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", tenant.running.port)
    whole = head + body
    for cut in range(len(head) - 6, len(head) + 2):
        writer.write(whole[:cut])
        await stays(lambda: True, 0.01)  # the two pieces must not arrive as one
        writer.write(whole[cut:])
        async with asyncio.timeout(30):
            answer = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in answer.split(b"\r\n")[0], cut - len(head)
            assert await reader.readexactly(19) == b'{"addContact":true}'
    writer.close()


async def test_what_is_no_request_waits_for_the_answers_before_it(running: Running) -> None:
    raw = await running.raw(LIVE + LIVE + b"nonsense\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 ([0-9]{3})", raw) == [b"200", b"200"]
    assert raw.endswith(UP)


async def test_requests_that_are_not_awaited_are_bounded(running: Running) -> None:
    raw = await running.raw(LIVE * 5000)
    assert 100 <= raw.count(b"HTTP/1.1 200") <= 200
    assert raw.endswith(UP)


# -- answers that nobody reads


@pytest.fixture
async def talkative(tenant: Tenant) -> AsyncIterator[Tenant]:
    """A tenant whose contacts are 5 MiB."""
    names = {"name": "n" * 255, "contactName": "c" * 255}
    people = [{"event": "contact", "id": f"{7 * 10**9 + n}@c.us"} | names for n in range(9000)]
    await tenant.simulate(*people)
    yield tenant
    for connection in idlers:
        connection.close()
    idlers.clear()


idlers: list[socket.socket] = []


async def ask_without_reading(
    tenant: Tenant, more: str = "", window: int = 4096
) -> socket.socket:
    """Ask for all contacts on a new connection, and leave the answer there."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", tenant.running.port))
    head = f"GET {tenant.path('getContacts')} HTTP/1.1\r\nHost: x\r\n{more}\r\n"
    await loop.sock_sendall(connection, head.encode())
    idlers.append(connection)
    return connection


@pytest.mark.parametrize("more", ["", "Connection: close\r\n"])
async def test_an_answer_that_nobody_reads_is_given_up(
    talkative: Tenant, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    everyone = talkative.running.connections
    await eventually(lambda: not everyone.count)
    monkeypatch.setattr(Guarded, "write_seconds", 0.3)
    await ask_without_reading(talkative, more)
    await eventually(lambda: everyone.unsent > MIB, "the answer waits")
    await eventually(lambda: not everyone.count, "the connection is given up")


async def test_a_slow_reader_gets_its_answer(
    talkative: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guarded, "write_seconds", 1.0)
    connection = await ask_without_reading(talkative, "Connection: close\r\n", 64 << 10)
    loop = asyncio.get_running_loop()
    raw = b""
    async with asyncio.timeout(60):
        while piece := await loop.sock_recv(connection, 1 << 16):
            raw += piece
            await asyncio.sleep(0.03)
    assert raw.endswith(b'"type":"user"}]')
    assert len(parse(raw).json()) == 9000


async def test_what_waits_unread_is_bounded_and_readers_are_served(
    talkative: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenConnections, "most_unsent", 5 * MIB)
    everyone = talkative.running.connections
    for _ in range(6):
        await ask_without_reading(talkative)
        await stays(lambda: everyone.unsent <= 5 * MIB, 0.05)
    await eventually(lambda: everyone.count < 6, "the longest blocked are given up")
    assert len((await talkative.get("getContacts")).json()) == 9000


# -- connections


async def test_idle_connections_give_way_to_those_who_ask(running: Running) -> None:
    everyone = running.connections
    everyone.most = 20
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    idle = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(30)]
    await eventually(lambda: everyone.count <= 20, "idle ones are closed, not timed out", 12)
    for _ in range(3):
        assert (await running.request("GET", "/health/live")).body == UP
    assert everyone.count <= 20
    for _, one in (*idle, (reader, writer)):
        one.close()


async def test_a_request_under_way_is_not_given_up_for_idle_ones(tenant: Tenant) -> None:
    everyone = tenant.running.connections
    waiting = asyncio.create_task(tenant.get("receiveNotification", "receiveTimeout=60"))
    await eventually(lambda: everyone.count == 1 and not everyone.idle)
    everyone.most = 5
    idle = [await asyncio.open_connection("127.0.0.1", tenant.running.port) for _ in range(12)]
    await eventually(lambda: everyone.count <= 5, "idle ones are closed, not timed out", 12)
    assert not waiting.done()
    tenant.running.built.services.notifications.close()
    assert (await waiting).body == b"null"
    for _, one in idle:
        one.close()


async def test_blank_lines_do_not_keep_a_connection(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guarded, "head_seconds", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(LIVE)
    await reader.readuntil(UP)

    async def closed() -> bool:
        with contextlib.suppress(OSError):
            writer.write(b"\r\n")
            await writer.drain()
        return reader.at_eof() or reader.exception() is not None  # ended, or reset

    await eventually(closed, "the connection is closed")
    writer.close()
