"""Clearing a long queue leaves the writes of other instances their turn."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.domain.outbox import Draft
from tests.integration.api.running import Running, running_gateway


@pytest.fixture
async def running(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path, database_url) as gateway:
        yield gateway


async def _post_many(running: Running, instance: Instance) -> None:
    await asyncio.gather(
        *(running.built.publishing.accept(instance, Draft(text="x")) for _ in range(300))
    )


async def _notify_many(running: Running, instance: Instance) -> None:
    now_ms = running.built.clock.now_ms()
    await running.built.journal.write(
        instance.id, lambda tx: tx.add_notifications(instance.id, [b"{}"] * 30_000, now_ms)
    )


CLEARINGS: dict[str, tuple[Callable[..., Awaitable[None]], str, str, str]] = {
    "statuses": (_post_many, "GET", "clearMessagesQueue", "getMessagesCount"),
    "notifications": (_notify_many, "DELETE", "clearWebhooksQueue", "getWebhooksCount"),
}


@pytest.mark.parametrize("what", CLEARINGS)
async def test_others_write_while_a_long_queue_is_cleared(running: Running, what: str) -> None:
    fill, verb, method, count = CLEARINGS[what]
    busy, other = await running.create(), await running.create()
    await busy.simulate({"event": "state", "state": "notAuthorized"})
    await busy.state("notAuthorized")
    await fill(running, running.built.instances.get(InstanceId(busy.id)))
    assert (await busy.get(count)).json()["count"] >= 300
    clearing = asyncio.create_task(running.request(verb, busy.path(method)))
    written = 0
    while not clearing.done():
        await other.running.built.instances.change(InstanceId(other.id), name=str(written))
        written += 1
    assert (await clearing).json()["isCleared"] is True
    assert written >= 5
    assert (await busy.get(count)).json() == {"count": 0}
