"""Several gateways on one PostgreSQL: each account on one of them, and all of them answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from statusgate.domain.ids import InstanceId
from statusgate.domain.nodes import Times
from statusgate.journal import journal as journal_module
from statusgate.ownership import ownership as ownership_module
from statusgate.server.folders import StartError
from statusgate.server.wiring import gateway
from statusgate.settings import Settings
from tests.databases import fresh_schema
from tests.integration.api.running import ADMIN, Running, Tenant, running_gateway
from tests.waiting import eventually, stays

pytestmark = pytest.mark.postgres
KEY = "5a" * 32
ANNA = "79001112233@c.us"
CONTACT = {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna K"}
TEXT = {"event": "incomingStatus", "from": ANNA, "type": "text", "text": "Hello"}
QUICK = Times(beat_seconds=0.1, lease_seconds=1.5, expiry_seconds=2.5)
Start = Callable[[str], AbstractAsyncContextManager[Running]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "PATIENT", QUICK)
    monkeypatch.setattr(ownership_module, "LOOK_SECONDS", 0.1)


@pytest.fixture
def url(postgres_server: str) -> str:
    return fresh_schema(postgres_server)


@pytest.fixture
def start(url: str, tmp_path: Path) -> Start:
    """Start a node; all share their media, and nothing else on the disk."""

    def node(name: str) -> AbstractAsyncContextManager[Running]:
        media = str(tmp_path / "media")
        return running_gateway(tmp_path / name, url, node=name, server_key=KEY, media=media)

    return node


@pytest.fixture
async def two(start: Start) -> AsyncIterator[tuple[Running, Running]]:
    async with start("a") as first, start("b") as second:
        yield first, second


def at(tenant: Tenant, node: Running) -> Tenant:
    """The same instance, asked at another node."""
    return Tenant(node, tenant.id, tenant.token)


def runs(node: Running, tenant: Tenant) -> bool:
    """Whether the account runs on a node."""
    return node.built.ownership.owns(InstanceId(tenant.id))


async def owner(tenant: Tenant, nodes: Sequence[Running]) -> tuple[Running, Running]:
    """The node that has the account, once there is one, and another one."""

    def found() -> Running | None:
        return next((node for node in nodes if runs(node, tenant)), None)

    one = await eventually(found)
    return one, next(node for node in nodes if node is not one)


async def post(tenant: Tenant, text: str) -> None:
    reply = await tenant.post("sendTextStatus", {"message": text, "participants": [ANNA]})
    assert reply.code == 200, reply.body


async def posted(tenant: Tenant, text: str) -> list[dict[str, Any]]:
    """The journal once a status with that text is sent."""

    async def sent() -> list[dict[str, Any]] | None:
        items: list[dict[str, Any]] = (await tenant.get("getOutgoingStatuses")).json()
        found = [one for one in items if one.get("textMessage") == text]
        return items if found and found[0]["statusMessage"] != "pending" else None

    return await eventually(sent, text)


TAKEN = 1


def token(url: str, tenant: Tenant) -> int:
    with psycopg.connect(url) as other:
        row = other.execute("SELECT token FROM owners WHERE instance_id = %s", [tenant.id])
        return int(row.fetchall()[0][0])


def take_away(url: str, tenant: Tenant) -> int:
    """Free an account as an expiry does, and take its token; returns the token it had."""
    before = token(url, tenant)
    take = "UPDATE owners SET node = 0, token = %s WHERE instance_id = %s"
    with psycopg.connect(url) as other:
        other.execute(take, [TAKEN, tenant.id])
    return before


async def test_accounts_are_shared_and_each_runs_on_one_node(
    two: tuple[Running, Running],
) -> None:
    first, second = two
    tenants = [await first.create() for _ in range(3)]
    tenants += [await second.create() for _ in range(3)]

    def shared() -> bool:
        owned = [[runs(node, tenant) for node in two] for tenant in tenants]
        return all(sum(one) == 1 for one in owned) and {
            sum(one[0] for one in owned),
            sum(one[1] for one in owned),
        } == {3}

    await eventually(shared)
    for tenant in tenants:
        await at(tenant, first).state("authorized")
        await at(tenant, second).state("authorized")


async def test_a_node_that_joins_gets_its_share_one_account_after_the_other(
    start: Start, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership_module, "QUIET_SECONDS", 0.5)
    async with start("a") as first:
        tenants = [await first.create() for _ in range(4)]
        await eventually(lambda: all(runs(first, tenant) for tenant in tenants))
        async with start("b") as second:
            await eventually(lambda: sum(runs(second, tenant) for tenant in tenants) == 1)
            assert sum(runs(first, tenant) for tenant in tenants) == 3
            await eventually(lambda: sum(runs(second, tenant) for tenant in tenants) == 2)
            await stays(lambda: sum(runs(first, one) for one in tenants) == 2, seconds=1.5)
            for tenant in tenants:
                await at(tenant, second).state("authorized")


async def test_what_one_node_accepts_its_owner_publishes_and_both_show(
    two: tuple[Running, Running],
) -> None:
    tenant = await two[0].create()
    here, there = await owner(tenant, two)
    await at(tenant, there).state("authorized")
    for number, node in enumerate((here, there, here)):
        await post(at(tenant, node), f"Hello {number}")
        for asked in (there, here):
            items = await posted(at(tenant, asked), f"Hello {number}")
            assert len(items) == number + 1


async def test_a_live_call_for_an_account_of_another_node_says_where_it_runs(
    two: tuple[Running, Running],
) -> None:
    tenant = await two[0].create()
    here, there = await owner(tenant, two)
    await at(tenant, there).state("authorized")
    event = [{"event": "state", "state": "blocked"}]
    elsewhere = at(tenant, there)
    for reply in (
        await elsewhere.post("simulate", event),
        await elsewhere.get("qr"),
        await elsewhere.get("reboot"),
        await elsewhere.get("logout"),
        await elsewhere.post("checkWhatsapp", {"phoneNumber": 79001112233}),
        await there.partner("deleteInstanceAccount", {"idInstance": tenant.id}),
    ):
        assert reply.code == 503
        assert reply.headers["retry-after"] == "1"
        name = here.built.settings.node
        assert reply.message == f"Service Unavailable: the account runs on the node '{name}'"
    assert (await at(tenant, here).post("simulate", event)).code == 200


async def test_a_stopped_node_hands_its_accounts_over_at_once(start: Start) -> None:
    async with start("a") as first:
        async with start("b") as second:
            tenants = [await second.create() for _ in range(4)]
            await eventually(lambda: sum(runs(second, one) for one in tenants) == 2)
        await eventually(lambda: all(runs(first, one) for one in tenants), seconds=10)
        for tenant in tenants:
            await at(tenant, first).state("authorized")


async def test_a_node_whose_beats_stop_lets_go_before_another_takes_its_accounts(
    two: tuple[Running, Running], url: str
) -> None:
    """Its database does not answer, as behind a broken switch; it goes on by itself later."""
    tenant = await two[0].create()
    here, there = await owner(tenant, two)
    held: list[tuple[bool, bool]] = []

    async def watch() -> None:
        while not (held and held[-1][1]):
            held.append((runs(here, tenant), runs(there, tenant)))
            await asyncio.sleep(0.002)

    link = here.built.journal.node
    assert link is not None
    with psycopg.connect(url) as frozen:  # the beat waits for a lock that nobody frees
        frozen.execute("SELECT FROM nodes WHERE node = %s FOR UPDATE", [link.node])
        watching = asyncio.create_task(watch())
        await eventually(lambda: held and not held[-1][0])
        frozen.rollback()
    # It beats again: nothing was taken, so it goes on.
    await eventually(lambda: runs(here, tenant) or runs(there, tenant))
    watching.cancel()
    assert (True, True) not in held


async def test_an_account_that_was_taken_stops_where_it_ran_and_loses_nothing(
    two: tuple[Running, Running], url: str
) -> None:
    tenant = await two[0].create()
    here, there = await owner(tenant, two)
    await at(tenant, here).state("authorized")
    before = take_away(url, tenant)
    await eventually(lambda: token(url, tenant) not in (before, TAKEN))
    await owner(tenant, two)
    await at(tenant, there).state("authorized")
    await post(at(tenant, there), "Still")
    await posted(at(tenant, here), "Still")


async def test_an_event_that_the_fence_refuses_is_neither_acknowledged_nor_dropped(
    start: Start, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is repeated to whoever owns the account next; here, that is the same node again."""
    monkeypatch.setattr(ownership_module, "LOOK_SECONDS", 600)  # only the fence is noticed
    async with start("a") as node:
        tenant = await node.create()
        await tenant.state("authorized")
        before = take_away(url, tenant)

        async def simulated() -> bool:
            reply = await tenant.post("simulate", [CONTACT, TEXT | {"idMessage": "A1"}])
            return reply.code == 200

        await eventually(simulated)

        async def recorded() -> bool:
            items = (await tenant.get("getIncomingStatuses")).json()
            return [one["idMessage"] for one in items] == ["A1"]

        await eventually(recorded)
        assert token(url, tenant) not in (before, TAKEN)


