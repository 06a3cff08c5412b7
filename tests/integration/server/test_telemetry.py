"""Metrics tell what an operator must see."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from statusgate import telemetry
from statusgate.accounts.instances import NewInstance
from statusgate.domain.events import Sequenced, StatusUndecryptable
from statusgate.engines.simulated import SimulatedEngine
from statusgate.server import wiring
from statusgate.settings import Settings
from tests.factories import NOON_MS, person
from tests.waiting import eventually


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


async def test_a_status_that_cannot_be_read_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gap is recorded once, however often the engine reports it."""
    settings = Settings(database="sqlite:///:memory:", data=str(tmp_path))
    before = metric("statusgate_status_gaps_total")
    gap = StatusUndecryptable(wire_id="X", author=person(1), at_ms=NOON_MS)

    async def events(_engine: SimulatedEngine, after: int) -> AsyncIterator[Sequenced]:
        for seq in (after + 1, after + 1, after + 2):
            yield Sequenced(seq, (gap,))
        await asyncio.Event().wait()

    async def ack(_engine: SimulatedEngine, _seq: int) -> None:
        pass

    monkeypatch.setattr(SimulatedEngine, "events", events)
    monkeypatch.setattr(SimulatedEngine, "ack", ack)
    async with wiring.gateway(settings, "http://127.0.0.1") as built:
        made, _ = await built.instances.create(NewInstance(engine="simulated"))
        running = asyncio.create_task(built.accounts.run())

        async def are_recorded() -> bool:
            return await built.journal.read(lambda tx: tx.cursor(made.id)) == 2

        await eventually(are_recorded)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert metric("statusgate_status_gaps_total") == before + 1
