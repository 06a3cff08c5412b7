"""Long trials of accounts that share processes (``make soak``)."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from statusgate.domain.events import EngineDied, EngineState, StateChanged
from statusgate.engines.neonize.config import Timing
from statusgate.engines.neonize.hosts import WORN, Hosts
from tests.contract import test_engine_neonize_support as real
from tests.contract.neighbours import Traffic, traffic
from tests.contract.test_engine_neonize_support import FAST, Account, strangers
from tests.waiting import eventually
from tests.whatsapp.client import FakeWhatsApp

BEGINNINGS = int(os.environ.get("STATUSGATE_SOAK_BEGINNINGS", "500"))
KILLS = int(os.environ.get("STATUSGATE_SOAK_KILLS", "50"))
PER_PROCESS = int(os.environ.get("STATUSGATE_SOAK_PER_PROCESS", "16"))
MINUTES = float(os.environ.get("STATUSGATE_SOAK_MINUTES", "30"))
_MIB = 1024 * 1024

pytestmark = [
    pytest.mark.soak,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(7200),
]


@pytest.fixture(scope="module")
def hosts(fake: FakeWhatsApp) -> Iterator[Hosts]:
    with real.living_in(real.new_hosts(fake, 16)) as made:
        yield made


@asynccontextmanager
async def several(
    fake: FakeWhatsApp, folder: Path, count: int, timing: Timing = FAST
) -> AsyncIterator[list[Account]]:
    """So many linked accounts, all connected; a busy machine may acknowledge late."""
    fake.ack_deadline(60)
    fake.remember(100_000)
    async with AsyncExitStack() as stack:
        made = [Account(fake, one, folder / f"account-{n}", timing=timing)
                for n, one in enumerate(strangers(count))]  # fmt: skip
        for one in made:
            await asyncio.to_thread(one.link)
        for one in made:
            stack.push_async_callback(one.stop)
        await asyncio.gather(*(one.start() for one in made))
        for one in made:
            await one.expect_state(EngineState.OPEN, 60)
        yield made


async def test_beginnings_and_stops_beside_traffic_abort_nothing_and_disturb_nobody(
    fake: FakeWhatsApp, hosts: Hosts, tmp_path: Path
) -> None:
    """The library's maps are written each time, while calls of all others read them.

    A process that has let in many is worn and replaced; its accounts reconnect.
    """
    async with several(fake, tmp_path, 12) as everybody:
        steady, restless = everybody[:8], everybody[8:]
        assert len({one.engine.pid for one in everybody}) == 1
        deaths = hosts.deaths
        async with traffic(steady, tmp_path) as among:

            async def begin_and_stop(one: Account) -> None:
                for _ in range(BEGINNINGS // len(restless)):
                    await one.restart()
                    await one.expect_state(EngineState.OPEN, 60)

            await asyncio.gather(*map(begin_and_stop, restless))
        _tell(f"{BEGINNINGS} beginnings and stops", among)
        assert hosts.deaths == deaths
        assert among.doubtful == set()
        assert among.twice == []
        moves = Counter(phone for phone, _ in among.disturbances)
        assert all(moves[phone] <= 1 + BEGINNINGS // WORN for phone in moves)
        assert all(
            isinstance(event, StateChanged) and event.state is EngineState.OPEN
            for _, event in among.disturbances
        )
        assert among.refused == set() or moves
    fake.require_lawful()


async def test_killed_processes_lose_nothing_they_have_told_and_repeat_nothing(
    fake: FakeWhatsApp, hosts: Hosts, tmp_path: Path
) -> None:
    """What the library holds in memory goes with its process; nothing else does."""
    undying = msgspec.structs.replace(FAST, deaths=1_000_000)
    chance = random.Random(11)
    async with several(fake, tmp_path, 8, undying) as everybody:
        among = Traffic(everybody, tmp_path, pause=0.2)
        watching = asyncio.create_task(among.watch())
        running = asyncio.create_task(among.run())
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.5, 2.0))
            pid = chance.choice([one.engine.pid for one in everybody])
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
        among.stop()
        await running
        await eventually(
            lambda: all((fake.device(one.device) or {"waiting": 1})["waiting"] == 0
                        for one in everybody),
            "everything handed over", 120,
        )  # fmt: skip
        await asyncio.sleep(2)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        _tell(f"{KILLS} kills", among)
        print(f"{len(among.missing)} statuses were lost before the spool")
        assert among.twice == []
        assert len(among.missing) <= KILLS
        for one in everybody:
            assert one.numbers == sorted(set(one.numbers))
    fake.violations(take=True)


async def test_fifteen_neighbours_of_a_poisoned_account_lose_less_than_a_minute(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    """With the pauses of a real gateway; an hour's deaths happen in its first minutes."""
    pool = real.new_hosts(fake, 16)
    with real.living_in(pool):
        async with several(fake, tmp_path, 16, Timing()) as everybody:
            poisoned, *others = everybody
            began = time.monotonic()
            lost = dict.fromkeys(range(len(others)), 0.0)
            fake.fault("poison", poisoned.device)
            fake.drop(poisoned.device)
            while time.monotonic() < began + 240:
                await asyncio.sleep(0.05)
                for number, one in enumerate(others):
                    if not _is_open(one):
                        lost[number] += 0.05
            print(f"\n{pool.deaths} deaths, the others lost {max(lost.values()):.1f} s at most")
            assert pool.is_alone(str(poisoned.folder))
            assert max(lost.values()) < 60
            assert all(map(_is_open, others))
            fake.clear_faults()
    fake.violations(take=True)


