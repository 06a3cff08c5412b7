"""Notifications over HTTP: what is told, and the queue (contract 6)."""

import asyncio
import json
import time
from typing import Any

import msgspec
import pytest

from tests import notified
from tests.integration.api.running import Running, Tenant, running_gateway
from tests.waiting import stays

ANNA = "79001234567@c.us"
ALL = {"stateWebhook": "yes", "statusWebhook": "yes", "statusReceiptWebhook": "yes"}
CONTACT = {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna K"}
TEXT = {"event": "incomingStatus", "from": ANNA, "type": "text", "text": "Hello"}


async def delete(tenant: Tenant, receipt: object) -> Any:
    target = f"{tenant.path('deleteNotification')}/{receipt}"
    return (await tenant.running.request("DELETE", target)).json()


async def receive(tenant: Tenant) -> Any:
    reply = await tenant.running.request("HEAD", tenant.path("receiveNotification"))
    assert reply.code == 200
    return (await tenant.get("receiveNotification")).json()


async def drain(tenant: Tenant, count: int) -> list[notified.Told]:
    """Take *count* notifications, strictly decoded."""
    found = []
    for _ in range(count):
        reply = await tenant.get("receiveNotification")
        entry = msgspec.json.decode(reply.body, type=dict[str, msgspec.Raw])
        assert set(entry) == {"receiptId", "body"}
        found.append(notified.strictly(bytes(entry["body"])))
        assert (await delete(tenant, int(bytes(entry["receiptId"]))))["result"] is True
    assert (await tenant.get("getWebhooksCount")).json() == {"count": 0}
    return found


async def test_every_shape_satisfies_a_strict_consumer(on_each: Tenant) -> None:
    tenant = on_each
    await tenant.post("setSettings", ALL)
    await tenant.simulate(CONTACT)
    await tenant.simulate(
        TEXT | {"idMessage": "A1", "backgroundColor": "#228B22", "font": "SERIF"},
        {"event": "phoneStatus", "type": "text", "text": "Mine", "idMessage": "B1"},
        {"event": "receipt", "idMessage": "B1", "participant": ANNA, "status": "delivered"},
        {"event": "receipt", "idMessage": "B1", "participant": ANNA, "status": "read"},
        {"event": "receipt", "idMessage": "B1", "participant": ANNA, "status": "read"},
        {"event": "state", "state": "suspended"},
        {"event": "state", "state": "authorized"},
    )
    told = await drain(tenant, 6)
    kinds = [type(one) for one in told]
    assert kinds[0] is notified.Incoming
    assert kinds[1] is notified.Outgoing
    assert kinds[-2:] == [notified.State, notified.State]
    receipts = [one for one in told if isinstance(one, notified.Outcome)]
    assert [(one.chatId, one.status, one.sendByApi) for one in receipts] == [
        (ANNA, "delivered", False),
        (ANNA, "read", False),
    ]
    first = told[0]
    assert isinstance(first, notified.Incoming)
    assert first.senderData.senderContactName == "Anna K"
    assert isinstance(first.messageData, notified.TextMessage)
    assert first.messageData.extendedTextMessageData.backgroundColor == "#228B22"


async def test_a_media_status_is_announced_once_its_file_is_stored(tenant: Tenant) -> None:
    await tenant.post("setSettings", ALL)
    await tenant.simulate(CONTACT)
    for kind in ("image", "video", "audio"):
        await tenant.simulate(TEXT | {"type": kind, "idMessage": kind, "text": ""})
        (told,) = await drain(tenant, 1)
        assert isinstance(told, notified.Incoming)
        assert isinstance(
            told.messageData,
            notified.ImageMessage | notified.VideoMessage | notified.AudioMessage,
        )
        file = told.messageData.fileMessageData
        assert file.downloadUrl.endswith(f"/media/{tenant.id}/{file.fileName}")
        assert file.fileName


async def test_a_publication_is_announced_with_its_outcome(tenant: Tenant) -> None:
    await tenant.post("setSettings", ALL)
    text = (await tenant.post("sendTextStatus", {"message": "Good morning"})).json()
    file = {"urlFile": "http://127.0.0.1/no.png", "fileName": "no.png"}
    lost_id = (await tenant.post("sendMediaStatus", file)).json()["idMessage"]
    told = {one.idMessage: one for one in await drain(tenant, 3) if hasattr(one, "idMessage")}
    sent, lost = told[text["idMessage"]], told[lost_id]
    assert isinstance(sent, notified.Outcome)
    assert sent.status == "sent"
    assert isinstance(lost, notified.Outcome)
    assert (lost.status, lost.description) == ("failed", "File could not be fetched")


async def test_the_whole_post_is_announced_before_its_outcome(tenant: Tenant) -> None:
    await tenant.post("setSettings", ALL)
    await tenant.post("sendTextStatus", {"message": "Good morning"})
    whole, sent = await drain(tenant, 2)
    assert isinstance(whole, notified.OutgoingApi)
    assert whole.senderData.sender == (await tenant.get("getSettings")).json()["wid"]
    assert isinstance(sent, notified.Outcome)
    assert (sent.idMessage, sent.status) == (whole.idMessage, "sent")


async def test_receipts_that_came_before_their_status_are_announced_with_it(
    tenant: Tenant,
) -> None:
    await tenant.post("setSettings", ALL)
    await tenant.simulate(
        {"event": "receipt", "idMessage": "B1", "participant": ANNA, "status": "read"}
    )
    await tenant.simulate(
        {"event": "phoneStatus", "type": "text", "text": "Mine", "idMessage": "B1"}
    )
    told = await drain(tenant, 2)
    assert [type(one) for one in told] == [notified.Outgoing, notified.Outcome]


def receipt(status: str) -> dict[str, str]:
    """Anna's receipt of the status ``B1``."""
    return {"event": "receipt", "idMessage": "B1", "participant": ANNA, "status": status}


def mine(kind: str) -> dict[str, str]:
    """The status ``B1``, posted on the phone."""
    text = {"text": "Mine"} if kind == "text" else {}
    return {"event": "phoneStatus", "type": kind, "idMessage": "B1"} | text


@pytest.mark.parametrize("kind", ["text", "image"])
@pytest.mark.parametrize(
    "batches",
    [
        [["status", "delivered", "read"]],
        [["status", "read", "delivered"]],
        [["status"], ["delivered", "read"]],
        [["status", "delivered"], ["read"]],
        [["delivered"], ["status", "read"]],
        [["delivered", "read"], ["status"]],
        [["status", "delivered", "delivered"], ["delivered", "read", "read"]],
    ],
)
async def test_a_status_its_delivery_and_its_view_are_announced_once_each_in_this_order(
    tenant: Tenant, kind: str, batches: list[list[str]]
) -> None:
    await tenant.post("setSettings", ALL)
    await tenant.simulate(CONTACT)
    for batch in batches:
        steps = (mine(kind) if name == "status" else receipt(name) for name in batch)
        await tenant.simulate(*steps)
    told = await drain(tenant, 3)
    assert isinstance(told[0], notified.Outgoing)
    assert [one.status for one in told[1:] if isinstance(one, notified.Outcome)] == [
        "delivered",
        "read",
    ]


async def test_a_delivery_told_after_the_view_is_no_news(tenant: Tenant) -> None:
    await tenant.post("setSettings", ALL)
    await tenant.simulate(mine("text"), receipt("read"))
    await tenant.simulate(receipt("delivered"))
    told = await drain(tenant, 2)
    assert [one.status for one in told if isinstance(one, notified.Outcome)] == ["read"]


async def test_nothing_is_announced_unless_the_settings_ask_for_it(tenant: Tenant) -> None:
    await tenant.simulate(CONTACT, TEXT, {"event": "state", "state": "suspended"})
    await tenant.post("setSettings", {"statusWebhook": "yes"})
    await tenant.simulate(TEXT | {"from": "79009999999@c.us"})  # no contact
    await tenant.post("setSettings", {"outgoingWebhook": "no", "statusReceiptWebhook": "yes"})
    await tenant.simulate({"event": "phoneStatus", "type": "text", "text": "x"})
    assert (await tenant.get("getWebhooksCount")).json() == {"count": 0}


async def test_a_head_stays_until_it_is_deleted(on_each: Tenant) -> None:
    tenant = on_each
    await tenant.post("setSettings", ALL)
    await tenant.simulate(CONTACT, TEXT, TEXT)
    first, again = await asyncio.gather(receive(tenant), receive(tenant))
    assert first == again
    assert (await tenant.get("getWebhooksCount")).json() == {"count": 2}
    receipt = first["receiptId"]
    assert await delete(tenant, receipt) == {"result": True, "reason": ""}
    assert await delete(tenant, receipt) == {"result": False, "reason": "receiptId not found"}
    following = await receive(tenant)
    assert following["receiptId"] > receipt
    cleared = await tenant.running.request("DELETE", tenant.path("clearWebhooksQueue"))
    assert cleared.json() == {"isCleared": True, "reason": ""}
    assert (await tenant.get("getWebhooksCount")).json() == {"count": 0}


@pytest.mark.parametrize("body", [b"%d", b'{"receiptId":%d}', b'{"receiptId":"%d"}'])
async def test_the_receipt_may_come_in_the_body(tenant: Tenant, body: bytes) -> None:
    await tenant.post("setSettings", ALL)
    await tenant.simulate(CONTACT, TEXT)
    receipt = (await receive(tenant))["receiptId"]
    target = f"/waInstance{tenant.id}/deleteNotification"
    headers = {"Authorization": f"Bearer {tenant.token}"}
    reply = await tenant.running.request("DELETE", target, body % receipt, headers)
    assert reply.json() == {"result": True, "reason": ""}


async def test_a_receipt_must_be_a_number(tenant: Tenant) -> None:
    target = tenant.path("deleteNotification")
    for path, body, fault in (
        (target + "/x", None, "must be a number"),
        (target, None, "is required"),
        (target, b'{"receiptId":"x"}', "must be a number"),
    ):
        reply = await tenant.running.request("DELETE", path, body)
        assert (reply.code, reply.message) == (
            400,
            f"Validation failed. Details: 'receiptId' {fault}",
        )
    reply = await tenant.running.request("DELETE", target + "/1/2")
    assert reply.code == 404
    reply = await tenant.running.request("GET", tenant.path("getSettings") + "/7")
    assert reply.code == 404


async def test_a_poll_waits_and_wakes_at_once(tenant: Tenant) -> None:
    await tenant.post("setSettings", ALL)
    await tenant.simulate(CONTACT)
    waiting = asyncio.create_task(tenant.get("receiveNotification", "receiveTimeout=30"))
    await stays(lambda: not waiting.done())
    await tenant.simulate(TEXT)
    async with asyncio.timeout(15):  # half of what it asked for
        told = (await waiting).json()
    assert told["body"]["typeWebhook"] == "incomingMessageReceived"


async def test_nothing_until_the_timeout_is_null(tenant: Tenant) -> None:
    began = time.perf_counter()
    reply = await tenant.get("receiveNotification", "receiveTimeout=1")
    assert (reply.code, reply.body, reply.headers["content-length"]) == (200, b"null", "4")
    assert time.perf_counter() - began > 4.5  # the least is 5
    assert (await tenant.get("receiveNotification", "receiveTimeout=x")).message == (
        "Validation failed. Details: 'receiveTimeout' must be a number"
    )


async def test_with_a_webhook_nothing_can_be_received(tenant: Tenant) -> None:
    waiting = asyncio.create_task(tenant.get("receiveNotification", "receiveTimeout=30"))
    await stays(lambda: not waiting.done())
    await tenant.post("setSettings", {"webhookUrl": "http://127.0.0.1:9999/"})
    for reply in (await waiting, await tenant.get("receiveNotification")):
        assert (reply.code, reply.message) == (
            400,
            "Message cannot be received because custom webhook url is set. "
            "Clear webhookUrl with setSettings",
        )


async def test_a_thousand_polls_wait_cheaply_and_end_with_null(running: Running) -> None:
    tenant = await running.create()
    notifications = running.built.services.notifications
    instance = running.built.instances.all()[0]
    waiting = [asyncio.create_task(notifications.receive(instance, 60)) for _ in range(1000)]
    await stays(lambda: not any(one.done() for one in waiting))
    assert (await tenant.get("getWebhooksCount")).json() == {"count": 0}
    notifications.close()
    async with asyncio.timeout(30):  # half of what they asked for
        assert set(await asyncio.gather(*waiting)) == {None}


async def test_the_hosted_profile_clears_once_a_minute(tmp_path: Any) -> None:
    async with running_gateway(tmp_path, rate_profile="green-api") as running:
        tenant = await running.create()
        target = tenant.path("clearWebhooksQueue")
        assert (await running.request("DELETE", target)).json()["isCleared"] is True
        refused = (await running.request("DELETE", target)).json()
        assert 0 < refused.pop("leftTime") <= 60
        assert refused == {"isCleared": False, "reason": "Too many requests"}


def test_the_strict_consumer_is_strict() -> None:
    body = json.dumps({"typeWebhook": "stateInstanceChanged", "timestamp": 1, "x": 1,
                       "instanceData": {"idInstance": 1, "wid": "", "typeInstance": "whatsapp"},
                       "stateInstance": "authorized"}).encode()  # fmt: skip
    with pytest.raises(msgspec.ValidationError):
        notified.strictly(body)
