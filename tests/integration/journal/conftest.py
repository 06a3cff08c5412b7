"""Databases for the property tests of this folder: one session of each, for a whole file."""

from collections.abc import Iterator

import pytest

from statusgate.journal.postgres import PostgresSession
from statusgate.journal.sqlite import SqliteSession
from tests.databases import fresh_schema, record_in

Session = SqliteSession | PostgresSession


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Session]:
    session, _ = record_in("sqlite:///:memory:")
    yield session
    session.close()


@pytest.fixture(scope="module")
def postgres(postgres_server: str) -> Iterator[Session]:
    session, _ = record_in(fresh_schema(postgres_server))
    yield session
    session.close()
