"""The row that decides who owns an account: locks, claims and tokens on a real PostgreSQL."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest

from statusgate.domain.claim import Claim, acting_on
from statusgate.domain.errors import Fenced
from statusgate.domain.ids import InstanceId
from statusgate.journal import Journal, Transaction, open_journal, postgres
from tests.databases import fresh_schema, new_instance
from tests.factories import new_status
from tests.waiting import eventually

pytestmark = pytest.mark.postgres
FIRST, SECOND, THIRD = InstanceId(10), InstanceId(14), InstanceId(18)
"""the same writer of a journal serves them"""


@pytest.fixture
def url(postgres_server: str) -> str:
    return fresh_schema(postgres_server)


@pytest.fixture
async def served(url: str) -> AsyncIterator[Journal]:
    """A journal with three instances."""
    journal = open_journal(url)
    for number in (FIRST, SECOND, THIRD):
        await journal.write(None, lambda tx, no=number: tx.create_instance(new_instance(id=no)))  # type: ignore[misc]
    yield journal
    await journal.close()


@pytest.fixture
def other(url: str) -> Iterator[psycopg.Connection[tuple[int, ...]]]:
    """A connection as another node has it."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def claim(
    connection: psycopg.Connection[tuple[int, ...]], claimed: Claim, node: int = 1
) -> None:
    connection.execute(
        "UPDATE owners SET node = %s, token = %s WHERE instance_id = %s",
        [node, claimed.token, claimed.instance_id],
    )


def posting(instance_id: InstanceId, number: int) -> Callable[[Transaction], int]:
    def work(tx: Transaction) -> int:
        status = tx.record_status(instance_id, new_status(number))
        assert status is not None
        return status.no

    return work


async def numbers(journal: Journal, instance_id: InstanceId) -> list[int]:
    kept = await journal.read(lambda tx: tx.statuses(instance_id, outgoing=False, since_ms=0))
    return sorted(status.no for status in kept)


async def waits_for_a_lock(connection: psycopg.Connection[tuple[int, ...]]) -> None:
    """Return once a backend of this database waits for a lock that another holds."""
    await eventually(
        lambda: connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND cardinality(pg_blocking_pids(pid)) > 0 AND datname = current_database()"
        ).fetchone()
    )


async def test_a_work_whose_claim_is_lost_is_fenced_and_changes_nothing(
    served: Journal, other: psycopg.Connection[tuple[int, ...]]
) -> None:
    mine = Claim(FIRST, 7)
    claim(other, mine)
    with acting_on(mine):
        assert await served.write(FIRST, posting(FIRST, 1)) == 1
    claim(other, Claim(FIRST, 8))
    with acting_on(mine), pytest.raises(Fenced, match="another node has claimed"):
        await served.write(FIRST, posting(FIRST, 2))
    assert await numbers(served, FIRST) == [1]


async def test_whoever_does_not_act_as_the_owner_needs_no_claim(
    served: Journal, other: psycopg.Connection[tuple[int, ...]]
) -> None:
    """A post is accepted by every node; so is what one account's owner writes for another."""
    claim(other, Claim(FIRST, 7))
    assert await served.write(FIRST, posting(FIRST, 1)) == 1
    with acting_on(Claim(SECOND, 9)):
        assert await served.write(FIRST, posting(FIRST, 2)) == 2


async def test_a_claim_waits_for_the_work_that_holds_the_lock(
    served: Journal, other: psycopg.Connection[tuple[int, ...]], url: str
) -> None:
    """Lock, then claim: the work is committed before the claim, and the next one is fenced."""
    mine, theirs = Claim(FIRST, 7), Claim(FIRST, 8)
    claim(other, mine)
    begun, goes_on = threading.Event(), threading.Event()

    def slow(tx: Transaction) -> int:
        begun.set()
        assert goes_on.wait(30)
        return posting(FIRST, 1)(tx)

    with acting_on(mine):
        writing = asyncio.create_task(served.write(FIRST, slow))
    await eventually(begun.is_set)
    with psycopg.connect(url, autocommit=True) as rival:
        claiming = asyncio.create_task(asyncio.to_thread(claim, rival, theirs, 2))
        await waits_for_a_lock(other)
        with acting_on(mine):
            late = asyncio.create_task(served.write(FIRST, posting(FIRST, 2)))
        await asyncio.sleep(0)
        goes_on.set()
        assert await writing == 1
        await claiming
    with suppress(Fenced):  # it may have joined the group of the first, before the claim
        assert await late == 2
    with acting_on(mine), pytest.raises(Fenced):
        await served.write(FIRST, posting(FIRST, 3))
    assert 1 in await numbers(served, FIRST)