async def test_a_stream_on_any_node_misses_no_event_and_repeats_none(
    two: tuple[Running, Running],
) -> None:
    tenant = await two[0].create()
    here, there = await owner(tenant, two)
    await at(tenant, there).state("authorized")
    stream = there.built.services.live.open(
        there.built.instances.get(InstanceId(tenant.id)), None
    )
    chunks = stream.chunks()
    await anext(chunks)
    numbers: list[int] = []

    async def read() -> None:
        async for chunk in chunks:
            lines = [one for one in chunk.splitlines() if one.startswith(b"id: ")]
            numbers.extend(int(one[4:]) for one in lines)

    reading = asyncio.create_task(read())
    for number in range(6):
        await at(tenant, here).simulate(CONTACT, TEXT | {"text": f"{number}"})
        await post(at(tenant, there), f"{number}")
    await eventually(lambda: len(numbers) >= 6)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    stream.end()
    await reading


async def test_a_waiting_poll_is_answered_by_what_another_node_commits(
    two: tuple[Running, Running],
) -> None:
    tenant = await two[0].create(statusWebhook="yes")
    here, there = await owner(tenant, two)
    await at(tenant, there).state("authorized")
    polling = asyncio.create_task(
        at(tenant, there).get("receiveNotification", "receiveTimeout=30")
    )
    await asyncio.sleep(0)
    await at(tenant, here).simulate(CONTACT, TEXT)
    reply = await polling
    assert reply.code == 200
    assert reply.json() is not None


