"""Group commits on real databases: a work that is refused costs the others no commit."""

import asyncio
import contextlib

import pytest

from statusgate.domain.address import Address
from statusgate.domain.errors import InvalidRequest
from statusgate.journal import Transaction
from statusgate.journal import writer as writer_module
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.session import Health
from statusgate.journal.sqlite import SqliteSession
from statusgate.journal.work_queue import WorkQueue
from statusgate.journal.writer import Writer
from tests.databases import new_instance, record_in, transaction
from tests.factories import INSTANCE, new_status, person


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
