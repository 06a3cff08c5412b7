"""S13: what is not HTTP, or could be read in two ways, is refused or ends the connection.

uvicorn's parser (llhttp, all leniencies off but one for pipelined data behind a close) refuses
these itself; the limits on heads, time and connections are those of ``api.edge``.
"""

import asyncio
import contextlib
import re

import pytest

from statusgate.api.edge import body
from statusgate.api.edge.connections import Guarded, OpenConnections
from tests.integration.api.running import Reply, Running, Tenant, parse
from tests.waiting import eventually

POST = b"POST /waInstance1/x HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /waInstance1/x HTTP/1.1\r\nHost: x\r\n"
REFUSED = {
    "both lengths": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both, reversed": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "same length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "plus": POST + b"Content-Length: +2\r\n\r\n{}",
    "minus": POST + b"Content-Length: -2\r\n\r\n{}",
    "hex length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "endless length": POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n{}",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "bare LF": GET.replace(b"\r\n", b"\n") + b"\n",
    "one bare LF": b"GET /x HTTP/1.1\nHost: x\r\n\r\n",
    "bare CR": b"GET /x HTTP/1.1\r\nHost: x\rFoo: y\r\n\r\n",
    "folded header": GET + b"A: b\r\n c\r\n\r\n",
    "space before colon": GET + b"A : b\r\n\r\n",
    "space before name": GET + b" A: b\r\n\r\n",
    "no colon": GET + b"A\r\n\r\n",
    "no name": GET + b": b\r\n\r\n",
    "NUL in value": GET + b"A: a\0b\r\n\r\n",
    "NUL in name": GET + b"A\0: a\r\n\r\n",
    "bare LF in chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    "LF after extension": POST + b"Transfer-Encoding: chunked\r\n\r\n2;a\n{}\r\n0\r\n\r\n",
    "negative chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "hex prefix": POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "endless chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n",
    "HTTP/0.9": b"GET /x\r\n\r\n",
    "HTTP/1.2": b"GET /x HTTP/1.2\r\nHost: x\r\n\r\n",
    "HTTP/2": b"GET /x HTTP/2.0\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tabs": b"GET\t/x\tHTTP/1.1\r\nHost: x\r\n\r\n",
    "unknown verb": b"FOO /x HTTP/1.1\r\nHost: x\r\n\r\n",
    "lower case verb": b"get /x HTTP/1.1\r\nHost: x\r\n\r\n",
    "connect": b"CONNECT evil:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw UTF-8 path": "GET /é HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "many headers": GET + b"A: b\r\n" * 200 + b"\r\n",
    "large header": GET + b"A: " + b"a" * 100_000 + b"\r\n\r\n",
    "endless header": GET + b"A: " + b"a" * 200_000,
    "no host": b"GET /x HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /x HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "two hosts of 1.0": b"GET /x HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
    "large path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
async def test_ambiguous_requests_end_the_connection(tenant: Tenant) -> None:
    smuggled = f"GET {tenant.path('logout')} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    for name, request in REFUSED.items():
        try:
            raw = await tenant.running.raw(request + smuggled)
        except ConnectionResetError:  # the rest of something endless is not awaited
            continue
        assert parse(raw).code in (400, 404), name
        assert raw.count(b"HTTP/1.1 200") == 0, name
        if b"HTTP/1.1 400" in raw:
            assert raw.endswith(b'"message":"bad request data"}'), name
            assert tenant.token.encode() not in raw
    assert (await tenant.get("getStateInstance")).json() == {"stateInstance": "authorized"}


async def test_a_body_is_never_read_as_a_request(tenant: Tenant) -> None:
    smuggled = f"GET {tenant.path('logout')} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    length = b"Content-Length: %d\r\n\r\n" % len(smuggled)
    last = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    own = tenant.path("getSettings").encode()
    firsts = {
        b"GET /waInstance1/x HTTP/1.1\r\nHost: x\r\n": b"404",
        b"OPTIONS /waInstance1/x HTTP/1.1\r\nHost: x\r\n": b"204",
        b"POST /waInstance1/setSettings/x HTTP/1.1\r\nHost: x\r\n": b"403",
        b"GET " + own + b" HTTP/1.1\r\nHost: x\r\n": b"200",
    }
    for first, code in firsts.items():
        raw = await tenant.running.raw(first + length + smuggled + last)
        assert re.findall(rb"HTTP/1\.1 ([0-9]{3})", raw) == [code, b"200"], first
        assert raw.endswith(b'{"status":"up"}')
    assert (await tenant.get("getStateInstance")).json() == {"stateInstance": "authorized"}


async def exchange(running: Running, request: bytes, answers: int) -> list[Reply]:
    """Send several requests at once on one connection that stays open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    replies = []
    writer.write(request)
    async with asyncio.timeout(30):
        for _ in range(answers):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(parse(head).headers["content-length"])
            replies.append(parse(head + await reader.readexactly(length)))
    writer.close()
    await writer.wait_closed()
    return replies


async def test_pipelined_requests_are_answered_in_order(tenant: Tenant) -> None:
    names = ["getStateInstance", "getWaSettings", "getStatusInstance"]
    heads = [f"GET {tenant.path(name)} HTTP/1.1\r\nHost: x\r\n\r\n" for name in names]
    replies = await exchange(tenant.running, "".join(heads).encode(), 3)
    assert [next(iter(reply.json())) for reply in replies] == [
        "stateInstance", "avatar", "statusInstance",
    ]  # fmt: skip


async def test_javas_offer_of_http2_is_passed_over(tenant: Tenant) -> None:
    offer = (
        "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAA\r\nUpgrade: h2c\r\n"
    )
    body = '{"stateWebhook":"yes"}'
    requests = (
        f"POST {tenant.path('setSettings')} HTTP/1.1\r\nHost: x\r\n{offer}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
        f"GET {tenant.path('getSettings')} HTTP/1.1\r\nHost: x\r\n{offer}\r\n"
    )
    saved, settings = await exchange(tenant.running, requests.encode(), 2)
    assert saved.body == b'{"saveSettings":true}'
    assert settings.json()["stateWebhook"] == "yes"
    other = f"GET {tenant.path('getSettings')} HTTP/1.1\r\nHost: x\r\n{offer}\r\n"
    (answer,) = await exchange(tenant.running, other.replace("h2c", "tls/1.3").encode(), 1)
    assert answer.code == 200


async def test_a_head_must_come_in_time(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guarded, "head_seconds", 0.3)
    monkeypatch.setattr(body, "DRAIN_SECONDS", 0.3)

    async def drip(first: bytes, then: bytes) -> bytes:
        """Send slowly for as long as the server listens."""
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(first)
        hearing = asyncio.create_task(reader.read())
        try:
            async with asyncio.timeout(30):
                while not hearing.done():
                    await asyncio.sleep(0.05)
                    writer.write(then)
                return await hearing
        except OSError:
            return b"reset"
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    answered = b"GET /waInstance1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n"
    heard = await asyncio.gather(
        drip(b"GET /", b"a"), drip(GET, b"A: b\r\n"), drip(b"", b"\r\n"), drip(b"", b""),
        drip(answered, b"x"),
    )  # fmt: skip
    assert [raw[:12] for raw in heard[:4]] == [b""] * 4 or b"reset" in heard
    assert heard[4][:12] in (b"HTTP/1.1 404", b"reset")
    assert (await running.request("GET", "/health/live")).code == 200


async def test_connections_by_address_are_limited(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenConnections, "per_trusted_address", 3)
    kept = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(3)]
    await eventually(lambda: running.connections.count == 3)
    with contextlib.suppress(OSError):
        assert await running.raw(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    for _, writer in kept:
        writer.close()
        await writer.wait_closed()
    await eventually(lambda: not running.connections.count)
    assert (await running.request("GET", "/health/live")).code == 200
