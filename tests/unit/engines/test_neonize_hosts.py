"""Which accounts share a process, and what the end of one means for the others."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from statusgate.api.engine_metrics import engine_metrics
from statusgate.cli.health import processes
from statusgate.domain.errors import EngineUnavailable
from statusgate.engines.neonize import hosts as pool
from statusgate.engines.neonize.config import Exit
from statusgate.engines.neonize.hosts import Hosts
from tests.unit.engines.test_neonize_engine import POST, QUICK, REPOSITORY, Listener, Run
from tests.waiting import eventually, stays

WELL: list[Run] = [{}]
CALM = msgspec.structs.replace(QUICK, kill_after=2.0, deaths=100)


def scripted_hosts(per_process: int) -> Hosts:
    return Hosts(
        per_process,
        module="tests.unit.engines.scripted_worker",
        environment={"PYTHONPATH": str(REPOSITORY)},
    )


@asynccontextmanager
async def accounts(
    folder: Path, hosts: Hosts, *runs: list[Run]
) -> AsyncIterator[list[Listener]]:
    """Linked accounts, each with its runs, that have all reported."""
    made = [
        Listener(folder / str(number), run, CALM, hosts)
        for number, run in enumerate(runs, start=1)
    ]
    try:
        await asyncio.gather(*(one.engine.start() for one in made))
        for one in made:
            await one.listen()
        yield made
    finally:
        await asyncio.gather(*(one.close() for one in made))


def sizes(hosts: Hosts) -> list[int]:
    """How many accounts live in each process."""
    return sorted(len(one.restarts) for one in hosts.running())


async def test_accounts_fill_no_more_processes_than_needed_and_evenly(tmp_path: Path) -> None:
    hosts = scripted_hosts(4)
    async with accounts(tmp_path, hosts, *[WELL] * 6) as all_of_them:
        assert sizes(hosts) == [3, 3]
        await all_of_them[0].engine.stop()
        await all_of_them[0].engine.start()
        await all_of_them[0].listen()
        assert sizes(hosts) == [3, 3]
    assert hosts.running() == []


async def test_one_account_each_is_a_process_each(tmp_path: Path) -> None:
    hosts = scripted_hosts(1)
    async with accounts(tmp_path, hosts, [{}], [{}]):
        assert sizes(hosts) == [1, 1]


async def test_an_account_that_is_not_linked_has_its_own_process(tmp_path: Path) -> None:
    hosts = scripted_hosts(4)
    async with accounts(tmp_path, hosts, [{}], [{}]):
        new = Listener(tmp_path / "new", [{}], CALM, hosts)
        (tmp_path / "new" / "linked").unlink()
        await new.engine.start()
        try:
            await new.engine.begin_linking()
            assert sizes(hosts) == [1, 2]
        finally:
            await new.close()


async def test_an_account_that_moves_is_not_reported_and_shares_a_process(
    tmp_path: Path,
) -> None:
    hosts = scripted_hosts(4)
    async with accounts(tmp_path, hosts, [{}]) as (old,):
        mark = tmp_path / "new" / "linked"
        new = Listener(tmp_path / "new", [{"moves": str(mark)}, {}], CALM, hosts)
        mark.unlink()
        await new.engine.start()
        await new.listen()
        try:
            await new.engine.begin_linking()
            await eventually(lambda: new.engine.pid == old.engine.pid)
            assert new.deaths == []
        finally:
            await new.close()


async def test_a_process_that_dies_is_replaced_for_all_its_accounts(tmp_path: Path) -> None:
    hosts = scripted_hosts(4)
    async with accounts(tmp_path, hosts, [{}], [{"records": 5}, {}], [{}]) as all_of_them:
        first = all_of_them[0].engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: all(len(one.deaths) == 1 for one in all_of_them))
        await eventually(lambda: sizes(hosts) == [3])
        assert {one.deaths[0].exit_code for one in all_of_them} == {Exit.HOST_DIED}
        assert not any(one.deaths[0].alarm for one in all_of_them)
        assert hosts.deaths == 1


async def test_the_account_that_ends_its_processes_lives_alone_and_is_reported(
    tmp_path: Path,
) -> None:
    hosts = scripted_hosts(16)
    guilty: list[Run] = [{"exit": 3, "after": 0.3}]
    async with accounts(tmp_path, hosts, guilty, *[WELL] * 7) as (bad, *others):
        await eventually(lambda: hosts.isolated() == ["1"])
        await eventually(lambda: bad.deaths[-1].alarm)
        assert bad.deaths[-1].exit_code == 3
        await eventually(lambda: all(one.engine.pid is not None for one in others))
        counts = [len(one.deaths) for one in others]
        died = len(bad.deaths)
        await eventually(lambda: len(bad.deaths) > died)
        assert [len(one.deaths) for one in others] == counts
        assert max(counts) <= 3
        assert not any(death.alarm for one in others for death in one.deaths)
        assert bad.engine.pid not in {one.engine.pid for one in others}


async def test_an_account_that_does_not_end_blocks_nobody_and_its_process_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "UNSETTLED", 1.0)
    hosts = scripted_hosts(4)
    stubborn: list[Run] = [{"drains": False, "deaf": True}, {}]
    async with accounts(tmp_path, hosts, stubborn, [{}]) as (stuck, other):
        before = other.engine.pid
        async with asyncio.timeout(30):
            await stuck.engine.stop(0.2)
        assert other.engine.pid == before
        await stuck.engine.start()  # waits for the folder
        await eventually(lambda: other.engine.pid not in (None, before))
        await eventually(lambda: stuck.engine.pid not in (None, before))
        assert stuck.deaths == []
        assert other.deaths == []


async def test_a_worn_process_is_replaced_without_a_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "WORN", 9)
    hosts = scripted_hosts(8)
    async with accounts(tmp_path, hosts, *[WELL] * 8) as all_of_them:
        before = all_of_them[0].engine.pid
        some = all_of_them[:5]  # the first of them wears it out, the others are on their way
        await asyncio.gather(*(one.engine.stop() for one in some))
        await asyncio.gather(*(one.engine.start() for one in some))
        for one in some:
            await one.listen()
        await eventually(lambda: not {None, before} & {one.engine.pid for one in all_of_them})
        await eventually(lambda: sizes(hosts) == [8])
        assert [one.deaths for one in all_of_them] == [[]] * 8


async def test_a_process_that_starts_no_more_is_no_account_s_fault(tmp_path: Path) -> None:
    hosts = Hosts(4, module="tests.unit.engines.no_such_module")
    made = Listener(tmp_path / "1", [{}], CALM, hosts)
    await made.engine.start()
    with pytest.raises(EngineUnavailable):
        await made.engine.post_status(POST, None)
    await made.close()
    await stays(lambda: hosts.running() == [], 0.1)


async def test_metrics_and_the_command_line_say_where_each_account_lives(
    tmp_path: Path,
) -> None:
    hosts = scripted_hosts(2)
    async with accounts(tmp_path, hosts, [{}], [{}]) as (one, _):
        await one.engine.stop()
        await one.engine.start()
        shown = processes(engine_metrics(hosts, each=True).decode())
        assert shown.keys() == {"1", "2"}
        number, memory, restarts = shown["1"].split(", ")
        assert (number, restarts) == ("1", "1 restarts")
        assert int(memory.removesuffix(" MB")) > 5
        assert processes(engine_metrics(hosts, each=False).decode()) == {}