def settings(url: str, tmp_path: Path, **more: Any) -> Settings:
    return Settings(database=url, data=str(tmp_path / "c"), admin_token=ADMIN, **more)


async def starts(options: Settings) -> None:
    async with gateway(options, "http://127.0.0.1"):
        pass


async def test_a_node_without_the_common_key_does_not_start(url: str, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="need the setting server_key"):
        await starts(settings(url, tmp_path, node="a"))
    media = str(tmp_path / "media")
    with pytest.raises(StartError, match="not 32 bytes in hex"):
        await starts(settings(url, tmp_path, node="a", server_key="secret", media=media))
    await starts(settings(url, tmp_path, node="a", server_key=KEY, media=media))
    with pytest.raises(StartError, match="is not that of this database") as refused:
        await starts(settings(url, tmp_path, node="b", server_key="a5" * 32, media=media))
    assert "a5a5" not in str(refused.value)


async def test_nodes_without_common_media_do_not_start(url: str, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="need the setting media"):
        await starts(settings(url, tmp_path, node="a", server_key=KEY))


async def test_real_accounts_and_several_nodes_refuse_each_other(
    url: str, tmp_path: Path, start: Start
) -> None:
    async with start("a") as node:
        reply = await node.partner("createInstance", {"engine": "neonize"})
        assert reply.code == 400
        assert "several nodes run only sandbox accounts" in reply.message
    options = settings(url, tmp_path, server_key=KEY)
    async with running_gateway(tmp_path / "c", url, server_key=KEY) as alone:
        await alone.create(engine="neonize")
    with pytest.raises(StartError, match="is a real account"):
        await starts(settings(url, tmp_path, node="a", server_key=KEY, media="media"))
    await starts(options)
