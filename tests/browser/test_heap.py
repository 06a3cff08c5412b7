"""A page that stays open all day: what it has in memory does not grow with what happens."""

import itertools
import os
import time

import pytest
from playwright.async_api import CDPSession

from tests.browser.furnished import post
from tests.browser.visitor import Visitor
from tests.integration.api.running import Tenant
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
PEOPLE = [f"7900{number:07}@c.us" for number in range(200)]
MOODS = ("💚", "🔥")
HEAP_SLACK = 400_000


async def _begin(visitor: Visitor, tenant: Tenant) -> tuple[str, CDPSession]:
    """Open the page of a status that two hundred people viewed."""
    await tenant.simulate(
        *({"event": "contact", "id": one, "contactName": f"Guest {one}"} for one in PEOPLE)
    )
    status_id = await post(tenant, message="Busy")
    await _react(tenant, status_id, MOODS[-1])
    page = visitor.page
    await page.clock.install()
    await visitor.sign_in(tenant)
    await visitor.visit(f"{tenant.id}/status/{status_id}")
    await page.locator("html[data-live=open]").wait_for()
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    return status_id, session


async def _react(tenant: Tenant, status_id: str, mood: str) -> None:
    """Two hundred events: everybody changes their reaction."""
    common = {"event": "reaction", "idMessage": status_id, "reaction": mood}
    await tenant.simulate(*(common | {"participant": one} for one in PEOPLE))


async def _round(visitor: Visitor, tenant: Tenant, status_id: str, mood: str) -> None:
    """Two hundred events, and the page as it is after them."""
    await _react(tenant, status_id, mood)

    async def shown() -> bool:
        await visitor.page.clock.run_for(2_000)
        found = await visitor.page.locator(".long .emoji").all_text_contents()
        return len(found) == 24 and set(found) == {mood}

    await eventually(shown, "the page shows the newest reactions", 60)


async def _held(session: CDPSession) -> dict[str, int]:
    """What the page holds after everything that can go has gone."""
    for _ in range(2):
        await session.send("HeapProfiler.collectGarbage")
    found = await session.send("Performance.getMetrics")
    names = ("Nodes", "JSEventListeners", "JSHeapUsedSize")
    return {one["name"]: int(one["value"]) for one in found["metrics"] if one["name"] in names}


async def test_two_thousand_events_leave_nothing_behind(
    visitor: Visitor, tenant: Tenant
) -> None:
    status_id, session = await _begin(visitor, tenant)
    moods = itertools.cycle(MOODS)
    for _ in range(4):
        await _round(visitor, tenant, status_id, next(moods))
    before = await _held(session)
    for _ in range(10):
        await _round(visitor, tenant, status_id, next(moods))
    _is_flat(before, await _held(session))


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 600)
async def test_two_hundred_events_a_second_leave_nothing_behind(
    visitor: Visitor, tenant: Tenant
) -> None:
    status_id, session = await _begin(visitor, tenant)
    moods = itertools.cycle(MOODS)
    for _ in range(20):
        await _round(visitor, tenant, status_id, next(moods))
    before, begun, rounds = await _held(session), time.monotonic(), 0
    while time.monotonic() < begun + SECONDS:
        await _round(visitor, tenant, status_id, next(moods))
        rounds += 1
    print(f"{rounds * len(PEOPLE) / SECONDS:.0f} events a second")
    _is_flat(before, await _held(session))


def _is_flat(before: dict[str, int], after: dict[str, int]) -> None:
    print(before, after)
    assert after["Nodes"] <= before["Nodes"] * 1.05 + 100
    assert after["JSEventListeners"] <= before["JSEventListeners"] * 1.05 + 10
    assert after["JSHeapUsedSize"] <= before["JSHeapUsedSize"] + HEAP_SLACK
