"""``exportStatuses``: files of any length, which nobody has to hold (contract 12.6)."""

import asyncio
import csv
import io
import json
import logging
import socket
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from statusgate.api.edge.connections import Guarded
from statusgate.domain.clock import SystemClock
from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress, Receipt
from statusgate.journal import Journal, Transaction
from tests.factories import new_status, person
from tests.integration.api.running import Reply, Tenant, running_gateway
from tests.waiting import eventually

ANNA, BOB = "79001234567@c.us", "79001234568@c.us"
MIB = 1 << 20
EVENTS: list[dict[str, Any]] = [
    {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "=Anna, K"},
    {"event": "incomingStatus", "from": ANNA, "type": "text", "text": 'a "b"\r\nc',
     "idMessage": "A1"},
    {"event": "incomingStatus", "from": BOB, "type": "text", "text": "no contact"},
    {"event": "phoneStatus", "type": "image", "caption": "Horse", "idMessage": "B1"},
    {"event": "receipt", "idMessage": "B1", "participant": ANNA, "status": "delivered"},
    {"event": "reaction", "idMessage": "B1", "participant": BOB, "reaction": "💚"},
    {"event": "reply", "idMessage": "B1", "participant": ANNA, "text": "@all", "replyId": "R1"},
]  # fmt: skip


def unchunked(reply: Reply) -> bytes:
    """The body of an answer that came in chunks, which must be whole."""
    assert reply.headers["transfer-encoding"] == "chunked"
    body, rest = b"", reply.body
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if not int(size, 16):
            assert rest == b"\r\n"
            return body
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]


async def export(tenant: Tenant, query: str) -> bytes:
    reply = await tenant.get("exportStatuses", query)
    assert reply.code == 200, reply.body
    return unchunked(reply)


async def table(tenant: Tenant, what: str) -> list[dict[str, str]]:
    raw = await export(tenant, f"what={what}")
    return list(csv.DictReader(io.StringIO(raw.decode(), newline="")))


async def test_each_kind_of_row_is_what_happened(on_each: Tenant) -> None:
    tenant = on_each
    await tenant.simulate(*EVENTS)
    incoming, outgoing = await table(tenant, "statuses")
    if incoming["type"] == "outgoing":  # of the same millisecond
        incoming, outgoing = outgoing, incoming
    assert incoming["textMessage"] == 'a "b"\r\nc'
    assert incoming["senderContactName"] == "'=Anna, K"
    assert (outgoing["idMessage"], outgoing["caption"]) == ("B1", "Horse")
    assert [outgoing[key] for key in ("recipients", "delivered", "read", "reactions")] == [
        "2", "2", "1", "1",
    ]  # fmt: skip
    assert [(row["participant"], row["status"]) for row in await table(tenant, "receipts")] == [
        (ANNA, "delivered"),
        (BOB, "read"),
    ]
    [reaction] = await table(tenant, "reactions")
    assert (reaction["participant"], reaction["reaction"]) == (BOB, "💚")
    [reply] = await table(tenant, "replies")
    assert (reply["replyId"], reply["typeMessage"], reply["textMessage"]) == (
        "R1", "textMessage", "'@all",
    )  # fmt: skip
    lines = (await export(tenant, "what=replies&format=jsonl")).splitlines()
    [same] = map(json.loads, lines)
    assert list(same) == list(reply)
    assert (same["textMessage"], same["contactName"]) == ("@all", "=Anna, K")
    [item] = (await tenant.get("getOutgoingStatuses")).json()
    assert item["timestamp"] == int(outgoing["timestamp"])


async def test_an_export_is_a_file_to_keep(tenant: Tenant) -> None:
    for verb in ("GET", "HEAD"):
        for query, kind, name in (
            ("", "text/csv; charset=utf-8; header=present", f"statuses-{tenant.id}.csv"),
            ("what=replies&format=jsonl", "application/x-ndjson", f"replies-{tenant.id}.jsonl"),
        ):
            target = f"{tenant.path('exportStatuses')}?{query}"
            reply = await tenant.running.request(verb, target)
            assert reply.code == 200
            assert reply.headers["content-type"] == kind
            assert reply.headers["content-disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("what=x", "'what' must be one of [reactions, receipts, replies, statuses]"),
        ("format=xlsx", "'format' must be one of [csv, jsonl]"),
        ("minutes=0", "'minutes' must be greater than or equal to 1"),
        ("from=yesterday", "'from' must be a number"),
        ("to=-1", "'to' must be greater than or equal to 0"),
        ("to=x&what=x", "'what' must be one of [reactions, receipts, replies, statuses]"),
    ],
)
async def test_a_fault_is_named(tenant: Tenant, query: str, fault: str) -> None:
    reply = await tenant.get("exportStatuses", query)
    assert (reply.code, reply.message) == (400, f"Validation failed. Details: {fault}")


