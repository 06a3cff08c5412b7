"""Waiting for an event or the end of a time."""

import asyncio

from statusgate.domain.waiting import happens_within
from tests.clocks import VirtualClock


async def test_an_event_that_is_set_already_is_not_waited_for() -> None:
    event = asyncio.Event()
    event.set()
    assert await happens_within(event, VirtualClock(), 60)


async def test_an_event_ends_the_wait() -> None:
    event, clock = asyncio.Event(), VirtualClock()
    waiting = asyncio.create_task(happens_within(event, clock, 60))
    await clock.advance(1)
    event.set()
    assert await waiting


async def test_the_clock_ends_the_wait() -> None:
    event, clock = asyncio.Event(), VirtualClock()
    waiting = asyncio.create_task(happens_within(event, clock, 60))
    await clock.advance(59)
    assert not waiting.done()
    await clock.advance(1)
    assert not await waiting
