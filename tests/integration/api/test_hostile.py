"""S3, S8, S9, S14: hostile bodies, large ones, and the token in no sink."""

import asyncio
import base64
import contextlib
import io
import json
import logging
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog

from statusgate.api.method import MIB
from statusgate.api.methods import METHODS
from statusgate.telemetry import configure_logs
from tests.integration.api.running import (
    ADMIN,
    OPERATOR,
    Reply,
    Tenant,
    parse,
    running_gateway,
)
from tests.integration.api.test_tenants import REQUESTS

POSTS = [method for method in METHODS if method.verb == "POST"]
OBJECT_POSTS = [
    method for method in POSTS if method.request is not None and method.name != "simulate"
]
BAD = "bad request data"
HOSTILE: list[tuple[bytes, str | None]] = [
    (b'{"a":"\\u0000"}', BAD),
    (b'{"a":"\\ud800"}', BAD),
    (b'{"a":"\xff"}', BAD),
    (b'{"a":1,"a":2}', BAD),
    (b'{"a":9223372036854775808}', BAD),
    (b'{"a":1e999}', BAD),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, BAD),
    (b"[" * 10_000 + b"]" * 10_000, BAD),
    (b"[" * 100_000, None),
    (b"[]", BAD),
    (b"null", BAD),
    (b'"text"', BAD),
    (b"1", BAD),
    (b"true", BAD),
    (b'{"a":NaN}', "Unexpected token N in JSON at position 5"),
    (b'{"a":"\x00"}', "Unexpected token \x00 in JSON at position 6"),
    (b"\x00", "Unexpected token \x00 in JSON at position 0"),
    (b"{", "Unexpected end of JSON input"),
]


async def answers(tenant: Tenant) -> dict[str, Any]:
    """Every hostile body to every method that takes one."""
    told: dict[str, Any] = {}
    for method in OBJECT_POSTS:
        for index, (body, message) in enumerate(HOSTILE):
            reply = await tenant.post(method.name, body)
            assert reply.code == 400, (method.name, body[:40])
            assert message in (None, reply.message), (method.name, body[:40])
            told[f"{method.name}-{index}"] = reply.message
    return told


async def test_hostile_bodies_are_refused_alike_on_each_database(on_each: Tenant) -> None:
    told = await answers(on_each)
    assert len(told) == len(OBJECT_POSTS) * len(HOSTILE)
    assert (await on_each.get("getContacts")).body == b"[]"


FIELDS = ["\0", "\ud800", 2**70, [], {}, True, -1, 1.5, "x" * 5000, "\u202e😀\x1b[31m\r\n"]


async def test_hostile_values_in_every_field(on_each: Tenant) -> None:
    for method in OBJECT_POSTS:
        for field in REQUESTS[method.name]:
            for value in FIELDS:
                wish = REQUESTS[method.name] | {field: value}
                reply = await on_each.post(method.name, wish)
                assert reply.code in (200, 400), (method.name, field, value)
    for method in METHODS:
        if method.verb == "GET" and REQUESTS[method.name]:
            name = REQUESTS[method.name].partition("=")[0]
            for text in ("%00", "%ff", "%ED%A0%80", "9" * 40, "%F0%9F%98%80", "x" * 5000):
                reply = await on_each.get(method.name, f"{name}={text}")
                assert reply.code in (200, 400), (method.name, text[:20])


CONTENT_TYPES = [
    "application/json", "text/plain", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "image/png", "application/json; charset=utf-16", "",
]  # fmt: skip


async def test_the_content_type_changes_nothing(tenant: Tenant) -> None:
    body = json.dumps(REQUESTS["setSettings"]).encode()
    for kind in CONTENT_TYPES:
        reply = await tenant.running.request(
            "POST", tenant.path("setSettings"), body, {"Content-Type": kind}
        )
        assert reply.code == 200, kind
    form = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n/etc/passwd\r\n--x--\r\n'
    for method in OBJECT_POSTS:
        for raw in (form, b"file=/etc/passwd", b'{"filepath":"/etc/passwd","file":"/x"}'):
            reply = await tenant.running.request(
                "POST", tenant.path(method.name), raw, {"Content-Type": CONTENT_TYPES[3]}
            )
            optional = method.name == "getStatusAudience" and raw.startswith(b"{")
            assert reply.code == (200 if optional else 400), (method.name, raw)
            assert b"root:" not in reply.body