async def test_a_hundred_accounts_run_for_half_an_hour_without_growing_or_losing(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    pool = real.new_hosts(fake, PER_PROCESS)
    with real.living_in(pool):
        async with several(fake, tmp_path, 100) as everybody:
            pids = {one.engine.pid for one in everybody}
            assert None not in pids
            async with traffic(everybody, tmp_path, pause=10.0) as among:
                await asyncio.sleep(MINUTES * 60 / 3)
                early = [Size.of(pid) for pid in sorted(filter(None, pids))]
                await asyncio.sleep(MINUTES * 60 * 2 / 3)
                late = [Size.of(pid) for pid in sorted(filter(None, pids))]
            _tell(f"{MINUTES:g} minutes", among)
            print(f"after a third: {_sum(early)}\nat the end:    {_sum(late)}")
            assert {one.engine.pid for one in everybody} == pids
            assert among.disturbances == []
            assert among.refused | among.doubtful == set()
            assert among.twice == []
            for before, after in zip(early, late, strict=True):
                assert after.threads <= before.threads + 8
                assert after.descriptors <= before.descriptors + 16
            assert _sum(late).pss_mb < _sum(early).pss_mb * 1.15
    fake.require_lawful()


class Size(msgspec.Struct, frozen=True):
    """What a process takes."""

    pss_mb: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> "Size":
        process = Path(f"/proc/{pid}")
        pss = next(
            int(line.split()[1])
            for line in (process / "smaps_rollup").read_text().splitlines()
            if line.startswith("Pss:")
        )
        threads = len(list((process / "task").iterdir()))
        return cls(pss * 1024 / 1e6, threads, len(list((process / "fd").iterdir())))


def _sum(sizes: Sequence[Size]) -> Size:
    return Size(
        round(sum(one.pss_mb for one in sizes), 1),
        sum(one.threads for one in sizes),
        sum(one.descriptors for one in sizes),
    )


def _is_open(one: Account) -> bool:
    news = [event for event in one.heard if isinstance(event, StateChanged | EngineDied)]
    last = news[-1] if news else None
    return isinstance(last, StateChanged) and last.state is EngineState.OPEN


def _tell(what: str, among: Traffic) -> None:
    print(
        f"\n{what}: {len(among.posted)} statuses, {len(among.refused)} refused, "
        f"{len(among.doubtful)} in doubt, {among.downloads} downloads, "
        f"{len(among.viewed)} views"
    )
