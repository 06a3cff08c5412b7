"""Migrations. Migrated equals fresh; a kill leaves a database before or behind a step."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from statusgate.journal import JournalRefused, open_journal
from statusgate.journal.migrate import Migration, migrate, migrations
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.session import Health
from statusgate.journal.sql import Dialect
from statusgate.journal.sqlite import SqliteSession
from statusgate.journal.transaction import Transaction
from tests.databases import fresh_schema, new_instance, transaction
from tests.factories import INSTANCE, new_status

Session = SqliteSession | PostgresSession

LATER = [
    Migration(
        9001, "9001_colour", "0.1.0", "CREATE TABLE later (instance_id BIGINT NOT NULL) STRICT;"
    ),
    Migration(
        9002,
        "9002_more",
        "0.1.0",
        "ALTER TABLE later ADD COLUMN note TEXT;\nUPDATE statuses SET text = text || '!';",
    ),
]
"""What a future release could bring: two steps with schema and data."""


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """A connection to an empty database."""
    made = connect(database_url)
    yield made
    made.close()


def connect(url: str) -> Session:
    if url.startswith("sqlite"):
        return SqliteSession(url.removeprefix("sqlite:///"), Health())
    return PostgresSession(url)


def dialect_of(session: Session) -> Dialect:
    return "sqlite" if isinstance(session, SqliteSession) else "postgres"


def schema(session: Session) -> list[Any]:
    """Everything that the database says of its tables and indexes."""
    if isinstance(session, SqliteSession):
        sql = "SELECT name, sql FROM sqlite_schema ORDER BY name"
    else:
        sql = (
            "SELECT table_name, column_name, data_type, is_nullable, collation_name"
            " FROM information_schema.columns WHERE table_schema = current_schema()"
            " UNION ALL SELECT tablename, indexname, indexdef, '', NULL FROM pg_indexes"
            " WHERE schemaname = current_schema() ORDER BY 1, 2"
        )
    session.begin()
    rows = session.run_script(sql)
    session.commit()
    return [str(row).replace("test_", "") for row in rows]


class Killed(BaseException):
    """The process ends here."""


class Dying:
    """A session whose process is killed before its n-th step."""

    def __init__(self, session: Session, steps: int) -> None:
        self._session = session
        self._steps = steps

    def _step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise Killed

    def begin(self) -> None:
        self._step()
        self._session.begin()

    def commit(self) -> None:
        self._step()
        self._session.commit()

    def rollback(self) -> None:
        """A dead process rolls nothing back; the database does."""

    def run_script(self, text: str, /) -> list[Any]:
        self._step()
        return self._session.run_script(text)


def test_each_file_has_a_number_of_its_own_and_states_what_it_works_with() -> None:
    found = migrations()
    assert len({one.number for one in found}) == len(found)
    assert all(one.works_with for one in found)


def test_migrating_twice_changes_nothing(session: Session) -> None:
    migrate(session, dialect_of(session))
    before = schema(session)
    migrate(session, dialect_of(session))
    assert schema(session) == before


def test_a_kill_at_every_step_leaves_a_database_that_goes_on(lasting_url: str) -> None:
    dialect: Dialect = "sqlite" if lasting_url.startswith("sqlite") else "postgres"
    first = connect(lasting_url)
    migrate(first, dialect)
    record = Transaction(first)
    with transaction(first):
        record.create_instance(new_instance())
        for number in range(10):
            record.record_status(INSTANCE, new_status(number))
    first.close()
    steps = kills = 0
    while True:
        dying = connect(lasting_url)
        try:
            migrate(Dying(dying, steps), dialect, [*migrations(), *LATER])
            break
        except Killed:
            kills += 1
        finally:
            dying.close()
        steps += 1
    last = connect(lasting_url)
    with transaction(last):
        statuses = Transaction(last).statuses(INSTANCE, outgoing=False, since_ms=0)
    last.close()
    assert kills >= 8
    assert [one.text for one in statuses] == [f"status {no}!" for no in range(9, -1, -1)]


def test_migrated_equals_fresh(session: Session, request: pytest.FixtureRequest) -> None:
    dialect = dialect_of(session)
    for count in range(len(migrations()) + len(LATER) + 1):
        migrate(session, dialect, [*migrations(), *LATER][:count])
    stepwise = schema(session)
    fresh: Session
    if isinstance(session, SqliteSession):
        fresh = SqliteSession(":memory:", Health())
    else:
        fresh = PostgresSession(fresh_schema(request.getfixturevalue("postgres_server")))
    migrate(fresh, dialect, [*migrations(), *LATER])
    found = schema(fresh)
    fresh.close()
    assert [_without_schema(row) for row in stepwise] == [_without_schema(row) for row in found]


def _without_schema(row: str) -> str:
    """Indexes of PostgreSQL name the schema they are in, here a number."""
    return re.sub(r" ON \d+\.", " ON ", row)


async def test_a_newer_database_is_refused_unless_it_says_it_works(lasting_url: str) -> None:
    newer = connect(lasting_url)
    dialect = dialect_of(newer)
    harmless = Migration(9001, "9001_harmless", "0.0.9", "SELECT 1;")
    migrate(newer, dialect, [*migrations(), harmless])
    journal = open_journal(lasting_url)
    await journal.close()
    breaking = Migration(9002, "9002_breaking", "99.0.0", "SELECT 1;")
    migrate(newer, dialect, [*migrations(), harmless, breaking])
    newer.close()
    with pytest.raises(JournalRefused, match=r"needs statusgate 99\.0\.0"):
        open_journal(lasting_url)
