"""Receivers of every kind against the table of reliability 2 (F12)."""

import asyncio
import gzip
import socket
import struct
import threading
import tracemalloc
from collections.abc import Hashable
from typing import Any, NamedTuple

import pytest

from statusgate.domain.outbound_http import (
    Fault,
    PushAnswer,
    PushFailed,
    PushOutcome,
    Retry,
    next_step,
)
from statusgate.outbound import client as client_module
from statusgate.outbound.client import MOST_OF_AN_ANSWER, GuardedClient
from statusgate.outbound.connector import Exchange
from statusgate.outbound.guard import GuardedResolver
from tests.integration.outbound.conftest import LOCAL
from tests.integration.outbound.servers import (
    Behaviour,
    Names,
    Request,
    answer,
    receiver,
    reply,
    reply_and_close,
    reply_for_ever,
)
from tests.waiting import eventually

BODY = b'{"typeWebhook":"stateInstanceChanged"}'
OK_LINE = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(bytes(10_000_000))
REJECTED = Retry(60, "webhook.rejected")


async def reset(_: Request, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Row(NamedTuple):
    """What a receiver does, and what must follow."""

    name: str
    does: Behaviour
    outcome: PushAnswer | Fault
    step: Retry | None


TABLE = (
    Row("200", reply(answer("200 OK")), PushAnswer(200), None),
    Row("204", reply(b"HTTP/1.1 204 No Content\r\n\r\n"), PushAnswer(204), None),
    Row("299", reply(answer("299 Odd", body=b"x")), PushAnswer(299), None),
    Row("HTTP/1.0", reply_and_close(b"HTTP/1.0 200\r\n\r\nok"), PushAnswer(200), None),
    Row(
        "100 first",
        reply(b"HTTP/1.1 100 Continue\r\n\r\n", answer("202 Accepted")),
        PushAnswer(202),
        None,
    ),
    Row(
        "piece by piece",
        reply(*[bytes([octet]) for octet in answer("200 OK", body=b"fine")]),
        PushAnswer(200),
        None,
    ),
    Row(
        "endless body",
        reply_for_ever(OK_LINE + b"\r\n", bytes(65536)),
        PushAnswer(200),
        None,
    ),
    Row(
        "endless chunks",
        reply_for_ever(OK_LINE + b"Transfer-Encoding: chunked\r\n\r\n", b"4\r\nabcd\r\n" * 500),
        PushAnswer(200),
        None,
    ),
    Row(
        "trickling body",
        reply_for_ever(OK_LINE + b"\r\n", b"x", every_seconds=0.05),
        PushAnswer(200),
        None,
    ),
    Row(
        "body cut short",
        reply_and_close(OK_LINE + b"Content-Length: 1000\r\n\r\nonly this"),
        PushAnswer(200),
        None,
    ),
    Row(
        "gzip bomb",
        reply(answer("200 OK", "Content-Encoding: gzip", body=BOMB)),
        PushAnswer(200),
        None,
    ),
    Row(
        "broken gzip",
        reply(answer("200 OK", "Content-Encoding: gzip", body=b"no gzip")),
        PushAnswer(200),
        None,
    ),
    Row(
        "broken chunks",
        reply(OK_LINE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        PushAnswer(200),
        None,
    ),
    Row("head cut short", reply_and_close(OK_LINE + b"X-Y"), PushAnswer(200), None),
    Row("head that hangs", reply(OK_LINE + b"X-Y"), PushAnswer(200), None),
    Row(
        "1 MB header",
        reply(OK_LINE + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n"),
        PushAnswer(200),
        None,
    ),
    Row(
        "redirect",
        reply(answer("302 Found", "Location: http://127.0.0.1/")),
        PushAnswer(302),
        Retry(60),
    ),
    Row("304", reply(b"HTTP/1.1 304 Not Modified\r\n\r\n"), PushAnswer(304), Retry(60)),
    Row("400", reply(answer("400 Bad", "Retry-After: 600")), PushAnswer(400, 600), REJECTED),
    Row("401", reply(answer("401 No")), PushAnswer(401), REJECTED),
    Row("404", reply(answer("404 Not Found", body=b"?" * 70_000)), PushAnswer(404), REJECTED),
    Row("408", reply(answer("408 Slow")), PushAnswer(408), Retry(60)),
    Row(
        "410",
        reply(answer("410 Gone", "Retry-After: 5")),
        PushAnswer(410, 5),
        Retry(3600, "webhook.gone"),
    ),
    Row("425", reply(answer("425 Early", "Retry-After: 61")), PushAnswer(425, 61), Retry(61)),
    Row(
        "429 until a date",
        reply(answer("429 Many", "Retry-After: Mon, 11 Mar 2024 05:15:20 GMT")),
        PushAnswer(429, 120),
        Retry(120),
    ),
    Row("500", reply(answer("500 Error")), PushAnswer(500), Retry(60)),
    Row("503 soon", reply(answer("503 Busy", "Retry-After: 1")), PushAnswer(503, 1), Retry(60)),
    Row(
        "503 in a week",
        reply(answer("503 Busy", "Retry-After: 604800")),
        PushAnswer(503, 604800),
        Retry(3600),
    ),
    Row("101", reply(b"HTTP/1.1 101 Switch\r\n\r\n"), PushAnswer(101), Retry(60)),
    Row("silence", reply(), Fault.SILENT, Retry(60)),
    Row("status line cut off", reply_and_close(b"HTTP/1.1 200"), Fault.BROKEN, Retry(60)),
    Row("status line that hangs", reply(b"HTTP/1.1 200 OK"), Fault.SILENT, Retry(60)),
    Row(
        "trickling status line",
        reply_for_ever(b"HTTP/1.1 200 ", b"O", every_seconds=0.02),
        Fault.SILENT,
        Retry(60),
    ),
    Row(
        "only 100s",
        reply_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every_seconds=0.01),
        Fault.SILENT,
        Retry(60),
    ),
    Row("closed", reply_and_close(), Fault.BROKEN, Retry(60)),
    Row("reset", reset, Fault.BROKEN, Retry(60)),
    Row("garbage", reply_and_close(b"\x16\x03\x01garbage\r\n\r\n"), Fault.BROKEN, Retry(60)),
    Row("other protocol", reply(b"220 mail ready\r\n"), Fault.BROKEN, Retry(60)),
    Row("endless garbage", reply_for_ever(b"", b"y" * 65536), Fault.BROKEN, Retry(60)),
    Row("odd version", reply_and_close(b"HTTP/9.9 200 OK\r\n\r\n"), Fault.BROKEN, Retry(60)),
    Row("odd status", reply_and_close(b"HTTP/1.1 20 OK\r\n\r\n"), Fault.BROKEN, Retry(60)),
)


def kind(outcome: PushOutcome) -> PushAnswer | Fault:
    return outcome.fault if isinstance(outcome, PushFailed) else outcome


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "GRACE_SECONDS", 0.1)


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """Every exchange of the test, for what was read."""
    made: list[Exchange] = []

    class Kept(Exchange):
        def __init__(self, most_bytes: int, *rest: Any, **named: Any) -> None:
            super().__init__(most_bytes, *rest, **named)
            made.append(self)

    monkeypatch.setattr(client_module, "Exchange", Kept)
    return made


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
async def test_every_receiver_has_the_outcome_of_the_table(
    row: Row, client: GuardedClient, exchanges: list[Exchange]
) -> None:
    async with receiver(row.does) as server:
        deadline = 0.4 if row.outcome is Fault.SILENT else 10
        outcome = await client.push(server.url, BODY, {}, deadline)
        assert kind(outcome) == row.outcome
        assert next_step(outcome) == row.step
        assert len(server.requests) == 1, "one attempt, no retry of its own"
        assert server.requests[0].body == BODY
    # what one read of the socket may bring on top
    assert exchanges[0].received <= MOST_OF_AN_ANSWER + 256 * 1024


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
async def test_the_next_push_is_never_harmed_by_the_last(
    row: Row, client: GuardedClient
) -> None:
    async def first_odd(request: Request, writer: asyncio.StreamWriter) -> None:
        await (reply(answer("201 Created")) if later else row.does)(request, writer)

    later = False
    async with receiver(first_odd) as server:
        await client.push(server.url, BODY, {}, 0.2)
        later = True
        for _ in range(2):
            assert await client.push(server.url, BODY, {}, 30) == PushAnswer(201)


async def test_refused_and_unknown_names_are_unreachable() -> None:
    async def no_such_name(_: str, _owner: Hashable) -> list[str]:
        raise OSError(-2, "Name or service not known")

    async with receiver(reply()) as gone:
        pass
    async with GuardedClient(GuardedResolver(LOCAL, no_such_name)) as client:
        for url in (gone.url, "http://nobody.example/"):
            outcome = await client.push(url, BODY, {}, 30)
            assert kind(outcome) is Fault.UNREACHABLE
            assert next_step(outcome) == Retry(60)


async def test_resolving_and_connecting_have_a_limit_of_their_own() -> None:
    async def never(_: str, _owner: Hashable) -> list[str]:
        await asyncio.Event().wait()
        return []

    async with GuardedClient(GuardedResolver(LOCAL, never), connect_seconds=0.1) as client:
        async with asyncio.timeout(30):
            outcome = await client.push("http://slow.example/", BODY, {}, 180)
    assert kind(outcome) is Fault.UNREACHABLE


async def test_a_name_without_an_answer_holds_up_no_other() -> None:
    class HalfDead(Names):
        async def __call__(self, host: str, owner: Hashable = "") -> tuple[str, ...]:
            if host.startswith("dead"):
                await asyncio.Event().wait()
            return ("127.0.0.1",)

    async with (
        receiver(reply(answer("200 OK"))) as server,
        GuardedClient(GuardedResolver(LOCAL, HalfDead())) as client,
    ):
        dead = [
            asyncio.create_task(client.push(f"http://dead{number}.example/", BODY, {}, 180))
            for number in range(50)
        ]
        async with asyncio.timeout(30):
            url = f"http://alive.example:{server.port}/"
            assert await client.push(url, BODY, {}, 30) == PushAnswer(200)
        for task in dead:
            task.cancel()
        await asyncio.gather(*dead, return_exceptions=True)


async def test_the_hanging_names_of_one_owner_hold_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = threading.Event()

    def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
        if host.startswith("dead"):
            ended.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    async with (
        receiver(reply(answer("200 OK"))) as server,
        GuardedClient(GuardedResolver(LOCAL)) as client,
    ):
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        try:
            for number in range(100):
                dead = client.push(f"http://dead{number}.example/", BODY, {}, 180, "busy")
                push = asyncio.create_task(dead)
                await asyncio.sleep(0.001)
                push.cancel()
            url = f"http://alive.example:{server.port}/"
            assert await client.push(url, BODY, {}, 180, "other") == PushAnswer(200)
        finally:
            ended.set()


async def test_hanging_receivers_hold_up_no_other_even_on_one_host(
    client: GuardedClient,
) -> None:
    async def some_hang(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.body == b"hang":
            await asyncio.Event().wait()
        writer.write(answer("200 OK"))

    async with receiver(some_hang) as server:
        hanging = [
            asyncio.create_task(client.push(server.url, b"hang", {}, 180)) for _ in range(200)
        ]
        await eventually(lambda: len(server.requests) >= 200)
        async with asyncio.timeout(30):
            for _ in range(50):
                assert await client.push(server.url, BODY, {}, 30) == PushAnswer(200)
        for task in hanging:
            task.cancel()
        results = await asyncio.gather(*hanging, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)


async def test_what_follows_the_status_line_holds_up_nothing(
    client: GuardedClient,
) -> None:
    for does in (
        reply(OK_LINE + b"X-Y"),
        reply(OK_LINE + b"Content-Length: 5\r\n\r\nabc"),
        reply_for_ever(OK_LINE + b"\r\n", b"x", every_seconds=0.02),
    ):
        async with receiver(does) as server, asyncio.timeout(30):
            assert await client.push(server.url, BODY, {}, 180) == PushAnswer(200)


async def test_nothing_is_decompressed(client: GuardedClient) -> None:
    body = gzip.compress(bytes(50_000_000))
    assert len(body) < MOST_OF_AN_ANSWER
    async with receiver(reply(answer("200 OK", "Content-Encoding: gzip", body=body))) as server:
        tracemalloc.start()
        try:
            assert await client.push(server.url, BODY, {}, 10) == PushAnswer(200)
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()


async def test_the_grace_never_lengthens_the_deadline(
    client: GuardedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "GRACE_SECONDS", 60)
    async with receiver(reply(OK_LINE + b"X-Y")) as server, asyncio.timeout(30):
        assert await client.push(server.url, BODY, {}, 2) == PushAnswer(200)
