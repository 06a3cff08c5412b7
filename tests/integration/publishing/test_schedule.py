"""Scheduled statuses join their queues when they are due, whatever others have scheduled."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from statusgate.changes.changes import Changes
from statusgate.domain.ids import InstanceId
from statusgate.domain.outbox import Draft
from tests.integration.api.running import Running, Tenant, running_gateway
from tests.waiting import eventually

HOUR_MS = 3_600_000


@pytest.fixture
async def running(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path, database_url) as gateway:
        yield gateway


async def schedule(tenant: Tenant, count: int, at_ms: int) -> list[str]:
    """Accept so many texts for one moment; returns their ids in the order of acceptance."""
    built = tenant.running.built
    instance = built.instances.get(InstanceId(tenant.id))
    accepted = []
    for number in range(count):
        draft = Draft(text=str(number), send_at_ms=at_ms)
        accepted.append(await built.publishing.accept(instance, draft))
        await asyncio.sleep(0.001)  # another millisecond
    return accepted


async def wait_until(running: Running, at_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the server's clock to *at_ms*, and have it look."""
    running.set_clock(at_ms, monkeypatch)
    await schedule(await running.create(), 1, at_ms + HOUR_MS)


async def test_a_long_schedule_of_one_instance_does_not_delay_anothers(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, other = await running.create(), await running.create()
    joined: list[int] = []

    def follow(instance_id: InstanceId, changes: Changes) -> None:
        if "queue" in changes.outbox and changes.statuses:
            joined.append(instance_id)

    running.built.publisher.follow(follow)
    due_ms = running.built.clock.now_ms() + HOUR_MS
    await schedule(busy, 300, due_ms)
    (alone,) = await schedule(other, 1, due_ms + 1)
    assert joined == []
    await wait_until(running, due_ms + 1, monkeypatch)
    await eventually(lambda: other.id in joined, seconds=30)
    assert joined.index(other.id) <= 60
    item = await other.get("getStatus", f"idMessage={alone}")
    assert item.json()["sendAt"] == (due_ms + 1) // 1000


async def test_statuses_scheduled_for_one_moment_join_in_the_order_of_acceptance(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await running.create()
    due_ms = running.built.clock.now_ms() + HOUR_MS
    accepted = await schedule(tenant, 30, due_ms)
    shown = (await tenant.get("showMessagesQueue")).json()
    assert [one["messageID"] for one in shown] == accepted
    await wait_until(running, due_ms, monkeypatch)

    async def all_joined() -> bool:
        return len((await tenant.get("getOutgoingStatuses")).json()) == 30

    await eventually(all_joined, seconds=30)
    queued = await running.built.journal.read(lambda tx: tx.outgoing(InstanceId(tenant.id)))
    assert [one.status_id for one in queued] == accepted[-len(queued) :]


async def test_what_a_deleted_instance_had_scheduled_delays_nobody(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, other = await running.create(), await running.create()
    due_ms = running.built.clock.now_ms() + HOUR_MS
    await schedule(gone, 120, due_ms)
    (status_id,) = await schedule(other, 1, due_ms + 1)
    await running.partner("deleteInstanceAccount", {"idInstance": gone.id})
    await wait_until(running, due_ms + 1, monkeypatch)

    async def is_sent() -> bool:
        item = (await other.get("getStatus", f"idMessage={status_id}")).json()
        return bool(item["statusMessage"] == "sent")

    await eventually(is_sent, seconds=30)
