"""Accounts that share a process do not feel what happens to one another."""

import asyncio
import os
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from statusgate.domain.events import (
    EngineDied,
    EngineState,
    LinkingEnded,
    Paired,
    StatusReceipt,
    StatusReceived,
)
from statusgate.engines.neonize.hosts import Hosts
from tests.contract import test_engine_neonize_support as real
from tests.contract.neighbours import traffic
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

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("lawful"),
]


@pytest.fixture(scope="module")
def hosts(fake: FakeWhatsApp) -> Iterator[Hosts]:
    """Here all accounts of a test share a process."""
    with real.living_in(real.new_hosts(fake, 16)) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def others(anna: Account, boris: Account, vera: Account) -> AsyncIterator[list[Account]]:
    """Three accounts that live in one process."""
    assert anna.engine.pid == boris.engine.pid == vera.engine.pid
    yield [anna, boris, vera]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def vera(
    fake: FakeWhatsApp, hosts: Hosts, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Account]:
    async with account(fake, tmp_path_factory.mktemp("vera"), strangers(1)[0]) as made:
        yield made


async def test_a_newly_linked_account_moves_in_with_others_and_is_not_linked_again(
    fake: FakeWhatsApp, others: list[Account], tmp_path: Path
) -> None:
    soon = msgspec.structs.replace(FAST, settle=0.5)
    neighbour = others[0].engine.pid
    async with account(fake, tmp_path, strangers(1)[0], linked=False, timing=soon) as mine:
        async with traffic(others, tmp_path) as among:
            await mine.pair()
            first = mine.engine.pid
            assert first != neighbour, "it is linked in a process of its own"
            await eventually(lambda: mine.engine.pid == neighbour, "the move")
            await eventually(lambda: len(fake.history(event="login", device=mine.device)) == 2)
            await eventually(lambda: mine.states()[-1:] == [EngineState.OPEN])
        assert among.disturbances == []
        assert len(mine.all_of(Paired)) == 1
        assert not mine.all_of(EngineDied)
        assert not mine.all_of(LinkingEnded)
        sent = await others[0].engine.post_status(text("welcome"), [by_phone(mine.person)])
        await mine.expect(StatusReceived, wire_id=sent.wire_id)


# -- what one account does


async def stop(mine: Account) -> None:
    await mine.stop()
    await mine.start()
    await mine.expect_state(EngineState.OPEN)


async def reboot(mine: Account) -> None:
    await mine.restart()
    await mine.expect_state(EngineState.OPEN)


async def log_out(mine: Account) -> None:
    await mine.engine.logout()
    await mine.expect_state(EngineState.LOGGED_OUT)


async def delete(mine: Account) -> None:
    await mine.stop()
    shutil.rmtree(mine.folder)


async def link_again(mine: Account) -> None:
    await log_out(mine)
    mine.heard.clear()
    await mine.pair()
    sent = await mine.engine.post_status(text("here again"), [])
    assert sent.wire_id


@pytest.mark.parametrize("work", [stop, reboot, log_out, delete, link_again])
async def test_what_one_account_does_is_not_felt_by_its_neighbours(
    fake: FakeWhatsApp,
    others: list[Account],
    mine: Account,
    tmp_path: Path,
    work: Callable[[Account], Awaitable[None]],
) -> None:
    assert mine.engine.pid == others[0].engine.pid
    logins = [fake.history(event="login", device=one.device) for one in others]
    async with traffic(others, tmp_path) as among:
        await eventually(lambda: among.downloads >= 2)
        await work(mine)
        before = len(among.posted)
        await eventually(lambda: len(among.posted) >= before + 3)
    assert among.disturbances == []
    assert among.refused | among.doubtful == set()
    assert among.twice == []
    assert [fake.history(event="login", device=one.device) for one in others] == logins


async def test_a_call_that_lasts_holds_up_neither_the_calls_nor_the_beginning_of_others(
    fake: FakeWhatsApp, others: list[Account], mine: Account
) -> None:
    slow, quick, _ = others
    fake.fault("ack_delay", slow.device, times=1, ms=4000)
    posting = asyncio.create_task(slow.engine.post_status(text("slow"), []))
    await eventually(lambda: [one for one in fake.posts() if one["device"] == slow.device])
    for _ in range(5):
        await quick.engine.post_status(text("quick"), [])
    restarting = asyncio.create_task(mine.restart())
    for _ in range(5):
        await quick.engine.post_status(text("quick"), [])
    assert not posting.done()
    await asyncio.gather(posting, restarting)
    await mine.expect_state(EngineState.OPEN)


async def test_a_flood_of_one_account_does_not_delay_the_events_of_another(
    fake: FakeWhatsApp, others: list[Account], mine: Account
) -> None:
    other = others[0]
    viewers = crowd(fake, 2000)
    flooded = await mine.engine.post_status(text("popular"), [])
    quiet = await other.engine.post_status(text("beside it"), [])
    for one in (mine, other):
        one.heard.clear()
    fake.receipts(mine.device, flooded.wire_id, viewers, "read")
    fake.receipts(other.device, quiet.wire_id, viewers[:1], "read")
    await other.expect(StatusReceipt)
    assert len(mine.all_of(StatusReceipt)) < len(viewers), "it came behind the flood"
    await eventually(lambda: len(mine.all_of(StatusReceipt)) >= len(viewers), seconds=60)


