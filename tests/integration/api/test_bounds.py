"""What one instance may have open at a time, and how much one call may name (contract 9)."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from statusgate.engines.simulated import files
from tests.integration.api.running import Reply, Running, Tenant, parse, running_gateway
from tests.waiting import eventually

HANDSHAKE = (
    " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


@pytest.fixture
async def bounded(tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway of which everybody may have little."""
    async with running_gateway(
        tmp_path,
        max_open_polls=3,
        max_open_qr_sockets=2,
        max_participants=5,
        max_uploads=3,
        max_uploads_mb=1,
    ) as running:
        yield running


def busy(running: Running) -> int:
    """How many requests are under way."""
    return running.connections.count - len(running.connections.idle)


async def test_waiting_polls_of_an_instance_are_bounded(bounded: Running) -> None:
    tenant, other = await bounded.create(), await bounded.create()
    polls = [
        asyncio.create_task(tenant.get("receiveNotification", "receiveTimeout=60"))
        for _ in range(3)
    ]
    await eventually(lambda: busy(bounded) == 3)
    fourth = await tenant.get("receiveNotification", "receiveTimeout=5")
    assert fourth.code == 429
    assert fourth.message == "Too Many Requests: at most 3 open calls of receiveNotification"
    assert int(fourth.headers["retry-after"]) >= 1
    assert (await other.running.request("HEAD", other.path("receiveNotification"))).code == 200
    assert (await tenant.get("getWebhooksCount")).code == 200
    assert not any(poll.done() for poll in polls)
    bounded.built.services.notifications.close()
    assert [(await poll).body for poll in polls] == [b"null"] * 3


async def test_a_poll_whose_caller_has_gone_is_not_counted(bounded: Running) -> None:
    tenant = await bounded.create()
    target = tenant.path("receiveNotification") + "?receiveTimeout=60"
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", bounded.port)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await eventually(lambda: busy(bounded) > 0)
        writer.close()

    polls: list[asyncio.Task[Reply]] = []

    async def free() -> bool:
        """Whether a poll waits; a refusal comes before the answers to later requests."""
        poll = asyncio.create_task(tenant.get("receiveNotification", "receiveTimeout=60"))
        polls.append(poll)
        await eventually(lambda: poll.done() or busy(bounded) > 0)
        for _ in range(3):
            await tenant.get("getWebhooksCount")
        return not poll.done()

    await eventually(free)
    bounded.built.services.notifications.close()
    assert (await polls[-1]).body == b"null"


async def test_qr_sockets_of_an_instance_are_bounded(bounded: Running) -> None:
    tenant = await bounded.create()
    await tenant.get("logout")
    handshake = f"GET {tenant.path('scanqrcode')}{HANDSHAKE}".encode()
    opened = [await asyncio.open_connection("127.0.0.1", bounded.port) for _ in range(2)]
    for reader, writer in opened:
        writer.write(handshake)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    third = parse(await bounded.raw(handshake))
    assert third.code == 429
    assert third.message == "Too Many Requests: at most 2 open calls of scanqrcode"
    for _, writer in opened:
        writer.close()

    async def free() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", bounded.port)
        writer.write(handshake)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return b" 101 " in head

    await eventually(free)


async def test_the_participants_of_one_call_are_bounded(bounded: Running) -> None:
    tenant = await bounded.create()
    people = [f"7900000000{n}@c.us" for n in range(6)]
    calls: list[tuple[str, dict[str, object]]] = [
        ("getStatusAudience", {}),
        ("sendTextStatus", {"message": "Hello"}),
        ("sendVoiceStatus", {"urlFile": "https://example.org/a.mp3", "fileName": "a.mp3"}),
        ("sendMediaStatus", {"urlFile": "https://example.org/a.jpg", "fileName": "a.jpg"}),
    ]
    for method, wish in calls:
        reply = await tenant.post(method, wish | {"participants": people})
        assert reply.code == 400
        fault = "'participants' must contain less than or equal to 5 items"
        assert reply.message == f"Validation failed. Details: {fault}"
        assert (await tenant.post(method, wish | {"participants": people[:5]})).code == 200
    assert (await tenant.get("getMessagesCount")).json()["count"] <= 3


async def test_a_large_audience_leaves_others_their_turn(tenant: Tenant) -> None:
    people = [f"{79 * 10**9 + n}@c.us" for n in range(10_000)]
    asking = asyncio.create_task(tenant.post("getStatusAudience", {"participants": people}))
    answered = 0
    while not asking.done():
        assert (await tenant.get("getStateInstance")).code == 200
        answered += 1
    assert (await asking).code == 200
    assert answered >= 5  # about 25; one if it were not divided


async def test_stored_uploads_of_an_instance_are_bounded(bounded: Running) -> None:
    tenant, other = await bounded.create(), await bounded.create()
    for _ in range(3):
        assert (await tenant.post("uploadFile", b"a file")).code == 200
    fourth = await tenant.post("uploadFile", b"a file")
    assert fourth.code == 429
    assert fourth.message == "Too Many Requests: at most 3 uploads are kept"
    assert int(fourth.headers["retry-after"]) >= 1
    assert (await other.post("uploadFile", b"a file")).code == 200


async def test_bytes_of_stored_uploads_are_bounded(bounded: Running) -> None:
    tenant = await bounded.create()
    assert (await tenant.post("uploadFile", b"x" * 700_000)).code == 200
    uploads = [tenant.post("uploadFile", b"x" * 300_000) for _ in range(2)]
    replies = sorted(await asyncio.gather(*uploads), key=lambda reply: reply.code)
    assert [reply.code for reply in replies] == [200, 429]
    assert replies[1].message == "Too Many Requests: at most 1 MB of uploads are kept"
    folder = Path(bounded.built.settings.media_store) / str(tenant.id)
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 2


async def test_files_of_a_sandbox_account_are_bounded(
    bounded: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await bounded.create()
    monkeypatch.setattr(files, "MOST_FILES", 2)
    monkeypatch.setattr(files, "MOST_BYTES", 1 << 20)
    small, large = b"1", b"x" * (1 << 20)

    def post(content: bytes, id_message: str) -> dict[str, str]:
        file = base64.b64encode(content).decode()
        return {"event": "phoneStatus", "type": "image", "file": file, "idMessage": id_message}

    await tenant.simulate(post(small, "A"), post(b"2", "B"))
    await tenant.simulate(post(small, "C"))  # the same file again
    third = await tenant.post("simulate", [post(b"3", "D")])
    assert third.code == 429
    assert third.message == "Too Many Requests: at most 2 sandbox files are kept"
    other = await bounded.create()
    too_large = await other.post("simulate", [post(small, "A"), post(large, "B")])
    assert too_large.message == "Too Many Requests: at most 1 MB of sandbox files are kept"
    assert (await other.get("getOutgoingStatuses")).json() == []  # all or none
