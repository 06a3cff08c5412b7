"""Long trials of the real engine: silence, floods, and what kills cost (``make soak``)."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from statusgate.domain.address import Address
from statusgate.domain.events import (
    EngineDied,
    EngineState,
    StateChanged,
    StatusReceipt,
    StatusReceived,
)
from tests.contract.test_engine_neonize_support import (
    FAST,
    Account,
    account,
    by_phone,
    crowd,
    strangers,
    text,
    whole,
)
from tests.waiting import eventually
from tests.whatsapp.client import FakeWhatsApp

KILLS = int(os.environ.get("STATUSGATE_SOAK_KILLS", "50"))

pytestmark = [
    pytest.mark.soak,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120 + 10 * KILLS),
]


@pytest_asyncio.fixture(loop_scope="module")
async def mine(fake: FakeWhatsApp, tmp_path: Path) -> AsyncIterator[Account]:
    undying = msgspec.structs.replace(FAST, deaths=1_000_000)
    async with account(fake, tmp_path, strangers(1)[0], timing=undying) as made:
        yield made


async def test_silence_on_an_open_connection_is_noticed(
    fake: FakeWhatsApp, mine: Account
) -> None:
    """The library asks every 20 to 30 s whether the other side is there, and waits 10 s."""
    mine.heard.clear()
    fake.fault("stall_keepalive", mine.device)
    await mine.expect_state(EngineState.FAILING, 60)
    fake.clear_faults()
    await mine.expect_state(EngineState.OPEN, 60)
    fake.violations(take=True)  # two connections: the silent one was not closed


async def test_ten_thousand_receipts_arrive(fake: FakeWhatsApp, mine: Account) -> None:
    viewers = crowd(fake, 10_000)
    sent = await mine.engine.post_status(text("popular"), [])
    mine.heard.clear()
    before = await eventually(lambda: mine.engine.vitals.resident_bytes, "the first beat")
    for start in range(0, len(viewers), 1000):
        await asyncio.to_thread(
            fake.receipts, mine.device, sent.wire_id, viewers[start : start + 1000], "read"
        )
    await eventually(lambda: len(mine.all_of(StatusReceipt)) >= len(viewers), seconds=120)
    assert {one.viewer for one in mine.all_of(StatusReceipt)} == set(map(whole, viewers))
    assert mine.engine.vitals.resident_bytes - before < 100 * 1024 * 1024
    fake.violations(take=True)


async def test_kills_lose_nothing_behind_the_spool(
    fake: FakeWhatsApp, mine: Account, tmp_path: Path
) -> None:
    """Statuses that WhatsApp has handed over either arrive, or were never in the spool."""
    chance = random.Random(3)
    ids: list[str] = []
    async with account(fake, tmp_path, strangers(1)[0]) as author:
        for _ in range(KILLS):
            mine.heard = [e for e in mine.heard if not isinstance(e, EngineDied | StateChanged)]
            burst = [
                author.engine.post_status(text("burst"), [by_phone(mine.person)])
                for _ in range(5)
            ]
            posting = asyncio.gather(*burst)
            await asyncio.sleep(chance.uniform(0, 0.15))
            pid = mine.engine.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            ids += [sent.wire_id for sent in await posting]
            await mine.expect(EngineDied)
            await mine.expect_state(EngineState.OPEN, 60)

        def handed_over() -> bool:
            device = fake.device(mine.device)
            return device is not None and device["waiting"] == 0

        await eventually(handed_over, seconds=30)
    await asyncio.sleep(1)
    got = [status.wire_id for status in mine.all_of(StatusReceived)]
    assert len(got) == len(set(got))
    assert set(got) <= set(ids)
    assert mine.numbers == list(range(1, mine.numbers[-1] + 1))
    lost = len(ids) - len(got)
    print(f"\n{KILLS} kills, {len(ids)} statuses: {lost} lost before the spool, 0 behind it")
    assert lost <= KILLS
    fake.violations(take=True)


async def test_a_post_to_twenty_five_thousand_people_arrives_and_is_reported(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    me, friend = strangers(2)
    nobody = [Address(phone=f"7999{number:07d}") for number in range(25_000)]
    patient = msgspec.structs.replace(FAST, send=300.0)
    async with (
        account(fake, tmp_path, me, timing=patient) as mine,
        account(fake, tmp_path, friend, knows=[me]) as theirs,
    ):
        sent = await mine.engine.post_status(text("a crowd"), [*nobody, by_phone(friend)])
        assert len(sent.recipients) == len(nobody) + 1
        assert sent.skipped == ()
        assert (await theirs.expect(StatusReceived, 60.0)).wire_id == sent.wire_id
