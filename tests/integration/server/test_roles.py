"""Background roles: a fault in one is counted, hurts nobody else, and passes."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from statusgate.accounts.instances import Instances, NewInstance
from statusgate.domain.clock import SystemClock
from statusgate.domain.ids import InstanceId
from statusgate.domain.notification import LIFE_MS
from statusgate.journal import Journal, open_journal
from statusgate.server import roles
from statusgate.server.roles import Role, supervise
from statusgate.server.run import EXIT_BROKEN, serve
from statusgate.server.wiring import Gateway
from statusgate.settings import Settings
from statusgate.telemetry import REGISTRY
from tests.clocks import VirtualClock
from tests.factories import new_status
from tests.integration.api.running import Running, Tenant, running_gateway
from tests.integration.api.test_files import picture
from tests.integration.api.test_journals import CONTACT, HELLO, PHOTO
from tests.waiting import eventually

DAY_MS = 86_400_000
LEFT = "left"
ROLES = (
    "refresh", "accounts", "downloads", "retention", "preparing", "queues", "dispatcher",
    "notifications", "sweeps",
)  # fmt: skip


def failures(role: str) -> float:
    """How many faults of a role were counted so far."""
    return REGISTRY.get_sample_value("statusgate_role_failures_total", {"role": role}) or 0.0


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that failed is started again after a tenth of a second."""
    monkeypatch.setattr(roles, "FIRST_PAUSE_SECONDS", 0.1)


