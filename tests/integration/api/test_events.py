"""The live stream: from the log, in order, resumable (contract 12.7)."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from statusgate.notifications.live import Live, Stream
from tests.integration.api.running import Running, Tenant
from tests.waiting import eventually

ANNA = "79001234567@c.us"
CONTACT = {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna K"}
TEXT = {"event": "incomingStatus", "from": ANNA, "type": "text", "text": "Hello"}
Event = tuple[int, str, Any]


class Client:
    """An EventSource, as far as one is needed."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.head = b""

    async def block(self) -> list[str]:
        """The lines up to the next empty one, chunk sizes taken off."""
        lines: list[str] = []
        async with asyncio.timeout(30):
            while True:
                raw = (await self._reader.readline()).decode()
                line = raw.rstrip("\r\n")
                if raw in ("", "0\r\n"):  # the last chunk
                    raise EOFError
                if raw.endswith("\r\n"):
                    continue  # the frame of a chunk
                if line == "":
                    return lines
                lines.append(line)

    async def event(self) -> Event:
        while True:
            told = dict(line.partition(": ")[::2] for line in await self.block())
            if "event" in told:
                assert set(told) == {"id", "event", "data"}
                return int(told["id"]), told["event"], json.loads(told["data"])

    async def events(self, count: int) -> list[Event]:
        return [await self.event() for _ in range(count)]


