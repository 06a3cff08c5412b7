"""Journals, statistics, single messages and the sandbox over HTTP (contract 3, 7.5, 12.9)."""

import asyncio
from typing import Any

import msgspec
import pytest

from statusgate.wire.statuses import IncomingItem, OutgoingItem
from tests.integration.api.running import Tenant

ANNA = "79001234567@c.us"
CONTACT = {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna K"}
HELLO = {
    "event": "incomingStatus", "from": ANNA, "type": "text", "text": "Hello",
    "backgroundColor": "#228B22", "font": "SERIF", "idMessage": "A1",
}  # fmt: skip
PHOTO = {"event": "phoneStatus", "type": "image", "caption": "From my phone", "idMessage": "B1"}
READ = {
    "event": "receipt", "idMessage": "B1", "participant": ANNA, "status": "read",
    "timestamp": 1710134811,
}  # fmt: skip


async def items_with_files(tenant: Tenant, method: str) -> list[dict[str, Any]]:
    """The items once their files are stored."""
    async with asyncio.timeout(30):
        while True:
            items: list[dict[str, Any]] = (await tenant.get(method)).json()
            if all(item.get("downloadUrl") != "" for item in items):
                return items
            await asyncio.sleep(0.02)


async def test_the_contracts_example_of_simulate(on_each: Tenant) -> None:
    state = {"event": "state", "state": "authorized"}
    reply = await on_each.post("simulate", [state, CONTACT, HELLO, PHOTO, READ])
    assert reply.body == b'{"accepted":5}'
    (incoming,) = (await on_each.get("getIncomingStatuses")).json()
    timestamp = incoming.pop("timestamp")
    assert timestamp > 1_700_000_000
    assert incoming == {
        "type": "incoming", "idMessage": "A1", "typeMessage": "extendedTextMessage",
        "chatId": ANNA, "textMessage": "Hello", "senderId": ANNA, "senderName": "Anna",
        "extendedTextMessage": {"text": "Hello", "backgroundColor": "#228B22", "font": "SERIF"},
        "senderContactName": "Anna K",
    }  # fmt: skip
    (outgoing,) = await items_with_files(on_each, "getOutgoingStatuses")
    url = outgoing.pop("downloadUrl")
    assert url.startswith(f"https://status.example.org/media/{on_each.id}/")
    assert outgoing.pop("fileName") == url.rpartition("/")[2]
    assert outgoing.pop("jpegThumbnail").startswith("/9j/")
    outgoing.pop("timestamp")
    assert outgoing == {
        "type": "outgoing", "idMessage": "B1", "typeMessage": "imageMessage",
        "chatId": "7" + f"{on_each.id:010}"[-10:] + "@c.us", "caption": "From my phone",
        "mimeType": "image/jpeg", "participants": [], "statusMessage": "read",
        "sendByApi": False,
    }  # fmt: skip
    rows = (await on_each.get("getStatusStatistic", "idMessage=B1")).json()
    assert rows == [{"participant": ANNA, "timestamp": 1710134811, "status": "read"}]
    for unknown in ("A1", "B2"):
        assert (await on_each.get("getStatusStatistic", f"idMessage={unknown}")).body == b"[]"
    withdrawn = {"event": "deleteStatus", "idMessage": "A1", "from": ANNA}
    await on_each.simulate(withdrawn)
    assert (await on_each.get("getIncomingStatuses")).body == b"[]"


async def test_minutes_in_every_form(tenant: Tenant) -> None:
    old = {**HELLO, "idMessage": "OLD", "timestamp": 0}
    now = tenant.running.built.clock.now_ms() // 1000
    await tenant.simulate(CONTACT, {**old, "timestamp": now - 7200}, HELLO)

    async def ids(query: str = "", body: bytes | None = None) -> list[str]:
        reply = await tenant.get("getIncomingStatuses", query, body)
        return [item["idMessage"] for item in reply.json()]

    for query, body in (("minutes=60", None), ("minutes=60.0", None), ("", b'{"minutes": 60}'),
                        ("", b'{"minutes": "60"}'), ("", b"60"), ("minutes=60", b"junk"),
                        ("minutes=60", b'{"minutes": 9999}')):  # fmt: skip
        assert await ids(query, body) == ["A1"], (query, body)
    for query, body in (("", None), ("", b"{}"), ("minutes=", None), ("", b'{"minutes": null}'),
                        ("minutes=999999999", None), ("", b'{"minutes": ""}'),
                        ("other=1", b'{"x": 1}'), ("minutes=", b"180")):  # fmt: skip
        assert await ids(query, body) == ["A1", "OLD"], (query, body)
    n8n = f"/waInstance{tenant.id}/getIncomingStatuses?minutes=60/{tenant.token}"
    reply = await tenant.running.request("GET", n8n)
    assert [item["idMessage"] for item in reply.json()] == ["A1"]


@pytest.mark.parametrize(
    ("query", "body", "message"),
    [
        ("minutes=x", None, "Validation failed. Details: 'minutes' must be a number"),
        ("minutes=0", None,
         "Validation failed. Details: 'minutes' must be greater than or equal to 1"),
        ("minutes=1&minutes=2", None, "bad request data"),
        ("minutes=%ff", None, "bad request data"),
        ("", b"[60]", "bad request data"),
        ("", b"true", "bad request data"),
        ("", b'"60"', "bad request data"),
        ("", b"{", "Unexpected end of JSON input"),
        ("", b'{"minutes":1,}', "Unexpected token } in JSON at position 13"),
    ],
)  # fmt: skip
async def test_minutes_refused(
    tenant: Tenant, query: str, body: bytes | None, message: str
) -> None:
    for method in ("getIncomingStatuses", "getOutgoingStatuses"):
        reply = await tenant.get(method, query, body)
        assert (reply.code, reply.message) == (400, message)


async def test_single_messages(on_each: Tenant) -> None:
    await on_each.simulate(CONTACT, HELLO, PHOTO)
    (photo,) = await items_with_files(on_each, "getOutgoingStatuses")
    (hello,) = (await on_each.get("getIncomingStatuses")).json()
    own = photo["chatId"]
    found = [(ANNA, "A1", hello), (own, "B1", photo)]
    found += [("status@broadcast", "A1", hello), ("status@broadcast", "B1", photo)]
    for chat, status, item in found:
        question = {"chatId": chat, "idMessage": status}
        assert (await on_each.post("getMessage", question)).json() == item
    file = await on_each.post("downloadFile", {"chatId": own, "idMessage": "B1"})
    assert file.json() == {"downloadUrl": photo["downloadUrl"]}
    textual = await on_each.post("downloadFile", {"chatId": ANNA, "idMessage": "A1"})
    assert (textual.code, textual.message) == (400, "bad request data")
    for method in ("getMessage", "downloadFile"):
        for chat in (ANNA, own, "status@broadcast", "70000000009@c.us"):
            question = {"chatId": chat, "idMessage": "NONE"}
            reply = await on_each.post(method, question)
            assert (reply.code, reply.message) == (400, "ID message notfound")


async def test_items_have_exactly_the_fields_of_their_kind(tenant: Tenant) -> None:
    kinds = ("text", "image", "video", "audio")
    events = [
        event | {"type": kind, "idMessage": f"{event['idMessage']}{kind}", "text": "x"}
        for kind in kinds
        for event in (HELLO, PHOTO)
    ]
    await tenant.simulate(CONTACT, *events)
    common = {"type", "idMessage", "timestamp", "typeMessage", "chatId"}
    text = {"textMessage", "extendedTextMessage"}
    file = {"downloadUrl", "fileName", "mimeType"}
    content = {
        "extendedTextMessage": text, "audioMessage": file,
        "imageMessage": file | {"caption", "jpegThumbnail"},
        "videoMessage": file | {"caption", "jpegThumbnail"},
    }  # fmt: skip
    rest = {
        "getIncomingStatuses": {"senderId", "senderName", "senderContactName"},
        "getOutgoingStatuses": {"participants", "statusMessage", "sendByApi"},
    }
    items: list[dict[str, Any]] = []
    for method, more in rest.items():
        items = await items_with_files(tenant, method)
        assert {item["typeMessage"] for item in items} == set(content)
        for item in items:
            assert set(item) == common | content[item["typeMessage"]] | more
            msgspec.convert(item, IncomingItem | OutgoingItem)
    (row,) = [item for item in items if item["typeMessage"] == "extendedTextMessage"]
    assert set(row["extendedTextMessage"]) == {
        "text",
        "backgroundColor",
        "font",
        "participants",
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "bad request data"),
        (b"{}", "bad request data"),
        (b"[", "Unexpected end of JSON input"),
        (b"[1]", "Validation failed. Details: '[0]' must be an object"),
        (b'[{"event":"state","state":"authorized"},{"event":"receipt"}]',
         "Validation failed. Details: '[1].idMessage' is required"),
        (b'[{"event":"state","state":"authorized","state":"blocked"}]', "bad request data"),
    ],
)  # fmt: skip
async def test_faults_of_a_script_change_nothing(
    tenant: Tenant, body: bytes, message: str
) -> None:
    reply = await tenant.post("simulate", body)
    assert (reply.code, reply.message) == (400, message)
    assert len((await tenant.get("getStateInstanceHistory")).json()) == 1


async def test_only_sandboxes_can_be_played_with(tenant: Tenant) -> None:
    instances = tenant.running.built.instances
    instance = instances.all()[0]
    await instances.change(instance.id, engine="neonize")
    reply = await tenant.post("simulate", [CONTACT])
    assert (reply.code, reply.message) == (404, "Not Found")
    wrong = await tenant.running.request("POST", f"/waInstance{tenant.id}/simulate/x", b"[]")
    assert wrong.code == 401
