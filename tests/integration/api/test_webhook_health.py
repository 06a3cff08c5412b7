"""Notifications in pages with their attempts, and tests of webhooks (contract 12.17, 12.18)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from statusgate.outbound.signing import parse_secret, sign
from tests.integration.api.running import Running, Tenant, running_gateway
from tests.integration.outbound.servers import Request, answer, receiver, reply
from tests.waiting import eventually

ANNA = "79001234567@c.us"
ALL = dict.fromkeys(
    ("stateWebhook", "statusWebhook", "statusReceiptWebhook", "statusReactionWebhook",
     "statusReplyWebhook", "statusDeletedWebhook"), "yes",
)  # fmt: skip
SECRET = "whsec_" + "c2VjcmV0" * 4


async def page(tenant: Tenant, query: str = "") -> dict[str, Any]:
    reply = await tenant.get("getNotifications", query)
    assert reply.code == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


async def pages(tenant: Tenant, query: str) -> list[list[int]]:
    """The receipt ids of all pages."""
    found, before = [], ""
    while True:
        told = await page(tenant, query + before)
        found.append([one["receiptId"] for one in told["items"]])
        if told["next"] is None:
            return found
        before = f"&before={told['next']}"


async def states(tenant: Tenant, count: int) -> None:
    """Make so many notifications."""
    for number in range(count):
        state = "authorized" if number % 2 else "suspended"
        await tenant.simulate({"event": "state", "state": state})
        await tenant.state(state)


async def take(tenant: Tenant) -> Any:
    """Receive and delete one notification; its body."""
    told = (await tenant.get("receiveNotification")).json()
    target = f"{tenant.path('deleteNotification')}/{told['receiptId']}"
    assert (await tenant.running.request("DELETE", target)).code == 200
    return told["body"]


async def test_pages_have_what_waits_in_order_and_what_ended_newest_first(
    on_each: Tenant,
) -> None:
    await on_each.post("setSettings", {"stateWebhook": "yes"})
    await states(on_each, 7)
    assert await pages(on_each, "limit=3") == [[1, 2, 3], [4, 5, 6], [7]]
    assert await pages(on_each, "ended=true") == [[]]
    for _ in range(2):
        await take(on_each)
    assert await pages(on_each, "limit=5") == [[3, 4, 5, 6, 7]]
    await on_each.running.request("DELETE", on_each.path("clearWebhooksQueue"))
    assert await pages(on_each, "ended=true&limit=2") == [[7, 6], [5, 4], [3, 2], [1]]
    told = await page(on_each, "ended=true&limit=6")
    assert told["waiting"] == 0
    assert [one["end"] for one in told["items"]] == ["cleared"] * 5 + ["delivered"]


async def test_each_kind_of_notification_is_known_without_its_body(tenant: Tenant) -> None:
    await tenant.post("setSettings", ALL)
    hostile = '"idMessage":"FORGED","typeWebhook":"forged"'
    await tenant.simulate(
        {"event": "contact", "id": ANNA, "name": hostile, "contactName": hostile},
        {"event": "incomingStatus", "from": ANNA, "type": "text", "text": hostile,
         "idMessage": "A1"},
        {"event": "phoneStatus", "type": "text", "text": hostile, "idMessage": "B1"},
        {"event": "receipt", "idMessage": "B1", "participant": ANNA, "status": "read"},
        {"event": "reaction", "idMessage": "B1", "participant": ANNA, "reaction": "💚"},
        {"event": "reply", "idMessage": "B1", "participant": ANNA, "text": hostile},
        {"event": "deleteStatus", "idMessage": "A1", "from": ANNA},
        {"event": "state", "state": "suspended"},
    )  # fmt: skip
    await tenant.state("suspended")
    items = (await page(tenant))["items"]
    assert len(items) >= 6
    for item in items:
        body = await take(tenant)
        assert item["typeWebhook"] == body["typeWebhook"]
        assert item["idMessage"] == body.get("idMessage")
        assert (item["end"], item["endedAt"], item["attempts"], item["last"]) == (
            None, None, 0, None,
        )  # fmt: skip
    assert None in {item["idMessage"] for item in items}


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=0", "'limit' must be greater than or equal to 1"),
        ("limit=201", "'limit' must be less than or equal to 200"),
        ("ended=perhaps", "'ended' must be one of [true, false]"),
        ("before=WzEsMl0", "'before' is not a cursor of this list"),
        ("ended=true&before=WzFd", "'before' is not a cursor of this list"),
    ],
)
async def test_a_page_of_notifications_names_what_is_wrong(
    tenant: Tenant, query: str, detail: str
) -> None:
    reply = await tenant.get("getNotifications", query)
    assert (reply.code, reply.message) == (400, f"Validation failed. Details: {detail}")


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway that may call receivers on this machine."""
    async with running_gateway(
        tmp_path, outbound_allow="127.0.0.0/8", signing_secrets={"1101000001": SECRET}
    ) as running:
        yield running


