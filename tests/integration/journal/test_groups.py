"""Group commits on real databases: a work that is refused costs the others no commit."""

import asyncio
import contextlib

import pytest

from statusgate.domain.address import Address
from statusgate.domain.errors import InvalidRequest
from statusgate.domain.notification import End
from statusgate.journal import Later, Transaction
from statusgate.journal import writer as writer_module
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.session import Health
from statusgate.journal.sqlite import SqliteSession
from statusgate.journal.work_queue import WorkQueue
from statusgate.journal.writer import Writer
from tests.databases import new_instance, record_in, transaction
from tests.factories import INSTANCE, NOON_MS, new_status, person


class CountedSqlite(SqliteSession):
    commits = 0

    def commit(self) -> None:
        super().commit()
        self.commits += 1


class CountedPostgres(PostgresSession):
    commits = 0

    def commit(self) -> None:
        super().commit()
        self.commits += 1


@pytest.fixture
def counted(lasting_url: str) -> CountedSqlite | CountedPostgres:
    """A session on a journal with one instance, that counts its commits."""
    session, record = record_in(lasting_url)
    with transaction(session):
        record.create_instance(new_instance())
    session.close()
    if lasting_url.startswith("sqlite"):
        return CountedSqlite(lasting_url.removeprefix("sqlite:///"), Health())
    return CountedPostgres(lasting_url)


def post(tx: Transaction, number: int) -> int:
    made = tx.record_status(INSTANCE, new_status(number, author=person(number)))
    assert made is not None
    return made.no


def refused(tx: Transaction, number: int) -> int:
    post(tx, number)
    tx.learn_identity(INSTANCE, Address(phone="7900", lid="1"))
    raise InvalidRequest("refused")


async def test_refusals_beside_three_hundred_writes_need_no_more_commits(
    counted: CountedSqlite | CountedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "TIME_TOGETHER_SECONDS", 60)  # for slow machines
    queue = WorkQueue(1000)
    works = [refused if number in (50, 150, 250) else post for number in range(303)]
    calls = [
        asyncio.create_task(
            queue.submit(INSTANCE, lambda tx, no=number, work=work: work(tx, no))  # type: ignore[misc]
        )
        for number, work in enumerate(works)
    ]
    await asyncio.sleep(0)
    writer = Writer(counted, queue, "writer")
    results = await asyncio.gather(*calls, return_exceptions=True)

    kept = await queue.submit(
        INSTANCE, lambda tx: tx.statuses(INSTANCE, outgoing=False, since_ms=0)
    )
    queue.stop(1)
    await asyncio.to_thread(writer.join)
    assert sum(isinstance(result, InvalidRequest) for result in results) == 3
    # Numbers that a refused work took are free again.
    assert sorted(one for one in results if isinstance(one, int)) == list(range(1, 301))
    assert sorted(status.no for status in kept) == list(range(1, 301))
    assert counted.commits == 2, "one for the works, one for the read"


async def test_locks_that_a_refused_work_took_are_taken_again(
    counted: CountedSqlite | CountedPostgres,
) -> None:
    counted.begin()
    with contextlib.suppress(InvalidRequest), counted.savepoint():
        counted.lock([INSTANCE])
        raise InvalidRequest("refused")
    counted.lock([INSTANCE])
    if isinstance(counted, CountedPostgres):
        locks = counted.run_script(
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
            " AND mode = 'RowShareLock' AND relation = 'owners'::regclass"
        )
        assert locks == [(1,)]
    counted.rollback()
    counted.close()


async def test_a_statement_that_fails_unread_fails_its_own_work_alone(
    counted: CountedSqlite | CountedPostgres,
) -> None:
    def twice(_: Transaction) -> None:
        counted.send("add_people", instance_id=INSTANCE, people=[[9, "79", None]])
        counted.send("add_people", instance_id=INSTANCE, people=[[9, "79", None]])

    queue = WorkQueue(10)
    works = [lambda tx: post(tx, 1), twice, lambda tx: post(tx, 2)]
    calls = [asyncio.create_task(queue.submit(INSTANCE, work)) for work in works]
    await asyncio.sleep(0)
    writer = Writer(counted, queue, "writer")
    first, failed, second = await asyncio.gather(*calls, return_exceptions=True)

    queue.stop(1)
    await asyncio.to_thread(writer.join)
    assert (first, second) == (1, 2)
    assert isinstance(failed, Exception)
    assert "unique" in str(failed).lower()


async def test_what_is_known_only_after_the_commit_is_returned_by_it(
    counted: CountedSqlite | CountedPostgres,
) -> None:
    def work(tx: Transaction) -> str | Later[str]:
        tx.add_notifications(INSTANCE, [b"{}"], NOON_MS)
        following = tx.next_push_later(INSTANCE)
        tx.end_notifications(INSTANCE, End.CLEARED, NOON_MS)
        return Later(lambda: f"{following()[0]}")

    queue = WorkQueue(10)
    writer = Writer(counted, queue, "writer")
    known = await queue.submit(INSTANCE, work)
    queue.stop(1)
    await asyncio.to_thread(writer.join)
    assert "receipt_id=1" in known, "as it was when it was asked"
    assert "ended_ms=None" in known
