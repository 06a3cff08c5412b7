"""Leases of nodes: who lives, who is expired, and what a node knows of itself."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from statusgate.domain.ids import InstanceId
from statusgate.domain.nodes import Times
from statusgate.journal import (
    Journal,
    JournalRefused,
    Transaction,
    open_journal,
    postgres,
    server_lock,
)
from statusgate.journal.instances import OPERATOR
from statusgate.journal.migrate import Migration, migrate, migrations
from statusgate.journal.node_link import NodeLink
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.session import Health
from tests.databases import fresh_schema, new_instance
from tests.factories import new_status
from tests.waiting import eventually, stays

pytestmark = pytest.mark.postgres
QUICK = Times(beat_seconds=0.05, lease_seconds=0.7, expiry_seconds=1.0)
SILENT = Times(beat_seconds=600, lease_seconds=0.7, expiry_seconds=1.0)
"""of a node that beats once and never again, as if it were stopped"""
Open = Callable[..., NodeLink]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_lock, "PATIENCE_SECONDS", 0.3)


@pytest.fixture
async def url(postgres_server: str) -> str:
    """The address of a database that has its tables."""
    url = fresh_schema(postgres_server)
    await open_journal(url).close()
    return url


@pytest.fixture
async def node(url: str) -> AsyncIterator[Open]:
    """Opens nodes, and ends them."""
    opened: list[NodeLink] = []

    def open_node(name: str, times: Times = QUICK) -> NodeLink:
        link = NodeLink(url, Health(), name, times)
        opened.append(link)
        link.join()
        return link

    yield open_node
    for one in opened:
        await asyncio.to_thread(one.release)


def numbers(url: str) -> set[int]:
    with psycopg.connect(url) as connection:
        return {number for (number,) in connection.execute("SELECT node FROM nodes").fetchall()}


async def joined(link: NodeLink) -> int:
    await eventually(lambda: link.node and link.lease_seconds > 0)
    return link.node


async def test_nodes_of_two_names_serve_beside_each_other_and_of_one_name_only_one(
    url: str, node: Open
) -> None:
    first, second = node("a"), node("b")
    assert await joined(first) != await joined(second)
    with pytest.raises(JournalRefused, match="a node named 'a'"):
        node("a")
    assert numbers(url) == {first.node, second.node}


async def test_a_server_without_a_name_and_nodes_refuse_each_other(
    url: str, node: Open
) -> None:
    link = node("a")
    await joined(link)
    with pytest.raises(JournalRefused, match="served by another process"):
        open_journal(url)
    await asyncio.to_thread(link.release)
    served = open_journal(url)
    with pytest.raises(JournalRefused, match="without a name"):
        node("b")
    await served.close()


async def test_several_nodes_need_postgresql() -> None:
    with pytest.raises(JournalRefused, match="need a PostgreSQL database"):
        open_journal("sqlite:///:memory:", node="a")


async def test_a_node_that_says_goodbye_is_gone_at_once(url: str, node: Open) -> None:
    first, second = node("a"), node("b", SILENT)
    await joined(first)
    await joined(second)
    await asyncio.to_thread(second.release)
    assert numbers(url) == {first.node}


async def test_a_silent_node_has_lost_its_lease_before_others_expire_it(
    url: str, node: Open
) -> None:
    silent, living = node("a", SILENT), node("b")
    await joined(silent)
    left: list[float] = []
    await joined(living)
    living.on_change(lambda: left.append(silent.lease_seconds))
    await eventually(lambda: left)
    assert left[0] < 0
    assert numbers(url) == {living.node}
    await stays(lambda: living.lease_seconds > 0)


async def test_a_beat_between_a_look_and_the_expiry_saves_the_node(
    url: str, node: Open
) -> None:
    """Expiring depends on the counter that was seen, and waits for a beat on its way."""
    silent = node("a", SILENT)
    number = await joined(silent)
    beating, observer = PostgresSession(url), PostgresSession(url)
    for session in (beating, observer):
        session.begin()
    seen = {"instance_id": OPERATOR, "node": number}
    beating.run("beat", **seen)
    ((pid,),) = observer.run_script("SELECT pg_backend_pid()")
    expiring = asyncio.create_task(
        asyncio.to_thread(lambda: observer.run("expire_node", **seen, beats=0))
    )
    waits = f"SELECT FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"
    await eventually(lambda: beating.run_script(waits))
    beating.commit()
    assert await expiring == []
    for session in (beating, observer):
        session.close()


async def test_an_expired_node_has_no_lease_and_joins_under_another_number_when_it_may(
    url: str, node: Open
) -> None:
    link = node("a")
    before = await joined(link)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("DELETE FROM nodes")
        await eventually(lambda: link.node == 0)
        assert link.lease_seconds < 0
        await stays(lambda: numbers(url) == set())
    link.join()
    assert await joined(link) != before


async def test_whoever_has_lost_its_connection_expires_nobody_by_what_it_saw_before(
    url: str, node: Open
) -> None:
    """As after a restart of the database, when every node is late."""
    silent, living = node("a", SILENT), node("b")
    number = await joined(silent)
    await joined(living)
    ended = 0
    with psycopg.connect(url, autocommit=True) as administrator:
        while ended < 6:  # three times as long as it takes
            await asyncio.sleep(0.5)
            ended += administrator.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = %s",
                [f"statusgate server {living.name}"],
            ).fetchall()[0][0]
            assert number in numbers(url)
    await eventually(lambda: number not in numbers(url))


async def test_a_beat_that_cannot_be_sent_does_not_renew_the_lease(
    url: str, node: Open
) -> None:
    link = node("a")
    await joined(link)
    with psycopg.connect(url) as frozen:  # the row is locked, so no beat is committed
        frozen.execute("SELECT FROM nodes FOR UPDATE")
        await eventually(lambda: link.lease_seconds < 0)
        assert link.node, "nobody has expired it"
        frozen.rollback()
        await eventually(lambda: link.lease_seconds > 0)


async def test_the_transactions_of_a_node_end_with_it(
    url: str, monkeypatch: pytest.MonkeyPatch, node: Open
) -> None:
    """One that was stopped in a transaction cannot keep its accounts from the next owner."""
    monkeypatch.setattr(postgres, "FROZEN_SECONDS", 600)
    frozen = open_journal(url, node="a", times=SILENT)
    one = InstanceId(10)
    await frozen.write(None, lambda tx: tx.create_instance(new_instance(id=one)))
    locked, wakes = threading.Event(), threading.Event()

    def stops(tx: Transaction) -> None:
        locked.set()
        assert wakes.wait(60)
        tx.record_status(one, new_status(1))

    writing = asyncio.create_task(frozen.write(one, stops))
    await eventually(locked.is_set)
    living = node("b")
    await joined(living)
    await asyncio.to_thread(lock, url, one)
    wakes.set()
    await writing  # its connection was lost, so it ran again; a claim would have fenced it
    await close(frozen)


def later(works_with: str) -> list[Migration]:
    """What a future release may bring."""
    text = "CREATE TABLE later (instance_id BIGINT NOT NULL);"
    return [*migrations(), Migration(9001, "9001_later", works_with, text)]


async def test_a_migration_waits_until_no_living_node_is_too_old_for_it(
    url: str, node: Open
) -> None:
    link = node("a")
    await joined(link)
    session = PostgresSession(url)
    with pytest.raises(JournalRefused, match=r"the node 'a' runs statusgate .* 9001_later"):
        migrate(session, "postgres", later("9.0.0"))
    await asyncio.to_thread(link.release)
    with psycopg.connect(url) as connection:  # a node that was killed leaves its row, no lock
        connection.execute("INSERT INTO nodes VALUES (0, 1, 'b', 's', '0.3.0', 1)")
    assert migrate(session, "postgres", later("9.0.0")) == ["9001_later"]
    session.close()


async def test_a_migration_that_living_nodes_can_work_with_is_applied_beside_them(
    url: str, node: Open
) -> None:
    link = node("a")
    await joined(link)
    session = PostgresSession(url)
    assert migrate(session, "postgres", later("0.3.0")) == ["9001_later"]
    session.close()
    await stays(lambda: link.lease_seconds > 0)


async def test_a_node_does_not_join_a_database_that_was_migrated_beyond_it(
    url: str,
) -> None:
    """Between its start and its joining, or while it was away."""
    health = Health()
    link = NodeLink(url, health, "a", QUICK)
    session = PostgresSession(url)
    migrate(session, "postgres", later("9.0.0"))
    session.close()
    link.join()
    await eventually(lambda: health.fault)
    assert "needs statusgate 9.0.0" in health.fault
    assert numbers(url) == set()
    await asyncio.to_thread(link.release)


def lock(url: str, instance_id: InstanceId) -> None:
    """Return once the row of an instance can be locked."""
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM owners WHERE instance_id = %s FOR UPDATE", [instance_id])


async def close(journal: Journal) -> None:
    async with asyncio.timeout(30):
        await journal.close()