@contextlib.asynccontextmanager
async def stream(
    tenant: Tenant, query: str = "", port: int | None = None, **headers: str
) -> AsyncIterator[Client]:
    """An open stream; the first line is read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port or tenant.running.port)
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    target = tenant.path("events") + query
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    client = Client(reader)
    try:
        async with asyncio.timeout(30):
            client.head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in client.head, client.head + await reader.read(500)
            assert b"content-type: text/event-stream" in client.head
            assert await client.block() == ["retry: 3000"]
        yield client
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_everything_is_told_in_its_own_shape(running: Running) -> None:
    tenant = await running.create()
    async with stream(tenant) as client:
        await tenant.simulate(CONTACT)
        await tenant.simulate(
            TEXT | {"idMessage": "A1", "timestamp": 1710134811},
            {"event": "phoneStatus", "type": "text", "text": "x", "idMessage": "B1"},
        )
        await tenant.simulate(
            {"event": "receipt", "idMessage": "B1", "participant": ANNA, "status": "read",
             "timestamp": 1710134811},
            {"event": "deleteStatus", "idMessage": "A1", "from": ANNA},
            {"event": "state", "state": "suspended"},
            {"event": "state", "state": "authorized"},
        )  # fmt: skip
        posted = (await tenant.post("sendTextStatus", {"message": "Good morning"})).json()
        told = await client.events(10)
    numbers = [number for number, _, _ in told]
    assert numbers == list(range(numbers[0], numbers[0] + 10))
    by_name: dict[str, Any] = {}
    for _, name, data in told:
        by_name.setdefault(name, []).append(data)
    assert by_name["contactChanged"] == [{"id": ANNA, "name": "Anna", "contactName": "Anna K"}]
    assert by_name["incomingStatus"][0]["idMessage"] == "A1"
    assert [one["idMessage"] for one in by_name["outgoingStatus"]] == [
        "B1",
        posted["idMessage"],
    ]
    assert by_name["statusReceipt"] == [
        {"idMessage": "B1", "participant": ANNA, "status": "read", "timestamp": 1710134811}
    ]
    changed = by_name["statusChanged"]
    assert [(one["idMessage"], one["statusMessage"]) for one in changed] == [
        ("B1", "read"), (posted["idMessage"], "sent"),
    ]  # fmt: skip
    assert all(one["failure"] is None for one in changed)
    assert by_name["statusDeleted"] == [{"idMessage": "A1", "type": "incoming", "chatId": ANNA}]
    assert [one["stateInstance"] for one in by_name["stateChanged"]] == [
        "suspended", "authorized",
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["header", "query", "both"])
async def test_it_resumes_behind_an_event(on_each: Tenant, how: str) -> None:
    tenant = on_each
    async with stream(tenant) as client:
        await tenant.simulate(CONTACT, *(TEXT | {"idMessage": f"A{n}"} for n in range(4)))
        told = await client.events(5)
    await tenant.simulate(*(TEXT | {"idMessage": f"A{n}"} for n in range(4, 8)))
    at = told[1][0]  # in the midst of a transaction
    query = {"header": "", "query": f"?lastEventId={at}", "both": "?lastEventId=1"}[how]
    header = "" if how == "query" else str(at)
    async with stream(tenant, query, Last_Event_ID=header) as client:
        missed = await client.events(7)
        await tenant.simulate(TEXT | {"idMessage": "A8"})
        missed.append(await client.event())
    assert [number for number, _, _ in missed] == list(range(at + 1, at + 9))
    assert [data["idMessage"] for _, _, data in missed] == [f"A{n}" for n in range(1, 9)]


async def test_resuming_while_much_happens_leaves_no_gap(tenant: Tenant) -> None:
    await tenant.simulate(CONTACT, *(TEXT for _ in range(300)))
    first = 1

    async def live_on() -> None:
        for _ in range(20):
            await tenant.simulate(*(TEXT for _ in range(5)))

    going_on = asyncio.create_task(live_on())
    async with stream(tenant, f"?lastEventId={first}") as client:
        told = await client.events(380)
    await going_on
    assert [number for number, _, _ in told] == list(range(2, 382))


@pytest.mark.parametrize("asked", ["99999", "-5", "x"])
async def test_an_unknown_id_means_read_anew(tenant: Tenant, asked: str) -> None:
    async with stream(tenant, Last_Event_ID=asked) as client:
        number, name, data = await client.event()
        assert (name, data) == ("resync", {"reason": "expired"})
        await tenant.simulate(CONTACT)
        following = await client.event()
        assert following[:2] == (number + 1, "contactChanged")


async def test_a_wrong_id_in_the_query_is_told(tenant: Tenant) -> None:
    reply = await tenant.get("events", "lastEventId=x")
    assert reply.message == "Validation failed. Details: 'lastEventId' must be a number"


async def test_seventeen_are_too_many(tenant: Tenant) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(16):
            await stack.enter_async_context(stream(tenant))
        refused = await tenant.get("events")
        assert refused.code == 429
        assert refused.message == "Too Many Requests: at most 16 open calls of events"
        assert "retry-after" in refused.headers

    async def free() -> bool:
        return (await tenant.running.request("HEAD", tenant.path("events"))).code == 200

    await eventually(free)
    async with stream(tenant):
        pass


async def test_head_answers_and_ends(tenant: Tenant) -> None:
    reply = await tenant.running.request("HEAD", tenant.path("events"))
    assert (reply.code, reply.body) == (200, b"")


async def test_a_new_token_and_the_end_of_the_server_end_streams(tenant: Tenant) -> None:
    async with stream(tenant) as client:
        tenant.token = (await tenant.get("updateApiToken")).json()["apiTokenInstance"]
        with pytest.raises(EOFError):
            await client.block()
    async with stream(tenant) as client:
        tenant.running.built.release()
        with pytest.raises(EOFError):
            await client.block()


async def test_a_slow_reader_is_dropped_and_others_go_on(running: Running) -> None:
    await running.create()
    instance = running.built.instances.all()[0]
    live = Live(running.built.journal, running.built.instances, most_buffered=1000)
    slow, quick = live.open(instance, None), live.open(instance, None)
    got: list[bytes] = []

    async def read(one: Stream) -> None:
        async for chunk in one.chunks():
            got.append(chunk)

    reading = asyncio.create_task(read(quick))
    for number in range(1, 20):
        for one in (slow, quick):
            one.put(number, b"x" * 100)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    async with asyncio.timeout(30):
        assert [chunk async for chunk in slow.chunks()] == [b"retry: 3000\n\n"]
    live.close()
    await reading
    assert len(got) == 20


async def test_a_heartbeat_comes_while_nothing_happens(running: Running) -> None:
    await running.create()
    instance = running.built.instances.all()[0]
    live = Live(running.built.journal, running.built.instances, heartbeat_seconds=0.05)
    opened = live.open(instance, None)
    chunks = opened.chunks()
    assert [await anext(chunks) for _ in range(3)] == [b"retry: 3000\n\n", b":\n\n", b":\n\n"]
    await chunks.aclose()
    live.leave(opened)


async def test_it_goes_through_a_proxy_that_buffers_by_lines(tenant: Tenant) -> None:
    """A proxy that reads pieces and hands them on, as nginx does with buffering off."""

    async def serve(near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        far, to_server = await asyncio.open_connection("127.0.0.1", tenant.running.port)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while piece := await source.read(4096):
                    target.write(piece)
                    await target.drain()
            target.close()

        await asyncio.gather(pump(near, to_server), pump(far, out))

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with stream(tenant, port=port) as client:
        assert b"x-accel-buffering: no" in client.head
        await tenant.simulate(CONTACT)
        assert (await client.event())[1] == "contactChanged"
    proxy.close()


async def test_streams_obey_the_operators_switch(running: Running) -> None:
    tenant = await running.create()
    instances = running.built.instances
    async with stream(tenant) as client:
        await instances.change(instances.all()[0].id, status_methods=False)
        with pytest.raises(EOFError):
            await client.block()
    assert (await tenant.get("events")).code == 403


def test_events_are_one_line_each() -> None:
    assert b"\n" not in msgspec.json.encode("a\nb\r\u2028")