async def test_any_number_is_a_time(tenant: Tenant) -> None:
    await tenant.simulate(*EVENTS)
    assert (await export(tenant, f"from={2**63 - 1}")).count(b"\r\n") == 1
    assert b"B1" in await export(tenant, f"from=0&to={2**63 - 1}")
    assert b"B1" in await export(tenant, "minutes=9000000000000")


# -- readers who are slow, gone, or not let in any more


@pytest.fixture
async def long(tenant: Tenant) -> Tenant:
    """A tenant whose export is far more than what fits on its way."""
    instance_id, now_ms = InstanceId(tenant.id), SystemClock().now_ms()

    def work(tx: Transaction) -> None:
        for number in range(2_000):
            new = new_status(number, author=None, posted_ms=now_ms, text="x" * 4_000)
            tx.record_status(instance_id, new)

    await tenant.running.built.journal.write(instance_id, work)
    return tenant


async def begun(tenant: Tenant, window: int = 4096) -> socket.socket:
    """Ask for everything, and read only the beginning."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", tenant.running.port))
    head = f"GET {tenant.path('exportStatuses')} HTTP/1.1\r\nHost: x\r\n\r\n"
    await loop.sock_sendall(connection, head.encode())
    async with asyncio.timeout(30):
        assert b"200 OK" in await loop.sock_recv(connection, 1000)
    return connection


async def rest_of(connection: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    raw = b""
    async with asyncio.timeout(60):
        while piece := await loop.sock_recv(connection, 1 << 16):
            raw += piece
    return raw


async def test_a_reader_who_stops_costs_little_and_is_given_up(
    long: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = long.running.connections
    monkeypatch.setattr(Guarded, "write_seconds", 0.5)
    with await begun(long):
        await eventually(lambda: everyone.unsent > 0, "it waits for its reader")
        assert everyone.unsent < MIB
        assert (await long.get("getStateInstance")).code == 200
        await eventually(lambda: not everyone.count, "it is given up")


async def test_so_many_exports_run_at_once_and_no_more(long: Tenant) -> None:
    two = [await begun(long) for _ in range(2)]
    third = await long.get("exportStatuses")
    assert third.code == 429
    assert third.message == "Too Many Requests: at most 2 open calls of exportStatuses"
    assert int(third.headers["retry-after"]) >= 1
    other = await long.running.create()
    assert (await other.get("exportStatuses")).code == 200
    for connection in two:
        connection.close()

    async def free() -> bool:
        return (await long.get("exportStatuses", "minutes=1&to=0")).code == 200

    await eventually(free, "who has gone is not counted")


async def test_a_token_that_is_renewed_ends_an_export(long: Tenant) -> None:
    with await begun(long) as connection:
        assert (await long.get("updateApiToken")).code == 200
        raw = await rest_of(connection)
    assert not raw.endswith(b"0\r\n\r\n")


async def test_an_export_that_cannot_go_on_is_cut_off(
    long: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL), await begun(long) as connection:
        await long.running.built.journal.close()
        raw = await rest_of(connection)
    assert not raw.endswith(b"0\r\n\r\n")


async def test_an_export_that_cannot_begin_is_refused(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scan(self: Journal, work: Any) -> Any:
        raise JournalUnavailable("gone")

    monkeypatch.setattr(Journal, "scan", scan)
    assert (await tenant.get("exportStatuses")).code == 503


async def test_the_length_of_an_export_costs_no_memory(tmp_path: Path) -> None:
    """The short form of ``tests/acceptance/test_export_memory.py``."""
    async with running_gateway(tmp_path, f"sqlite:///{tmp_path}/journal.db") as running:
        tenant = await running.create()
        await running.built.journal.write(
            InstanceId(tenant.id), lambda tx: fill(tx, InstanceId(tenant.id), 3, 4_000)
        )
        target = (
            f"GET {tenant.path('exportStatuses')}?what=receipts HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        size, end = 0, b""
        tracemalloc.start()
        try:
            writer.write(target.encode())
            async with asyncio.timeout(60):
                while not end.endswith(b"\r\n0\r\n\r\n"):
                    piece = await reader.read(1 << 16)
                    assert piece
                    size, end = size + len(piece), (end + piece)[-7:]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            writer.close()
    assert size > MIB
    assert peak < 4 * MIB


def fill(tx: Transaction, instance_id: InstanceId, statuses: int, viewers: int) -> None:
    """Statuses that everybody has viewed."""
    now_ms = SystemClock().now_ms()
    for number in range(statuses):
        made = new_status(number, author=None, posted_ms=now_ms)
        tx.record_status(instance_id, made)
        receipts = [
            Receipt(made.wire_id or "", person(viewer), Progress.READ, now_ms)
            for viewer in range(viewers)
        ]
        tx.record_receipts(instance_id, receipts, now_ms)
