"""Metrics tell what an operator must see."""

import asyncio
from pathlib import Path

from prometheus_client import generate_latest

from statusgate import telemetry
from statusgate.accounts.instances import NewInstance
from statusgate.domain.events import Sequenced, StatusUndecryptable
from statusgate.server import wiring
from statusgate.settings import Settings
from tests.factories import NOON_MS, person


def metric(name: str) -> float:
    """The value of a metric with its labels, 0 if there is none yet."""
    for line in generate_latest(telemetry.REGISTRY).decode().splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    return 0.0


async def test_instances_are_counted_by_state(tmp_path: Path) -> None:
    settings = Settings(database="sqlite:///:memory:", data=str(tmp_path))
    name = 'statusgate_instances{state="notAuthorized"}'
    before = metric(name)
    async with wiring.gateway(settings, "http://127.0.0.1") as built:
        made, _ = await built.instances.create(NewInstance(engine="simulated"))
        assert metric(name) == before + 1
        await built.instances.delete(made.id)
        assert metric(name) == before


async def test_a_status_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    """The gap is recorded once, however often it is told."""
    settings = Settings(database="sqlite:///:memory:", data=str(tmp_path))
    before = metric("statusgate_status_gaps_total")
    async with wiring.gateway(settings, "http://127.0.0.1") as built:
        made, _ = await built.instances.create(NewInstance(engine="simulated"))
        owning = asyncio.create_task(built.accounts.run())
        await built.accounts.first_link(made)
        gap = StatusUndecryptable(wire_id="X", author=person(1), at_ms=NOON_MS)
        cursor = await built.journal.read(lambda tx: tx.cursor(made.id))
        for _ in range(2):
            await built.accounts._record(made.id, [Sequenced(cursor + 1, (gap,))])
        owning.cancel()
        await asyncio.gather(owning, return_exceptions=True)
    assert metric("statusgate_status_gaps_total") == before + 1