async def test_the_last_attempt_is_told_while_it_waits_and_when_it_ended(
    local: Running,
) -> None:
    tenant = await local.create()
    codes = iter((b"502 Bad Gateway", b"200 OK"))

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(next(codes).decode()))

    async with receiver(behave) as hook:
        await tenant.post("setSettings", {"webhookUrl": hook.url, "stateWebhook": "yes"})
        await tenant.simulate({"event": "state", "state": "suspended"})
        await eventually(lambda: _attempted(tenant, 1), "the first attempt")
        (item,) = (await page(tenant))["items"]
        assert item["end"] is None
        assert item["last"].pop("seconds") >= 0
        assert abs(item["last"].pop("at") - item["createdAt"]) < 60
        assert item["last"] == {"status": 502, "error": "failed"}
        shown = (await tenant.get("getInstanceStatus")).json()["webhook"]
        assert (shown["lastStatus"], shown["lastError"]) == (502, "failed")
        await tenant.post("setSettings", {"webhookUrl": hook.url})  # ends the pause
        await eventually(lambda: _ended(tenant, 1), "the delivery")
    (item,) = (await page(tenant, "ended=true"))["items"]
    assert (item["end"], item["attempts"]) == ("delivered", 2)
    assert (item["last"]["status"], item["last"]["error"]) == (200, None)


async def _attempted(tenant: Tenant, count: int) -> bool:
    return [one["attempts"] for one in (await page(tenant))["items"]] == [count]


async def _ended(tenant: Tenant, count: int) -> bool:
    return len((await page(tenant, "ended=true"))["items"]) == count


async def test_a_test_is_signed_and_leaves_the_queue_alone(local: Running) -> None:
    tenant = await local.create()
    told = answer("204 No Content", "X-Secret: of the receiver", body=b"")
    async with receiver(reply(told)) as hook:
        await tenant.post(
            "setSettings",
            {"webhookUrl": hook.url, "webhookUrlToken": "t0ken", "stateWebhook": "yes"},
        )
        sent = (await tenant.post("testWebhook", {})).json()
        assert 0 <= sent.pop("seconds") < 20
        assert sent == {"status": 204, "error": None}
        (request,) = hook.requests
    body = json.loads(request.body)
    assert (body["typeWebhook"], body["instanceData"]["idInstance"]) == ("test", tenant.id)
    headers = request.headers
    assert headers["authorization"] == "Bearer t0ken"
    assert headers["webhook-signature"] == sign(
        [parse_secret(SECRET)],
        headers["webhook-id"],
        int(headers["webhook-timestamp"]),
        request.body,
    )
    assert await page(tenant) == {"waiting": 0, "items": [], "next": None}
    assert (await page(tenant, "ended=true"))["items"] == []
    assert (await tenant.get("getInstanceStatus")).json()["webhook"]["lastStatus"] is None


@pytest.mark.parametrize(
    ("status", "error"),
    [("200 OK", None), ("302 Found", "redirected"), ("410 Gone", "gone"),
     ("404 Not Found", "rejected"), ("500 Oops", "failed")],
)  # fmt: skip
async def test_a_test_says_what_a_push_would_have_come_to(
    local: Running, status: str, error: str | None
) -> None:
    tenant = await local.create()
    async with receiver(reply(answer(status, body=b"the receiver's own"))) as hook:
        await tenant.post("setSettings", {"webhookUrl": hook.url})
        reply_ = await tenant.post("testWebhook", {})
    told = reply_.json()
    assert (told["status"], told["error"]) == (int(status[:3]), error)
    assert b"own" not in reply_.body


async def test_a_test_goes_through_the_guard(tenant: Tenant) -> None:
    async with receiver(reply(answer("200 OK"))) as hook:
        await tenant.post("setSettings", {"webhookUrl": hook.url})
        told = (await tenant.post("testWebhook", {})).json()
    assert (told["status"], told["error"]) == (None, "blocked")
    assert hook.connections == 0


async def test_tests_are_bounded_for_each_instance(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = await running.create(), await running.create()
    unset = await mine.post("testWebhook", {})
    assert (unset.code, unset.message) == (
        400, "Validation failed. Details: 'webhookUrl' is not set",
    )  # fmt: skip
    for tenant in (mine, other):
        await tenant.post("setSettings", {"webhookUrl": "http://127.0.0.1:8099/"})
        assert (await tenant.post("testWebhook", {})).code == 200
    again = await mine.post("testWebhook", {})
    assert (again.code, again.message) == (429, "Too Many Requests: one test in 5 seconds")
    assert 1 <= int(again.headers["retry-after"]) <= 5
    running.set_clock(running.built.clock.now_ms() + 5_000, monkeypatch)
    assert (await mine.post("testWebhook", {})).code == 200
