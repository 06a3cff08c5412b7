"""The life of a post in the log: what became of it, without tokens or contents."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.integration.api.running import Tenant, running_gateway
from tests.waiting import eventually

TEXT = "a text that nobody else shall read"
STRANGER = "79990000001@c.us"


@pytest.fixture
async def tenant(tmp_path: Path) -> AsyncIterator[Tenant]:
    async with running_gateway(tmp_path, outbound_allow="127.0.0.0/8") as gateway:
        made = await gateway.create()
        await made.post("setSettings", {"delaySendMessagesMilliseconds": 500})
        yield made


async def post(tenant: Tenant, method: str = "sendTextStatus", **body: object) -> str:
    reply = await tenant.post(method, body)
    assert reply.code == 200, reply.body
    status_id = str(reply.json()["idMessage"])

    async def has_ended() -> bool:
        item = (await tenant.get("getStatus", f"idMessage={status_id}")).json()
        return bool(item["statusMessage"] != "pending")

    await eventually(has_ended)
    return status_id


async def test_the_life_of_a_post_is_in_the_log(tenant: Tenant) -> None:
    with capture_logs() as lines:
        sent = await post(tenant, message=TEXT)
        failed = await post(tenant, message=TEXT, participants=[STRANGER])
        file = {"urlFile": "http://127.0.0.1:1024/secret?key=abc", "fileName": "a.png"}
        unfetched = await post(tenant, "sendMediaStatus", **file)
        await tenant.post("deleteStatus", {"idMessage": sent})
    life = {
        status_id: [one["event"] for one in lines if one.get("status") == status_id]
        for status_id in (sent, failed, unfetched)
    }
    assert life == {
        sent: ["status.accepted", "status.sent", "status.deleted"],
        failed: ["status.accepted", "status.failed"],
        unfetched: ["status.accepted", "status.not_fetched", "status.failed"],
    }
    reasons = [one["reason"] for one in lines if one["event"] == "status.failed"]
    assert reasons == ["noRecipients", "fetchFailed"]
    assert {one["instance"] for one in lines if "status" in one} == {tenant.id}
    written = repr(lines)
    for secret in (TEXT, tenant.token, "secret", "key=abc", STRANGER.partition("@")[0]):
        assert secret not in written