async def upload(
    tenant: Tenant, method: str, size: int, *, chunked: bool, token: str = ""
) -> Reply:
    """Send *size* bytes as a slow client does: all of it, before it listens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", tenant.running.port)
    target = f"/waInstance{tenant.id}/{method}/{token or tenant.token}"
    how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    writer.write(
        f"POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{how}\r\n\r\n".encode()
    )
    block = b" " * (256 << 10)
    try:
        for start in range(0, size, len(block)):
            part = block[: min(len(block), size - start)]
            writer.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        async with asyncio.timeout(30):
            return parse(await reader.read())
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_told_so(tenant: Tenant, chunked: bool) -> None:
    for size in (MIB + 1, 9 * MIB):
        for _ in range(3):
            reply = await upload(tenant, "addContact", size, chunked=chunked)
            assert (reply.code, reply.message) == (413, "Payload Too Large")
    reply = await upload(tenant, "addContact", MIB, chunked=chunked)
    assert (reply.code, reply.message) == (400, "Unexpected end of JSON input")
    assert (await upload(tenant, "addContact", 3 * MIB, chunked=chunked, token="x")).code == 401
    assert (await upload(tenant, "sendMessage", 3 * MIB, chunked=chunked)).code == 404


async def test_a_script_may_have_64_mib(tenant: Tenant) -> None:
    tracemalloc.start()
    assert (await upload(tenant, "simulate", 64 * MIB + 1, chunked=False)).code == 413
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * MIB
    large = base64.b64encode(bytes(2 * MIB)).decode()
    event = {"event": "phoneStatus", "type": "audio", "file": large}
    assert (await tenant.post("simulate", [event])).code == 200


async def test_a_body_that_does_not_come_is_not_awaited_for_ever(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as running:
        tenant = await running.create()
        running.built.app.body_idle_seconds = 0.2
        head = f"POST {tenant.path('addContact')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        raw = await running.raw(head.encode() + b"Content-Length: 9\r\n\r\n{")
        assert (parse(raw).code, parse(raw).message) == (400, BAD)


async def test_a_client_that_asks_first_is_spared_the_body(tenant: Tenant) -> None:
    head = f"POST {tenant.path('addContact')} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    raw = await tenant.running.raw(f"{head}Content-Length: {MIB + 1}\r\n\r\n".encode())
    assert parse(raw).code == 413
    body = b'{"chatId":"7@c.us","firstName":"A"}'
    raw = await tenant.running.raw(
        f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )
    assert raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")


@pytest.fixture(params=["json", "console"])
async def logged(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Tenant, io.StringIO]]:
    """A tenant of a gateway that logs all it can, into a text."""
    text = io.StringIO()
    monkeypatch.setattr("sys.stderr", text)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    configure_logs(request.param, "debug")
    database = f"sqlite:///{tmp_path}/journal.db"
    async with running_gateway(tmp_path, database, access_log=True) as running:
        tenant = await running.create()
        yield tenant, text
    structlog.reset_defaults()


async def test_the_token_is_in_no_sink(
    logged: tuple[Tenant, io.StringIO], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, text = logged
    running = tenant.running
    running.built.services.notifications.close()  # polls end at once
    sinks: list[bytes] = []
    for method in METHODS:
        if method.verb == "WEBSOCKET" or method.changes:
            continue
        request = REQUESTS[method.name]
        for token in (tenant.token, tenant.token[:-1], quote(tenant.token) + "%2F"):
            target = f"/waInstance{tenant.id}/{method.name}/{token}"
            for verb in ("GET", "POST", "PUT"):
                body = json.dumps(request).encode() if verb == "POST" else None
                reply = await running.request(verb, target, body)
                sinks += [reply.body, str(reply.headers).encode()]
    own, token = f"/waInstance{tenant.id}", tenant.token
    odd_places = [
        f"/{token}", f"/x/{token}", f"/waInstance{token}/qr/x", f"{own}/{token}",
        f"{own}/qr?{token}", f"{own}/qr?a=/{token}x", f"/partner/{token}",
        f"/partner/getInstances/{ADMIN}", f"/partner/getInstances/{ADMIN}x",
    ]  # fmt: skip
    for odd in odd_places:
        reply = await running.request("GET", odd)
        sinks += [reply.body, str(reply.headers).encode()]

    async def broken(*_: object) -> bytes:
        raise KeyError("broken on purpose")

    with monkeypatch.context() as patched:
        patched.setattr(running.built.services.history, "incoming", broken)
        reply = await tenant.get("getIncomingStatuses")
        assert (reply.code, reply.message) == (500, "Internal Server Error")
        sinks.append(reply.body)
    await running.raw(b"GET " + tenant.path("qr").encode() + b" HTTP/1.1\nbroken\n\n")
    await running.raw(b"GET " + tenant.path("scanqrcode").encode() + b" HTTP/1.1\r\nHost: x\r\n"
                      b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")  # fmt: skip
    sinks += [
        (await running.request("GET", "/metrics", headers=OPERATOR)).body,
        text.getvalue().encode(),
    ]
    sinks += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    log = text.getvalue()
    assert "getSettings" in log
    assert "broken on purpose" in log
    for sink in sinks:
        for trace in traces(tenant.token) | traces(ADMIN):
            assert trace not in sink, (trace, sink[:300])


def traces(secret: str) -> set[bytes]:
    """What would betray a secret: itself, encoded, or a good part of it."""
    parts = {secret[start : start + 16].encode() for start in range(len(secret) - 15)}
    encoded = base64.b64encode(secret.encode()).rstrip(b"=")
    return parts | {encoded[:-2], quote(secret).encode(), secret.encode().hex().encode()}
