"""F9 and what only PostgreSQL brings: lost connections, doubt, deadlocks, many writers."""

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest

from statusgate.domain.errors import JournalFull, JournalUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress, Receipt
from statusgate.journal import Journal, Transaction, open_journal, postgres
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.session import Collision, Lost
from tests.databases import fresh_schema, new_instance
from tests.factories import INSTANCE, NOON_MS, new_status, person
from tests.waiting import eventually

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres_server: str) -> str:
    return fresh_schema(postgres_server)


@pytest.fixture
async def served(url: str) -> AsyncIterator[Journal]:
    journal = open_journal(url)
    await journal.write(None, lambda tx: tx.create_instance(new_instance()))
    yield journal
    await journal.close()


def terminate_all(server: str) -> int:
    """End every connection of ours on the server, as an administrator or a restart does."""
    with psycopg.connect(server, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'statusgate'"
        ).fetchall()
    return len(rows)


async def test_terminated_connections_lose_and_double_nothing(
    served: Journal, postgres_server: str
) -> None:
    confirmed: list[int] = []
    numbers = iter(range(100_000))
    ended = 0

    async def worker() -> None:
        while ended < 10:
            number = next(numbers)
            try:
                await served.write(
                    INSTANCE,
                    lambda tx, no=number: tx.record_status(INSTANCE, new_status(no)),  # type: ignore[misc]
                )
                confirmed.append(number)
            except JournalUnavailable:
                await asyncio.sleep(0.01)

    def goes_on() -> bool:
        return len(confirmed) > ended

    async def administrator() -> None:
        nonlocal ended
        while ended < 10:
            await eventually(goes_on)
            await asyncio.to_thread(terminate_all, postgres_server)
            ended += 1

    await asyncio.gather(administrator(), *(worker() for _ in range(4)))
    kept = await served.read(
        lambda record: record.statuses(INSTANCE, outgoing=False, since_ms=0)
    )
    found = [int(one.status_id[4:], 16) for one in kept]
    assert len(found) == len(set(found))
    assert set(confirmed) <= set(found)
    assert len(confirmed) >= 10


async def test_an_idle_connection_that_was_ended_is_replaced_unnoticed(
    served: Journal, postgres_server: str
) -> None:
    assert await asyncio.to_thread(terminate_all, postgres_server) >= 1
    await served.write(INSTANCE, lambda tx: tx.record_status(INSTANCE, new_status(1)))
    assert await served.read(lambda record: record.status_by_no(INSTANCE, 1)) is not None
    assert served.healthy


async def test_a_commit_in_doubt_is_reported(url: str, postgres_server: str) -> None:
    await open_journal(url).close()
    session = PostgresSession(url)
    session.begin()
    session.run("advance_cursor", instance_id=1, seq=1)
    terminate_all(postgres_server)
    with pytest.raises(JournalUnavailable, match="not known") as caught:
        session.commit()
    assert not isinstance(caught.value, Lost)
    session.rollback()
    session.begin()
    assert session.run("counter", instance_id=1, name="cursor") == []
    session.close()


async def test_a_connection_lost_before_the_commit_is_distinguished(
    url: str, postgres_server: str
) -> None:
    await open_journal(url).close()
    session = PostgresSession(url)
    session.begin()
    session.run("counter", instance_id=1, name="cursor")
    terminate_all(postgres_server)
    with pytest.raises(Lost):
        session.run("counter", instance_id=1, name="cursor")
    with pytest.raises(Lost):
        session.run("counter", instance_id=1, name="cursor")
    with pytest.raises(Lost):
        session.commit()
    session.close()


def test_a_server_that_is_gone_is_not_tried_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "REST_SECONDS", 60.0)
    session = PostgresSession("postgresql://127.0.0.1:1/none")
    with pytest.raises(JournalUnavailable, match=r"reached: .*refused"):
        session.begin()
    with pytest.raises(JournalUnavailable, match=r"reached$"):
        session.begin()