class Faults:
    """Breaks what a role asks for, as long as it is the role itself that asks."""

    def __init__(self, role: str, times: int) -> None:
        self._role = role
        self._left = times

    def breaking(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            task = asyncio.current_task()
            if self._left and task is not None and task.get_name() == self._role:
                self._left -= 1
                raise RuntimeError("a fault that nobody expected")
            return work(*arguments, **options)

        return run

    async def plant(self, built: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
        for owner, name in (
            (built.journal, "read"), (built.journal, "write"), (built.instances, "all"),
        ):  # fmt: skip
            monkeypatch.setattr(owner, name, self.breaking(getattr(owner, name)))


@contextlib.asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A webhook receiver that takes everything: its address, and whether it was called."""
    called = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        called.set()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", called


async def old_things(built: Gateway) -> InstanceId:
    """What a start finds too old: a status and a notification of an instance, a file."""
    left = built.settings.data_folder / "staging" / LEFT
    left.write_bytes(b"left by a crash")
    os.utime(left, (0, 0))
    made, _ = await built.instances.create(NewInstance(engine="simulated"))
    now_ms = built.clock.now_ms()
    old = new_status(1, posted_ms=now_ms - 40 * DAY_MS)
    await built.journal.write(made.id, lambda tx: tx.record_status(made.id, old))
    await built.journal.write(
        made.id, lambda tx: tx.add_notifications(made.id, [b"{}"], now_ms - LIFE_MS - 1)
    )
    return made.id


async def old_things_go(running: Running, old: InstanceId) -> None:
    journal = running.built.journal
    left = running.built.settings.data_folder / "staging" / LEFT

    async def are_gone() -> bool:
        statuses = await journal.read(lambda tx: tx.statuses(old, outgoing=False, since_ms=0))
        waiting = await journal.read(lambda tx: tx.count_notifications(old))
        return not statuses and not waiting and not left.exists()

    await eventually(are_gone)


async def a_status_goes_out(tenant: Tenant, method: str, wish: dict[str, str]) -> None:
    status_id = (await tenant.post(method, wish)).json()["idMessage"]

    async def is_sent() -> bool:
        items = (await tenant.get("getOutgoingStatuses")).json()
        return any(
            item["idMessage"] == status_id and item["statusMessage"] in ("sent", "read")
            for item in items
        )

    await eventually(is_sent)


async def everything_works(running: Running, url: str, old: InstanceId) -> None:
    """Use each role once."""
    tenant = await running.create()
    await tenant.state("authorized")
    async with receiver() as (hook, called):
        settings = {"webhookUrl": hook, "incomingWebhook": "yes", "statusWebhook": "yes",
                    "delaySendMessagesMilliseconds": 500}  # fmt: skip
        assert (await tenant.post("setSettings", settings)).code == 200
        await tenant.simulate(CONTACT, HELLO, PHOTO)
        async with asyncio.timeout(20):
            await called.wait()
    await a_status_goes_out(tenant, "sendTextStatus", {"message": "Hi"})
    body = picture()
    headers = {"Content-Type": "image/png"}
    upload = await running.request("POST", tenant.path("uploadFile"), body, headers)
    picture_of_ours = {"urlFile": upload.json()["urlFile"], "fileName": "a.png"}
    await a_status_goes_out(tenant, "sendMediaStatus", picture_of_ours)

    async def phone_picture_is_fetched() -> bool:
        items = (await tenant.get("getOutgoingStatuses")).json()
        return all(item.get("downloadUrl") != "" for item in items)

    await eventually(phone_picture_is_fetched)
    await old_things_go(running, old)
    await a_change_from_outside_is_seen(running, url)


async def a_change_from_outside_is_seen(running: Running, url: str) -> None:
    journal = open_journal(url, exclusive=False)
    try:
        others = Instances(journal, SystemClock(), bytes(32))
        made, _ = await others.create(NewInstance(engine="simulated"))

        async def is_known() -> bool:
            return running.built.instances.find(made.id) is not None

        await eventually(is_known)
    finally:
        await journal.close()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.usefixtures("short_pauses")
async def test_a_role_that_fails_is_started_again_and_nothing_is_lost(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    before = failures(role)
    found: list[InstanceId] = []

    async def prepare(built: Gateway) -> None:
        found.append(await old_things(built))
        await Faults(role, times=1).plant(built, monkeypatch)

    options = {"outbound_allow": "127.0.0.0/8", "min_free_mb": 0, "min_free_media_mb": 0}
    async with running_gateway(tmp_path, url, prepare, **options) as running:
        await everything_works(running, url, *found)
    assert failures(role) == before + 1


@pytest.mark.usefixtures("short_pauses")
async def test_a_fault_in_the_midst_of_work_leaves_no_dead_account_or_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The roles had accounts, queues and lanes under way when they failed."""
    url = f"sqlite:///{tmp_path}/s.db"
    options = {"outbound_allow": "127.0.0.0/8", "min_free_mb": 0, "min_free_media_mb": 0}
    found: list[InstanceId] = []

    async def prepare(built: Gateway) -> None:
        found.append(await old_things(built))

    async with running_gateway(tmp_path, url, prepare, **options) as running:
        tenant = await running.create()
        await a_status_goes_out(tenant, "sendTextStatus", {"message": "before"})
        for role in ("accounts", "queues"):
            before = failures(role)
            await Faults(role, times=1).plant(running.built, monkeypatch)
            await running.create()  # wakes the accounts
            in_an_hour = running.built.clock.now_ms() // 1000 + 3_600
            wish = {"message": "later", "sendAt": in_an_hour}  # wakes the schedule
            assert (await tenant.post("sendTextStatus", wish)).code == 200

            async def has_failed(role: str = role, before: float = before) -> bool:
                return failures(role) == before + 1

            await eventually(has_failed)
        await a_status_goes_out(tenant, "sendTextStatus", {"message": "after"})
        await tenant.simulate(CONTACT, HELLO)
        await everything_works(running, url, *found)


async def test_an_engine_that_cannot_be_made_hurts_only_its_account(tmp_path: Path) -> None:
    """Something else stands where the folder of the account should be."""
    before = failures("account")
    (tmp_path / "accounts").mkdir()
    blocked = tmp_path / "accounts" / "1101000001"
    blocked.write_text("not a folder")
    async with running_gateway(tmp_path) as running:
        unlucky = await running.create(idInstance=1101000001)
        lucky = await running.create(idInstance=1101000002)
        await lucky.state("authorized")
        await a_status_goes_out(lucky, "sendTextStatus", {"message": "Hi"})
        assert (await unlucky.get("getStateInstance")).json()["stateInstance"] != "authorized"
        assert failures("account") > before
        blocked.unlink()

        async def is_linked() -> bool:
            state: Any = (await unlucky.get("getStateInstance")).json()
            return bool(state["stateInstance"] == "authorized")

        await eventually(is_linked)


async def test_a_fault_in_publishing_one_status_does_not_end_its_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = failures("queue")
    async with running_gateway(tmp_path) as running:
        tenant = await running.create()
        await tenant.state("authorized")
        engine = running.built.accounts.engine(InstanceId(tenant.id))
        assert engine is not None
        post, faults = engine.post_status, [RuntimeError("unexpected")]

        async def faulty(*arguments: Any) -> Any:
            if faults:
                raise faults.pop()
            return await post(*arguments)

        monkeypatch.setattr(engine, "post_status", faulty)
        await a_status_goes_out(tenant, "sendTextStatus", {"message": "Hi"})
    assert failures("queue") == before + 1


async def test_a_role_that_was_cancelled_from_within_is_started_again() -> None:
    """Something it awaited was cancelled; nobody asked the role to end."""
    clock, runs = VirtualClock(), list[int]()

    async def run() -> None:
        runs.append(len(runs))
        if len(runs) == 1:
            raise asyncio.CancelledError
        await asyncio.Event().wait()

    supervised = asyncio.create_task(supervise(Role("sample", run), clock))
    await clock.advance(1)
    assert runs == [0, 1]
    supervised.cancel()
    await asyncio.wait([supervised], timeout=30)
    assert supervised.cancelled()


async def test_pauses_grow_while_a_role_keeps_failing_and_shrink_once_it_ran() -> None:
    clock = VirtualClock()
    began_ms, starts, healthy = clock.now_ms(), list[int](), {5}

    async def run() -> None:
        starts.append((clock.now_ms() - began_ms) // 1000)
        if len(starts) in healthy:
            await clock.sleep(100)
        raise RuntimeError("unexpected")

    supervised = asyncio.create_task(supervise(Role("sample", run), clock))
    await clock.advance(120)
    assert starts == [0, 1, 3, 7, 15, 116, 118]
    supervised.cancel()
    await asyncio.wait([supervised], timeout=30)


async def test_only_the_health_of_the_journal_ends_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in looking after it does not."""
    answers: list[bool | Exception] = [True, RuntimeError("unexpected")]
    broken = asyncio.Event()

    def healthy(_journal: Journal) -> bool:
        answer = answers.pop(0) if answers else not broken.is_set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Journal, "healthy", property(healthy))
    before = failures("health")
    settings = Settings(database=f"sqlite:///{tmp_path}/s.db", port=0)
    serving = asyncio.create_task(serve(settings))

    async def has_failed() -> bool:
        return failures("health") == before + 1

    await eventually(has_failed)
    assert not serving.done()
    broken.set()
    async with asyncio.timeout(20):
        assert await serving == EXIT_BROKEN
