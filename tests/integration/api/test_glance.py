"""Accounts at a glance over HTTP (contract 12.16)."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.running import (
    ADMIN,
    OPERATOR,
    Running,
    Tenant,
    running_gateway,
)
from tests.waiting import eventually

ANNA = "79001234567@c.us"
NEW = {
    "engine": "simulated", "stateInstance": "authorized", "statusInstance": "online",
    "lastPostedAt": None, "lastReceivedAt": None, "failed24h": 0,
    "queue": {"waiting": 0, "scheduled": 0, "nextAt": None},
    "notifications": {"waiting": 0, "oldestAt": None},
    "webhook": {"set": False, "failingSince": None, "lastStatus": None, "lastError": None,
                "nextAttemptAt": None},
}  # fmt: skip


async def glance(tenant: Tenant) -> dict[str, Any]:
    reply = await tenant.get("getInstanceStatus")
    assert reply.code == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


async def everybody(running: Running) -> list[dict[str, Any]]:
    reply = await running.request("GET", f"/partner/getInstancesStatus/{ADMIN}")
    assert reply.code == 200, reply.body
    found: list[dict[str, Any]] = reply.json()
    return found


def now(tenant: Tenant) -> int:
    return tenant.running.built.clock.now_ms() // 1000


async def test_a_new_account_has_nothing_to_say(on_each: Tenant) -> None:
    shop = await on_each.running.create(name="shop")
    first, second = await everybody(on_each.running)
    assert (first["idInstance"], second["idInstance"]) == (on_each.id, shop.id)
    assert second == await glance(shop)
    assert second["stateSince"] <= now(shop)
    shown = (await shop.get("getWaSettings")).json()
    assert second == NEW | {
        "idInstance": shop.id, "name": "shop", "phone": shown["phone"],
        "stateSince": second["stateSince"],
    }  # fmt: skip


async def test_an_account_at_a_glance_after_all_that_happens_to_one(on_each: Tenant) -> None:
    other = await on_each.running.create()
    posted = now(on_each) - 90
    await on_each.post("setSettings", {"statusWebhook": "yes"})
    await on_each.simulate(
        {"event": "contact", "id": ANNA, "contactName": "Anna"},
        {"event": "phoneStatus", "type": "text", "text": "x", "timestamp": posted},
        {"event": "phoneStatus", "type": "text", "text": "x", "timestamp": posted - 90},
        {"event": "incomingStatus", "from": ANNA, "type": "text", "text": "x",
         "timestamp": posted - 60},
        {"event": "state", "state": "notAuthorized"},
    )  # fmt: skip
    await on_each.state("notAuthorized")
    later = now(on_each) + 3600
    await on_each.post("sendTextStatus", {"message": "now"})
    await on_each.post("sendTextStatus", {"message": "later", "sendAt": later})
    await on_each.post("sendTextStatus", {"message": "last", "sendAt": later + 60})
    found = await glance(on_each)
    assert found["stateInstance"] == "notAuthorized"
    assert found["statusInstance"] == "offline"
    assert posted < found["stateSince"] <= now(on_each)
    assert found["lastPostedAt"] == posted
    assert found["lastReceivedAt"] == posted - 60
    assert found["queue"] == {"waiting": 1, "scheduled": 2, "nextAt": later}
    waiting = (await on_each.get("getWebhooksCount")).json()["count"]
    assert found["notifications"]["waiting"] == waiting > 0
    assert posted < found["notifications"]["oldestAt"] <= now(on_each)
    assert (await glance(other))["queue"] == NEW["queue"]
    assert await everybody(on_each.running) == [await glance(on_each), await glance(other)]


async def test_a_failure_counts_for_a_day(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = {"message": "x", "participants": ["71234567890@c.us"]}  # not on WhatsApp
    assert (await tenant.post("sendTextStatus", post)).code == 200

    async def failed(count: int) -> bool:
        return bool((await glance(tenant))["failed24h"] == count)

    await eventually(lambda: failed(1), "the failure")
    clock = tenant.running.built.clock
    tenant.running.set_clock(clock.now_ms() + 24 * 3600 * 1000 + 1000, monkeypatch)
    assert await failed(0)


async def test_a_webhook_that_fails_shows_until_it_is_set_anew(on_each: Tenant) -> None:
    await on_each.post(
        "setSettings", {"webhookUrl": "http://127.0.0.1:8099/hook", "stateWebhook": "yes"}
    )
    began = now(on_each)
    await on_each.simulate({"event": "state", "state": "suspended"})

    async def fails() -> bool:
        return (await glance(on_each))["webhook"]["failingSince"] is not None

    await eventually(fails, "the streak of failures")
    webhook = (await glance(on_each))["webhook"]
    assert began <= webhook.pop("failingSince") <= now(on_each)
    assert began < webhook.pop("nextAttemptAt") <= now(on_each) + 60
    assert webhook == {"set": True, "lastStatus": None, "lastError": "blocked"}
    await on_each.post("setSettings", {"webhookUrl": ""})
    webhook = (await glance(on_each))["webhook"]
    assert (webhook["set"], webhook["failingSince"], webhook["nextAttemptAt"]) == (
        False, None, None,
    )  # fmt: skip


async def metrics(running: Running) -> dict[str, float]:
    """The metrics of accounts, by name and labels."""
    reply = await running.request("GET", "/metrics", headers=OPERATOR)
    lines = [one for one in reply.body.decode().splitlines() if "statusgate_account" in one]
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


async def test_metrics_have_each_account(tenant: Tenant) -> None:
    posted = now(tenant) - 90
    await tenant.post("setSettings", {"stateWebhook": "yes"})
    await tenant.simulate(
        {"event": "phoneStatus", "type": "text", "text": "x", "timestamp": posted},
        {"event": "state", "state": "suspended"},
    )
    await tenant.state("suspended")
    found = await metrics(tenant.running)
    age = f'statusgate_account_oldest_notification_seconds{{account="{tenant.id}"}}'
    assert 0 <= found.pop(age) < 60
    states = {
        state: found.pop(f'statusgate_account_state{{account="{tenant.id}",state="{state}"}}')
        for state in ("notAuthorized", "authorized", "starting", "blocked", "suspended")
    }
    assert [state for state, on in states.items() if on] == ["suspended"]
    assert found == {
        f'statusgate_account_{name}{{account="{tenant.id}"}}': value
        for name, value in {
            "online": 0, "queue": 0, "failed_24h": 0, "last_posted_seconds": posted,
            "notifications_waiting": 1, "webhook_failing_seconds": 0,
        }.items()
    }  # fmt: skip


async def test_metrics_of_accounts_end_above_their_limit(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, metrics_accounts=1) as running:
        await running.create()
        assert await metrics(running)
    async with running_gateway(tmp_path, metrics_accounts=1) as running:
        await running.create()
        await running.create()
        assert await metrics(running) == {}


async def test_deleted_accounts_are_not_shown(running: Running) -> None:
    kept, gone = await running.create(), await running.create()
    await running.partner("deleteInstanceAccount", {"idInstance": gone.id})
    assert [one["idInstance"] for one in await everybody(running)] == [kept.id]