async def test_a_deadlock_is_settled_by_running_again(url: str, served: Journal) -> None:
    second = open_journal(url, exclusive=False)
    ids = [InstanceId(10), InstanceId(14)]  # the same writer of each journal serves both
    for number in ids:
        await served.write(None, lambda tx, no=number: tx.create_instance(new_instance(id=no)))  # type: ignore[misc]

    def slow(tx: Transaction, instance_id: InstanceId, number: int) -> None:
        tx.record_status(instance_id, new_status(number))
        time.sleep(0.005)

    await asyncio.gather(
        *(
            journal.write(
                ids[(number + offset) % 2],
                lambda tx, no=number, to=ids[(number + offset) % 2], by=offset: slow(  # type: ignore[misc]
                    tx, to, no * 2 + by
                ),
            )
            for offset, journal in enumerate((served, second))
            for number in range(12)
        )
    )
    kept = [
        await served.read(lambda record, no=no: record.statuses(no, outgoing=False, since_ms=0))  # type: ignore[misc]
        for no in ids
    ]
    await second.close()
    assert sum(map(len, kept)) == 24


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("40P01", Collision),  # a deadlock
        ("40001", Collision),  # a serialization failure
        ("53100", JournalFull),
        ("57014", JournalUnavailable),
        ("22012", psycopg.errors.DivisionByZero),
    ],
)
def test_what_the_server_refuses_is_told_apart(
    url: str, code: str, kind: type[Exception]
) -> None:
    session = PostgresSession(url)
    session.begin()
    try:
        with pytest.raises(kind) as told:
            raise_in(session, code)
        assert type(told.value) is kind
    finally:
        session.close()


def test_the_connection_to_a_server_that_takes_no_writes_is_given_up(url: str) -> None:
    """It is a standby now; the next connection finds the new primary."""
    session = PostgresSession(url)
    session.begin()
    with pytest.raises(JournalUnavailable, match="takes no writes"):
        raise_in(session, "25006")
    with pytest.raises(Lost):
        session.run_script("SELECT 1")
    session.begin()
    assert session.run_script("SELECT 1") == [(1,)]
    session.close()


def raise_in(session: PostgresSession, code: str) -> None:
    """Have the server raise an error of that kind."""
    session.run_script(
        f"DO $$ BEGIN RAISE 'as the server says it' USING ERRCODE = '{code}'; END $$"
    )


async def test_two_connections_may_record_receipts_of_one_instance(
    url: str, served: Journal
) -> None:
    other = open_journal(url, exclusive=False)

    def post(tx: Transaction) -> None:
        tx.record_status(INSTANCE, new_status(1, author=None, wire_id="W"))

    await served.write(INSTANCE, post)
    batches = [
        [Receipt("W", person(no), kind, NOON_MS + no) for no in range(start, start + 40)]
        for start in range(0, 200, 20)
        for kind in (Progress.DELIVERED, Progress.READ)
    ]
    await asyncio.gather(
        *(
            node.write(
                INSTANCE,
                lambda tx, one=batch: tx.record_receipts(INSTANCE, one, NOON_MS),  # type: ignore[misc]
            )
            for batch in batches
            for node in (served, other)
        )
    )
    status = await other.read(lambda record: record.status_by_no(INSTANCE, 1))
    assert status is not None
    rows = await other.read(lambda record: record.recipients(status))
    await other.close()
    assert len(rows) == 220
    assert status.last_receipt_ms == NOON_MS + 219


async def test_versions_appear_in_their_order(url: str, served: Journal) -> None:
    """Who polls by version misses no change, however many nodes save at once."""
    other = open_journal(url, exclusive=False)
    seen: dict[int, int] = {}
    latest = 0
    saving = asyncio.gather(
        *(
            node.write(None, lambda tx, no=no: tx.create_instance(new_instance(id=no)))  # type: ignore[misc]
            for no, node in enumerate([served, other] * 40, 100)
        )
    )
    while len(seen) < 80:
        for instance in await served.read(lambda record, at=latest: record.instances(at)):  # type: ignore[misc]
            latest = max(latest, instance.version)
            if instance.id != INSTANCE:
                seen[instance.id] = instance.version
        if saving.done() and len(seen) < 80:
            await asyncio.sleep(0.01)
            assert latest < 81
    await saving
    await other.close()
    assert sorted(seen.values()) == list(range(2, 82))
