"""What a receiver sees of a push, and how connections are kept (S10)."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statusgate.domain.outbound_http import Fault, PushAnswer, PushFailed
from statusgate.outbound import client as client_module
from statusgate.outbound.client import GuardedClient
from statusgate.outbound.guard import GuardedResolver
from statusgate.outbound.headers import push_headers
from statusgate.outbound.signing import Secret
from tests.integration.outbound.conftest import LOCAL
from tests.integration.outbound.servers import (
    Request,
    answer,
    receiver,
    reply,
    reply_and_close,
)
from tests.waiting import eventually

ALLOW_LIST = {
    "host",
    "user-agent",
    "content-type",
    "content-length",
    "accept",
    "accept-encoding",
    "authorization",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
}
OK = reply(answer("200 OK", "Set-Cookie: a=b; Path=/", body=b"ok"))


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
async def test_headers_are_those_of_the_list_and_the_length_is_sent(
    size: int, client: GuardedClient
) -> None:
    body = b"x" * size
    headers = push_headers("s3cret", [Secret(b"k" * 32)], "msg_1", 1_710_134_000, body)
    async with receiver(OK) as server:
        for _ in range(2):
            assert await client.push(server.url, body, headers, 30) == PushAnswer(200)
        for request in server.requests:
            assert request.head.startswith(b"POST /hook?a=b HTTP/1.1\r\n")
            assert set(request.headers) == ALLOW_LIST
            assert request.headers["content-length"] == str(size)
            assert request.headers["content-type"] == "application/json"
            assert request.headers["accept-encoding"] == "identity"
            assert request.headers["authorization"] == "Bearer s3cret"
            assert request.headers["host"] == f"127.0.0.1:{server.port}"
            assert request.body == body


async def test_without_token_and_secret_nothing_secret_is_sent(
    client: GuardedClient,
) -> None:
    async with receiver(OK) as server:
        await client.push(server.url, b"{}", push_headers("", [], "msg_1", 1, b"{}"), 30)
        hidden = {"authorization", "webhook-id", "webhook-timestamp", "webhook-signature"}
        assert set(server.requests[0].headers) == ALLOW_LIST - hidden


async def test_other_headers_cannot_be_sent(client: GuardedClient) -> None:
    for name in ("X-Secret", "Cookie", "Host", "Transfer-Encoding", "Content-Length"):
        with pytest.raises(ValueError, match="is not a header of a push"):
            await client.push("http://127.0.0.1/", b"{}", {name: "x"}, 30)


@pytest.mark.parametrize("value", ["a\r\nX-Y: z", "a\nb", "a\0b", "ключ", "a\x7f"])
async def test_a_value_cannot_bring_another_header(value: str, client: GuardedClient) -> None:
    async with receiver(OK) as server:
        outcome = await client.push(server.url, b"{}", {"Authorization": value}, 30)
        assert outcome == PushFailed(Fault.BLOCKED, "Authorization is not printable ASCII")
        assert server.connections == 0


async def test_a_connection_is_used_again_after_a_whole_answer(client: GuardedClient) -> None:
    async with receiver(OK) as server:
        for _ in range(20):
            assert await client.push(server.url, b"{}", {}, 30) == PushAnswer(200)
        assert server.connections == 1


async def test_a_connection_with_more_to_say_is_closed(client: GuardedClient) -> None:
    async with receiver(reply(answer("200 OK", body=b"y" * 70_000))) as server:
        for _ in range(3):
            assert await client.push(server.url, b"{}", {}, 30) == PushAnswer(200)
        assert server.connections == 3


async def test_an_answer_after_the_answer_is_never_taken_for_the_next(
    client: GuardedClient,
) -> None:
    behave = reply(answer("500 Error", body=b"no") + answer("200 OK"))
    async with receiver(behave) as server:
        for _ in range(3):
            assert await client.push(server.url, b"{}", {}, 30) == PushAnswer(500)
        assert server.connections == 3


async def test_a_server_that_closes_after_each_answer_costs_no_push(
    client: GuardedClient,
) -> None:
    async with receiver(reply_and_close(answer("200 OK"))) as server:
        for _ in range(10):
            assert await client.push(server.url, b"{}", {}, 30) == PushAnswer(200)
            await asyncio.sleep(0.005)
        assert server.connections == 10


async def test_idle_connections_of_a_host_are_bounded(
    client: GuardedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "KEPT_PER_HOST", 5)
    crowd = asyncio.Barrier(20)

    async def together(_: Request, writer: asyncio.StreamWriter) -> None:
        await crowd.wait()
        writer.write(answer("200 OK"))

    async with receiver(together) as server:
        pushes = [client.push(server.url, b"{}", {}, 30) for _ in range(20)]
        assert await asyncio.gather(*pushes) == [PushAnswer(200)] * 20
        assert server.connections == 20
        crowd = asyncio.Barrier(10)
        pushes = [client.push(server.url, b"{}", {}, 30) for _ in range(10)]
        assert await asyncio.gather(*pushes) == [PushAnswer(200)] * 10
        assert server.connections == 25


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (b"", Fault.SILENT),
        (answer("200 OK"), PushAnswer(200)),
        (answer("413 Too Large", "Connection: close"), PushAnswer(413)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", PushAnswer(200)),
    ],
    ids=["silent", "early answer", "early refusal", "early and unfinished"],
)
async def test_a_receiver_that_does_not_read_the_body_is_left_in_time(
    said: bytes,
    outcome: PushAnswer | Fault,
    client: GuardedClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "GRACE_SECONDS", 0.2)

    async def deaf(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(said)
        await over.wait()
        writer.close()

    over = asyncio.Event()
    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(30):
        url = f"http://127.0.0.1:{port}/"
        deadline = 0.5 if outcome is Fault.SILENT else 20
        found = await client.push(url, bytes(30_000_000), {}, deadline)
    assert (found.fault if isinstance(found, PushFailed) else found) == outcome
    over.set()
    server.close()
    await server.wait_closed()


async def test_a_cancelled_push_leaves_its_place_to_others(
    client: GuardedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "KEPT_PER_HOST", 1)

    async def silent_on_request(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.body != b"hang":
            writer.write(answer("200 OK"))

    async with receiver(silent_on_request) as server:
        task = asyncio.create_task(client.push(server.url, b"hang", {}, 180))
        await eventually(lambda: server.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(3):
            assert await client.push(server.url, b"{}", {}, 30) == PushAnswer(200)
        assert server.connections == 2  # its own, and one that is kept


async def test_a_closed_client_ends_what_is_under_way() -> None:
    async with receiver(reply()) as server:
        client = GuardedClient(GuardedResolver(LOCAL))
        task = asyncio.create_task(client.push(server.url, b"{}", {}, 180))
        await eventually(lambda: server.requests)
        await client.close()
        outcome = await task
        assert isinstance(outcome, PushFailed)
        assert outcome.fault is Fault.BROKEN


_PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 503 \r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: br\r\n",
        b"Retry-After: Foo, 99 Bar 99999 99:99:99 +9999\r\n",
        b"Retry-After: 9" + b"9" * 400 + b"\r\n",
        b"Set-Cookie: \xff\r\n",
        b"\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"\0",
    ]
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(pieces=st.lists(_PIECES | st.binary(max_size=20), max_size=8))
async def test_no_answer_makes_a_push_raise(pieces: list[bytes]) -> None:
    async with (
        receiver(reply_and_close(b"".join(pieces))) as server,
        GuardedClient(GuardedResolver(LOCAL)) as client,
    ):
        outcome = await client.push(server.url, b"{}", {}, 30)
    assert isinstance(outcome, PushAnswer | PushFailed)
