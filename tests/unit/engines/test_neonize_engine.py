"""The gateway's side of the real engine, with workers that follow a script."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from statusgate.domain.address import Address
from statusgate.domain.errors import (
    EngineRejected,
    EngineSilent,
    EngineUnavailable,
    EngineUncertain,
    MediaUnavailable,
)
from statusgate.domain.events import EngineDied, EngineEvent, LinkingEnded, QrCode, Sequenced
from statusgate.domain.media import MediaRef
from statusgate.domain.post import SentStatus, StatusPost
from statusgate.domain.status import Kind
from statusgate.engines.neonize.config import Exit, Setup, Timing
from statusgate.engines.neonize.engine import NeonizeEngine
from statusgate.engines.neonize.hosts import Hosts
from statusgate.engines.neonize.ipc import VERSION
from statusgate.engines.port import Engine
from tests.waiting import eventually, stays

Run = dict[str, Any]
REPOSITORY = Path(__file__).parents[3]
POST = StatusPost(key="KEY1", kind=Kind.TEXT, text="hello")
SENT = SentStatus(key="KEY1", wire_id="3EB0", sent_ms=5)

QUICK = Timing(
    beat=10.0,  # a worker on a slow machine is never taken for a dead one
    beats_missed=2,
    kill_after=0.5,
    restart_first=0.02,
    restart_most=0.05,
    settled_after=60,
    deaths=4,
    deaths_within=30,
    slow=0.4,
    replaced_hold=1.0,
    hello=10.0,
    request=2.0,
    download=2.0,
    post=30.0,
)


class Listener:
    """An engine whose worker follows *runs*, and what was heard of it."""

    def __init__(
        self, directory: Path, runs: list[Run], timing: Timing, hosts: Hosts | None = None
    ) -> None:
        self.directory = directory
        self.sequenced: list[Sequenced] = []
        directory.mkdir(exist_ok=True)
        (directory / "script.json").write_text(json.dumps(runs))
        (directory / "linked").write_text('{"phone":"1"}')  # gives the engine a reason to start
        self.engine = NeonizeEngine(
            Setup(version=VERSION, directory=str(directory), timing=timing),
            hosts=hosts,
            worker_module="tests.unit.engines.scripted_worker",
            environment={"PYTHONPATH": str(REPOSITORY)},
        )
        _: Engine = self.engine
        self.acknowledging = True
        self._reading: asyncio.Task[None] | None = None

    async def listen(self, after: int = 0) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = asyncio.create_task(self._read(after))
        await asyncio.sleep(0)

    async def close(self) -> None:
        await self.engine.stop()
        if self._reading is not None:
            await self._reading

    @property
    def events(self) -> list[EngineEvent]:
        return [event for found in self.sequenced for event in found.events]

    @property
    def numbers(self) -> list[int]:
        return [found.seq for found in self.sequenced if found.seq]

    @property
    def deaths(self) -> list[EngineDied]:
        return [event for event in self.events if isinstance(event, EngineDied)]

    @property
    def starts(self) -> list[float]:
        path = self.directory / "starts"
        return [float(line) for line in path.read_text().split()] if path.exists() else []

    async def _read(self, after: int) -> None:
        async for found in self.engine.events(after):
            self.sequenced.append(found)
            if found.seq and self.acknowledging:
                await self.engine.ack(found.seq)


@asynccontextmanager
async def scripted(
    directory: Path, *runs: Run, timing: Timing = QUICK, **changes: Any
) -> AsyncIterator[Listener]:
    made = Listener(directory, list(runs), msgspec.structs.replace(timing, **changes))
    try:
        await made.engine.start()
        await made.listen()
        yield made
    finally:
        await made.close()


# -- the stream of events


async def test_records_come_in_order_more_than_the_window_holds(tmp_path: Path) -> None:
    async with scripted(tmp_path, {"records": 1000}) as it:
        await eventually(lambda: len(it.numbers) == 1000)
        assert it.numbers == list(range(1, 1001))


async def test_unacknowledged_records_stop_at_the_window(tmp_path: Path) -> None:
    async with scripted(tmp_path, {"records": 400}) as it:
        it.acknowledging = False
        await eventually(lambda: len(it.numbers) == 256)
        await stays(lambda: len(it.numbers) == 256)
        it.acknowledging = True
        await it.engine.ack(256)
        await eventually(lambda: len(it.numbers) == 400)


async def test_a_new_worker_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    async with scripted(
        tmp_path, {"records": 50, "exit": 2, "after": 0.3}, {"records": 5}
    ) as it:
        await eventually(lambda: len(it.numbers) == 55)
        assert it.numbers == list(range(1, 56))


async def test_what_was_not_acknowledged_is_told_to_the_next_reader(tmp_path: Path) -> None:
    async with scripted(tmp_path, {"records": 30}) as it:
        it.acknowledging = False
        await eventually(lambda: len(it.numbers) == 30)
        await it.engine.ack(10)
        it.sequenced.clear()
        await it.listen(after=10)
        await eventually(lambda: len(it.numbers) == 20)
        assert it.numbers == list(range(11, 31))


async def test_a_new_gateway_is_told_what_the_old_one_did_not_commit(tmp_path: Path) -> None:
    async with scripted(tmp_path, {"records": 30}) as it:
        it.acknowledging = False
        await eventually(lambda: len(it.numbers) == 30)
    async with scripted(tmp_path, {"records": 1}) as it:
        await eventually(lambda: len(it.numbers) == 31)
        assert it.numbers == list(range(1, 32))


async def test_numbers_follow_the_journal_when_the_spool_was_lost(tmp_path: Path) -> None:
    it = Listener(tmp_path, [{"records": 2}], QUICK)
    await it.engine.start()
    await it.listen(after=700)
    await eventually(lambda: len(it.numbers) == 2)
    assert it.numbers == [701, 702]
    await it.close()


# -- deaths


async def test_a_dead_worker_is_replaced_and_its_death_told(tmp_path: Path) -> None:
    async with scripted(tmp_path, {"exit": 2}, {"exit": -9}, {}) as it:
        await eventually(lambda: len(it.deaths) == 2 and it.engine.pid is not None)
        first, second = it.deaths
        assert (first.exit_code, second.exit_code) == (2, -9)
        assert first.reason == "crashed with exit code 2"
        assert second.reason == "killed by signal 9"
        assert not first.alarm
        assert not second.alarm


async def test_a_worker_that_keeps_dying_raises_the_alarm_and_is_slowed_down(
    tmp_path: Path,
) -> None:
    async with scripted(tmp_path, {"exit": 2}) as it:
        await eventually(lambda: len(it.deaths) >= 5)
        assert [death.alarm for death in it.deaths[:5]] == [False, False, False, True, True]
        assert it.starts[4] - it.starts[3] >= QUICK.slow


async def test_a_replaced_session_is_left_alone_for_a_while(tmp_path: Path) -> None:
    async with scripted(tmp_path, {"exit": Exit.REPLACED, "after": 0.2}, {}) as it:
        await eventually(lambda: it.deaths)
        with pytest.raises(EngineUnavailable, match="in use elsewhere"):
            await it.engine.begin_linking()
        await eventually(lambda: len(it.starts) == 2)
        assert it.starts[1] - it.starts[0] >= QUICK.replaced_hold


@pytest.mark.parametrize("code", [Exit.LOGGED_OUT, Exit.BLOCKED, Exit.DRAINED])
async def test_without_a_reason_to_run_no_worker_is_started(tmp_path: Path, code: Exit) -> None:
    async with scripted(tmp_path, {"exit": code}, {}) as it:
        await eventually(lambda: it.engine.pid is None)
        await stays(lambda: len(it.starts) == 1 and not it.deaths, 0.3)
        await it.engine.begin_linking()
        assert len(it.starts) == 2


async def test_a_lost_session_needs_the_operator(tmp_path: Path) -> None:
    runs: list[Run] = [
        {"exit": Exit.STORE_LOST},
        {"exit": Exit.LOGGED_OUT, "after": 0.1},
        {},
    ]
    async with scripted(tmp_path, *runs) as it:
        await eventually(lambda: it.deaths)
        assert it.deaths[0].alarm
        for attempt in (it.engine.begin_linking, lambda: it.engine.request_pairing_code("1")):
            with pytest.raises(EngineUnavailable, match="log out"):
                await attempt()
        await it.engine.logout()
        assert (tmp_path / "forget").read_text() == "True"
        await it.engine.begin_linking()
        assert (tmp_path / "forget").read_text() == "False"


async def test_a_worker_that_gives_no_sign_of_life_is_killed(tmp_path: Path) -> None:
    async with scripted(tmp_path, {"deaf": True}, {}, beat=0.2) as it:
        await eventually(lambda: it.deaths)
        assert it.deaths[0].exit_code == -signal.SIGKILL
        await eventually(lambda: it.engine.vitals.state == "scripted")


@pytest.mark.parametrize("run", [{"garbage": True}, {"greeting": 99}])
async def test_a_worker_that_talks_nonsense_is_killed(tmp_path: Path, run: Run) -> None:
    async with scripted(tmp_path, run, {}) as it:
        await eventually(lambda: len(it.starts) == 2)


async def test_a_worker_that_never_greets_is_killed(tmp_path: Path) -> None:
    async with scripted(tmp_path, {"greeting": 0, "deaf": True}, {}, hello=1.0) as it:
        await eventually(lambda: len(it.starts) == 2)


async def test_a_full_disk_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 0
    monkeypatch.setattr("statusgate.engines.neonize.supervisor.free_bytes", lambda _: room)
    async with scripted(tmp_path, {"exit": Exit.NO_ROOM}, {}, room_every=0.05) as it:
        await eventually(lambda: it.deaths)
        await stays(lambda: len(it.starts) == 1, 0.3)
        room = 2**62
        await eventually(lambda: len(it.starts) == 2)


# -- stopping


async def test_stopping_drains_and_may_be_repeated(tmp_path: Path) -> None:
    async with scripted(tmp_path, {}) as it:
        await it.engine.stop()
        await it.engine.stop()
        assert it.engine.pid is None
        with pytest.raises(EngineUnavailable):
            await it.engine.post_status(POST, None)
        await it.engine.start()
        assert it.engine.pid is not None


async def test_stopping_is_bounded(tmp_path: Path) -> None:
    async with scripted(tmp_path, {"drains": False, "deaf": True}) as it:
        pid = it.engine.pid
        assert pid is not None
        async with asyncio.timeout(30):
            await it.engine.stop(0.5)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_stopping_during_a_pause_is_immediate(tmp_path: Path) -> None:
    async with scripted(tmp_path, {"exit": Exit.REPLACED}, replaced_hold=600.0) as it:
        await eventually(lambda: it.deaths)
        async with asyncio.timeout(30):
            await it.engine.stop()


@pytest.mark.parametrize(
    "run",
    [
        {},
        {"drains": False, "deaf": True},
        {"greeting": 0, "deaf": True},
        {"exit": 2},
        {"exit": Exit.REPLACED},
        {"records": 50},
    ],
)
@pytest.mark.parametrize("seconds", [0, 0.15, 0.4])
async def test_no_task_is_left_when_it_has_stopped(
    tmp_path: Path, run: Run, seconds: float
) -> None:
    before = asyncio.all_tasks()
    it = Listener(tmp_path, [run], msgspec.structs.replace(QUICK, hello=3.0))
    starting = asyncio.create_task(it.engine.start())
    await it.listen()
    await asyncio.sleep(seconds)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await it.engine.stop(0.1)
    await it.close()
    assert asyncio.all_tasks() - before == set()


async def test_an_unlinked_account_needs_no_process(tmp_path: Path) -> None:
    it = Listener(tmp_path, [{}], QUICK)
    (tmp_path / "linked").unlink()
    await it.engine.start()
    await stays(lambda: it.starts == [], 0.1)
    await it.engine.logout()
    assert it.starts == []
    await it.close()


async def test_the_environment_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATUSGATE_ADMIN_TOKEN", "secret")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    async with scripted(tmp_path, {}):
        seen = json.loads((tmp_path / "environment").read_text())
    assert "STATUSGATE_ADMIN_TOKEN" not in seen
    assert seen["TZ"] == "Europe/Berlin"


# -- requests


async def test_answers_become_results_and_errors(tmp_path: Path) -> None:
    answers = {
        "post_status": {"err": "rejected", "code": 479, "text": "no"},
        "look_up": {"ok": True, "p": {"address": {"phone": "7"}, "exists": True}},
        "mark_viewed": {"err": "unavailable", "text": "not connected"},
        "download": {"err": "gone", "text": "expired"},
        "delete_status": {"err": "silent", "text": "no answer"},
    }
    async with scripted(tmp_path, {"answers": answers}) as it:
        with pytest.raises(EngineRejected) as refusal:
            await it.engine.post_status(POST, None)
        assert refusal.value.code == 479
        info = await it.engine.look_up(Address(phone="7"))
        assert info.exists
        with pytest.raises(EngineUnavailable, match="not connected"):
            await it.engine.mark_viewed("ID", Address(phone="7"))
        with pytest.raises(EngineSilent, match="no answer"):
            await it.engine.delete_status("ID", [])
        ref = MediaRef(handle=b"", mimetype="image/jpeg")
        with pytest.raises(MediaUnavailable) as gone:
            await it.engine.download(ref, tmp_path / "file", 10)
        assert gone.value.final


async def test_a_post_without_an_answer_is_uncertain(tmp_path: Path) -> None:
    answers = {"post_status": None, "look_up": None}
    async with scripted(tmp_path, {"answers": answers}, post=0.2, request=0.2) as it:
        with pytest.raises(EngineUncertain) as doubt:
            await it.engine.post_status(POST, None)
        assert doubt.value.key == POST.key
        with pytest.raises(EngineUnavailable):
            await it.engine.look_up(Address(phone="7"))


SENT_ANSWER = {"ok": True, "p": {"key": "KEY1", "wire_id": "3EB0", "sent_ms": 5}}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (SENT_ANSWER, None),
        ({"err": "rejected", "code": 463}, EngineRejected),
        ({"err": "uncertain", "text": "KEY1"}, EngineUncertain),
        ({"err": "unavailable", "text": "the post was not begun"}, EngineUnavailable),
        ({"err": "unavailable", "text": "something else"}, EngineUncertain),
    ],
)
async def test_the_next_worker_knows_what_became_of_a_post(
    tmp_path: Path, told: Run, expected: type[Exception] | None
) -> None:
    runs: list[Run] = [
        {"answers": {"post_status": "die"}},
        {"answers": {"outcome": told}},
    ]
    async with scripted(tmp_path, *runs) as it:
        if expected is None:
            assert await it.engine.post_status(POST, None) == SENT
        else:
            with pytest.raises(expected):
                await it.engine.post_status(POST, None)


async def test_a_post_to_a_hundred_thousand_people_goes_through(tmp_path: Path) -> None:
    people = tuple(Address(phone=f"7999{n:08d}", lid=f"2220000{n:08d}") for n in range(100_000))
    told = SentStatus(key="KEY1", wire_id="3EB0", sent_ms=5, recipients=people)
    answer = {"ok": True, "p": msgspec.to_builtins(told)}
    async with scripted(tmp_path, {"answers": {"post_status": answer}}) as it:
        assert await it.engine.post_status(POST, people) == told
        assert not it.deaths


async def test_what_does_not_fit_a_frame_is_refused_at_once(tmp_path: Path) -> None:
    async with scripted(tmp_path, {}) as it:
        huge = StatusPost(key="K", kind=Kind.IMAGE, thumbnail=bytes(60_000_000))
        with pytest.raises(EngineUnavailable, match="too long"):
            await it.engine.post_status(huge, None)


# -- linking


def qr(payload: str, lasts: float = 60) -> Run:
    expires_ms = int((time.time() + lasts) * 1000)
    return {"k": "QrCode", "payload": payload, "expires_ms": expires_ms}


async def test_a_code_is_told_again_while_it_is_valid_and_its_end_too(tmp_path: Path) -> None:
    runs: list[Run] = [
        {"tells": [qr("one")], "exit": Exit.LINKING_ENDED, "after": 1.5},
        {},
    ]
    async with scripted(tmp_path, *runs) as it:
        await it.engine.begin_linking()
        await eventually(lambda: it.events)
        await it.engine.begin_linking()
        await eventually(lambda: len(it.events) == 3)
        first, second, end = it.events
        assert isinstance(first, QrCode)
        assert first == second
        assert isinstance(end, LinkingEnded)
        assert all(found.seq == 0 for found in it.sequenced)
        assert it.engine.pid is None


async def test_a_pairing_code_gets_a_young_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statusgate.engines.neonize.engine._FRESH_CODES_SECONDS", 0.0)
    runs: list[Run] = [
        {"tells": [qr("one")]},
        {"answers": {"pairing_code": {"ok": True, "p": "ABCDEFGH"}}},
    ]
    async with scripted(tmp_path, *runs) as it:
        await it.engine.begin_linking()
        assert await it.engine.request_pairing_code("79001234567") == "ABCDEFGH"
        assert len(it.starts) == 2
        assert not it.deaths or it.deaths[0].exit_code == -signal.SIGTERM
