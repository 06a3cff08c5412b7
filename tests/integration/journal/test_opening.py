"""Opening the record: what is refused, and who may come second."""

from pathlib import Path

import apsw
import psycopg
import pytest

from statusgate.domain.errors import JournalBroken, JournalUnavailable
from statusgate.journal import JournalRefused, open_journal, server_lock
from statusgate.journal import sqlite as sqlite_module
from statusgate.journal.migrate import migrate, migrations
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.session import Health
from statusgate.journal.sql import Dialect
from statusgate.journal.sqlite import SqliteSession
from tests.databases import fresh_schema, new_instance
from tests.factories import INSTANCE, new_status
from tests.waiting import eventually


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers look after their lock often."""
    monkeypatch.setattr(server_lock, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(server_lock, "PATIENCE_SECONDS", 0.3)


@pytest.mark.usefixtures("impatient")
async def test_a_second_server_on_one_database_is_refused(lasting_url: str) -> None:
    first = open_journal(lasting_url)
    with pytest.raises(JournalRefused, match="served by another process"):
        open_journal(lasting_url)
    await first.close()
    await open_journal(lasting_url).close()


def lock_connections(server: str) -> set[int]:
    """Process ids of the connections that hold locks of servers."""
    with psycopg.connect(server, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'statusgate server %'"
        ).fetchall()
    return {row[0] for row in rows}


def end_lock_connections(server: str) -> set[int]:
    """Terminate them, as an administrator does; returns which."""
    ended = lock_connections(server)
    with psycopg.connect(server, autocommit=True) as connection:
        for pid in ended:
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])
    return ended


@pytest.mark.postgres
@pytest.mark.usefixtures("impatient")
async def test_a_server_takes_its_lock_again_after_a_lost_connection(
    postgres_server: str,
) -> None:
    url = fresh_schema(postgres_server)
    served = open_journal(url)
    ended = end_lock_connections(postgres_server)
    await eventually(lambda: lock_connections(postgres_server) - ended)
    await eventually(lambda: is_locked(url))
    assert served.healthy
    with pytest.raises(JournalRefused, match="served by another process"):
        open_journal(url)
    await served.close()


def is_locked(url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute(server_lock.TAKE_SQL).fetchone()
    assert row is not None
    return not row[0]


@pytest.mark.postgres
async def test_a_server_whose_lock_another_took_writes_no_more(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_lock, "CHECK_SECONDS", 1.0)
    monkeypatch.setattr(server_lock, "PATIENCE_SECONDS", 0.3)
    url = fresh_schema(postgres_server)
    served = open_journal(url)
    await served.write(None, lambda tx: tx.create_instance(new_instance()))
    with psycopg.connect(url, autocommit=True) as other:
        taken = False
        while not taken:
            end_lock_connections(postgres_server)
            row = other.execute(server_lock.TAKE_SQL).fetchone()
            taken = row is not None and row[0]
        await eventually(lambda: not served.healthy)
        assert served.fault == "the database is served by another process"
        with pytest.raises(JournalBroken, match="served by another process"):
            await served.write(INSTANCE, lambda tx: tx.record_status(INSTANCE, new_status(1)))
    await served.close()


async def test_a_command_makes_no_database_unless_it_is_asked_to(lasting_url: str) -> None:
    with pytest.raises(JournalRefused, match="'statusgate serve' makes it"):
        open_journal(lasting_url, exclusive=False)
    with pytest.raises(JournalRefused, match="'statusgate serve' makes it"):
        open_journal(lasting_url, exclusive=False)
    made = open_journal(lasting_url, exclusive=False, create=True)
    await made.close()
    await open_journal(lasting_url, exclusive=False).close()


@pytest.mark.parametrize("create", [True, False])
async def test_only_a_server_brings_an_older_database_up_to_date(
    lasting_url: str, *, create: bool
) -> None:
    dialect: Dialect = "sqlite" if lasting_url.startswith("sqlite") else "postgres"
    session: SqliteSession | PostgresSession
    if dialect == "sqlite":
        session = SqliteSession(lasting_url.removeprefix("sqlite:///"), Health())
    else:
        session = PostgresSession(lasting_url)
    older = migrations()[:-1]
    migrate(session, dialect, older)
    with pytest.raises(JournalRefused, match="'statusgate migrate'"):
        open_journal(lasting_url, exclusive=False, create=create)
    session.begin()
    applied = session.run_script("SELECT number FROM migrations")
    session.close()
    assert len(applied) == len(older)
    await open_journal(lasting_url).close()
    await open_journal(lasting_url, exclusive=False).close()


async def test_a_visitor_may_read_and_write_beside_the_server(lasting_url: str) -> None:
    server, visitor = open_journal(lasting_url), open_journal(lasting_url, exclusive=False)
    created = await visitor.write(None, lambda tx: tx.create_instance(new_instance()))
    assert await server.read(lambda record: record.instances()) == [created]
    await server.write(INSTANCE, lambda tx: tx.record_status(INSTANCE, new_status(1)))
    seen = await visitor.read(
        lambda record: record.statuses(INSTANCE, outgoing=False, since_ms=0)
    )
    assert len(seen) == 1
    await visitor.close()
    await server.close()


async def test_a_visitor_leaves_checkpoints_to_the_server(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    visitor = open_journal(url, exclusive=False, create=True)
    await visitor.write(None, lambda tx: tx.create_instance(new_instance()))
    await visitor.close()
    assert (tmp_path / "journal.db-wal").stat().st_size > 0
    await open_journal(url).close()
    assert not (tmp_path / "journal.db-wal").exists()


def test_the_promises_to_the_disk_are_read_back(tmp_path: Path) -> None:
    session = SqliteSession(str(tmp_path / "journal.db"), Health())
    pragmas = ("journal_mode", "synchronous", "wal_autocheckpoint")
    found = [session.run_script(f"PRAGMA {name}")[0][0] for name in pragmas]
    session.close()
    assert found == ["wal", 2, 0]


async def test_the_record_is_for_its_owner_alone(tmp_path: Path) -> None:
    journal = open_journal(f"sqlite:///{tmp_path}/journal.db")
    await journal.write(None, lambda tx: tx.create_instance(new_instance()))
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    await journal.close()
    assert set(modes.values()) == {0o600}
    assert modes.keys() >= {"journal.db", "journal.db-wal", "journal.db.lock"}


def test_an_old_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(JournalRefused, match=r"3\.51\.3"):
        open_journal("sqlite:///:memory:")
    assert sqlite_module.OLDEST_SQLITE == (3, 51, 3)


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///", "mysql://x/y", "journal.db"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(JournalRefused):
        open_journal(url)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalRefused, match="No such file"):
        open_journal(f"sqlite:///{tmp_path}/nowhere/journal.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"something else entirely" * 1000)
    with pytest.raises(JournalRefused, match="not a database"):
        open_journal(f"sqlite:///{tmp_path}/journal.db")
    with pytest.raises(JournalRefused, match="not a database"):
        open_journal(f"sqlite:///{tmp_path}/journal.db")


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(JournalUnavailable, match="cannot be reached"):
        open_journal("postgresql://127.0.0.1:1/none?connect_timeout=1")


async def test_a_closed_journal_takes_nothing(database_url: str) -> None:
    journal = open_journal(database_url)
    await journal.close()
    await journal.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.write(None, lambda tx: tx.instances())
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.read(lambda record: record.instances())


@pytest.mark.postgres
@pytest.mark.parametrize("name", ["synchronous_commit"])
def test_a_server_that_may_forget_is_refused(postgres_server: str, name: str) -> None:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE postgres SET {name} = off")
        try:
            with pytest.raises(JournalRefused, match=name):
                open_journal(postgres_server)
        finally:
            connection.execute(f"ALTER ROLE postgres RESET {name}")