async def test_a_work_that_waited_for_the_lock_sees_the_claim_that_was_made_meanwhile(
    served: Journal, other: psycopg.Connection[tuple[int, ...]], url: str
) -> None:
    """Claim, then lock: the lock is a statement of its own, so the token is the newest, not
    that of a snapshot from before it waited."""
    mine = Claim(FIRST, 7)
    claim(other, mine)
    with psycopg.connect(url) as rival:
        claim(rival, Claim(FIRST, 8), 2)
        with acting_on(mine):
            writing = asyncio.create_task(served.write(FIRST, posting(FIRST, 1)))
        await waits_for_a_lock(other)
        rival.commit()
        with pytest.raises(Fenced):
            await writing
    assert await numbers(served, FIRST) == []


@asynccontextmanager
async def gathered(journal: Journal) -> AsyncIterator[None]:
    """What is written within, for accounts of one writer, forms one group."""
    goes_on = threading.Event()
    begun = threading.Event()

    def hold(_: Transaction) -> None:
        begun.set()
        assert goes_on.wait(30)

    holding = asyncio.create_task(journal.write(THIRD, hold))
    await eventually(begun.is_set)
    yield
    await asyncio.sleep(0)  # the tasks that were made within have submitted their works
    goes_on.set()
    await holding


async def test_in_a_group_only_the_work_of_the_lost_account_is_fenced(
    served: Journal, other: psycopg.Connection[tuple[int, ...]], url: str
) -> None:
    lost, kept = Claim(FIRST, 7), Claim(SECOND, 9)
    claim(other, lost)
    claim(other, kept)
    calls = []
    with psycopg.connect(url) as rival:
        claim(rival, Claim(FIRST, 8), 2)
        async with gathered(served):
            for number, one in enumerate((kept, lost, kept)):
                with acting_on(one):
                    work = posting(one.instance_id, number)
                    calls.append(asyncio.create_task(served.write(one.instance_id, work)))
        await waits_for_a_lock(other)
        rival.commit()
    first, fenced, last = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(fenced, Fenced)
    assert (first, last) == (1, 2)
    assert await numbers(served, SECOND) == [1, 2]
    assert await numbers(served, FIRST) == []


async def test_a_group_locks_all_its_accounts_at_its_start_in_the_order_of_their_ids(
    served: Journal, other: psycopg.Connection[tuple[int, ...]], url: str
) -> None:
    """Two groups that have the same accounts in opposite order never wait for each other."""
    with psycopg.connect(url) as rival:
        rival.execute("SELECT FROM owners WHERE instance_id = %s FOR UPDATE", [FIRST])
        async with gathered(served):
            calls = [
                asyncio.create_task(served.write(one, posting(one, 1)))
                for one in (SECOND, FIRST)
            ]
        await waits_for_a_lock(other)
        rival.execute("SELECT FROM owners WHERE instance_id = %s FOR UPDATE NOWAIT", [SECOND])
        rival.commit()
    assert await asyncio.gather(*calls) == [1, 1]


async def test_a_work_that_stops_in_its_transaction_frees_its_locks_and_is_fenced_after_a_claim(
    url: str, other: psycopg.Connection[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process that is stopped, or whose machine sleeps, between two of its statements."""
    monkeypatch.setattr(postgres, "FROZEN_SECONDS", 1)
    frozen = open_journal(url)
    await frozen.write(None, lambda tx: tx.create_instance(new_instance(id=FIRST)))
    mine = Claim(FIRST, 7)
    claim(other, mine)
    locked, wakes = threading.Event(), threading.Event()

    def stops(tx: Transaction) -> int:
        locked.set()
        assert wakes.wait(90)
        return posting(FIRST, 1)(tx)

    with acting_on(mine):
        writing = asyncio.create_task(frozen.write(FIRST, stops))
    await eventually(locked.is_set)
    async with asyncio.timeout(30):  # it gets the lock although the work never goes on
        await asyncio.to_thread(claim, other, Claim(FIRST, 8), 2)
    wakes.set()
    with pytest.raises(Fenced):
        await writing
    assert await numbers(frozen, FIRST) == []
    await frozen.close()


async def test_works_for_other_accounts_do_not_wait_behind_a_group_that_is_locked_out(
    served: Journal, other: psycopg.Connection[tuple[int, ...]], url: str
) -> None:
    """Whoever holds one account keeps the writer of that account, not the other writers."""
    elsewhere = InstanceId(11)
    await served.write(None, lambda tx: tx.create_instance(new_instance(id=elsewhere)))
    with psycopg.connect(url) as rival:
        claim(rival, Claim(FIRST, 8), 2)
        waiting = asyncio.create_task(served.write(FIRST, posting(FIRST, 1)))
        await waits_for_a_lock(other)
        assert await served.write(elsewhere, posting(elsewhere, 1)) == 1
        assert not waiting.done()
        rival.commit()
        assert await waiting == 1