async def test_what_waits_in_a_full_channel_outlives_a_stop(
    fake: FakeWhatsApp, others: list[Account], mine: Account
) -> None:
    """WhatsApp counts as delivered what the library holds in memory for us."""
    viewers = crowd(fake, 2000)
    sent = await mine.engine.post_status(text("popular"), [])
    mine.heard.clear()
    fake.receipts(mine.device, sent.wire_id, viewers, "read")
    await eventually(lambda: mine.all_of(StatusReceipt))
    await mine.stop()
    got = {one.viewer for one in mine.all_of(StatusReceipt)}
    assert len(got) < len(viewers), "the flood was over before the stop"
    await mine.restart()
    await eventually(
        lambda: len(got | {one.viewer for one in mine.all_of(StatusReceipt)}) == len(viewers),
        "all receipts",
        60,
    )
    assert got | {one.viewer for one in mine.all_of(StatusReceipt)} == set(map(whole, viewers))


async def test_an_account_that_stops_amid_its_own_calls_ends_no_process(
    others: list[Account], mine: Account, hosts: Hosts
) -> None:
    deaths, pid = hosts.deaths, others[0].engine.pid
    for _ in range(4):
        calls: list[asyncio.Task[object]] = []
        calls += [asyncio.create_task(mine.engine.privacy()) for _ in range(20)]
        calls += [
            asyncio.create_task(mine.engine.post_status(text("amid"), [])) for _ in range(3)
        ]
        await asyncio.sleep(0.01)
        await mine.stop()
        await asyncio.gather(*calls, return_exceptions=True)
        await mine.restart()
        await mine.expect_state(EngineState.OPEN)
    assert hosts.deaths == deaths
    assert others[0].engine.pid == pid


async def test_a_beginning_that_hangs_in_its_database_hangs_alone(
    fake: FakeWhatsApp, others: list[Account], mine: Account, tmp_path: Path
) -> None:
    await mine.stop()
    held = mine.folder / "hold"  # the test worker waits for its end before it begins
    held.touch()
    async with traffic(others, tmp_path) as among:
        await mine.start()
        await eventually(lambda: (mine.folder / "held").exists())
        with closing(sqlite3.connect(mine.folder / "session.db")) as database:
            database.execute("BEGIN EXCLUSIVE")
            held.unlink()
            await asyncio.sleep(3.5)  # longer than a beginning may have the library alone
            before = len(among.posted)
            await eventually(lambda: len(among.posted) >= before + 10)
            database.rollback()
        await mine.expect_state(EngineState.OPEN, 60)
    assert among.disturbances == []


# -- what ends the process


async def test_a_killed_process_brings_all_its_accounts_back_and_loses_nothing_told(
    fake: FakeWhatsApp, others: list[Account], mine: Account, hosts: Hosts
) -> None:
    everybody = [*others, mine]
    author, reader = others[0], mine
    reader.acknowledging = False
    cursor = reader.cursor
    told = await author.engine.post_status(text("told"), [by_phone(reader.person)])
    await reader.expect(StatusReceived, wire_id=told.wire_id)
    numbers = {one for one in reader.numbers if one > cursor}
    for one in everybody:
        one.heard.clear()
    pid = reader.engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    for one in everybody:
        await one.expect(EngineDied)
        await one.expect_state(EngineState.OPEN)
    assert len({one.engine.pid for one in everybody}) == 1
    later = await author.engine.post_status(text("later"), [by_phone(reader.person)])
    await reader.expect(StatusReceived, wire_id=later.wire_id)
    await reader.stop()
    reader.acknowledging = True
    reader.numbers.clear()
    await reader.restart()
    await eventually(lambda: numbers <= set(reader.numbers))
    await reader.expect(StatusReceived, wire_id=told.wire_id)
    await reader.expect(StatusReceived, wire_id=later.wire_id)
    ids = [status.wire_id for status in reader.all_of(StatusReceived)]
    assert len(ids) == len(set(ids))
    fake.violations(take=True)  # killed with stanzas in hand


async def test_an_account_that_kills_its_process_each_time_soon_lives_alone(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    hosts = real.new_hosts(fake, 16)
    with real.living_in(hosts):
        async with (
            account(fake, tmp_path, strangers(1)[0]) as poisoned,
            account(fake, tmp_path, strangers(1)[0]) as first,
            account(fake, tmp_path, strangers(1)[0]) as second,
            account(fake, tmp_path, strangers(1)[0]) as third,
        ):
            fake.fault("poison", poisoned.device)
            fake.drop(poisoned.device)
            await eventually(lambda: hosts.is_alone(str(poisoned.folder)), "found guilty", 60)
            assert hosts.deaths <= 4
            innocent = [first, second, third]
            assert not any(hosts.is_alone(str(one.folder)) for one in innocent)
            for one in innocent:
                await eventually(partial(fake.connected, one.device))  # it may start only now
                assert one.engine.pid != poisoned.engine.pid
            logins = [fake.history(event="login", device=one.device) for one in innocent]
            lonely = len(poisoned.all_of(EngineDied))
            await eventually(lambda: len(poisoned.all_of(EngineDied)) > lonely, seconds=60)
            assert [
                fake.history(event="login", device=one.device) for one in innocent
            ] == logins
            fake.clear_faults()
            await eventually(lambda: poisoned.states()[-1:] == [EngineState.OPEN], seconds=60)
    fake.violations(take=True)
