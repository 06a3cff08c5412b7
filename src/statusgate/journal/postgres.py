"""PostgreSQL through psycopg: a connection that is opened again when it is lost."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import starmap
from typing import Any

import psycopg
from psycopg import errors

from statusgate.domain.errors import JournalBroken, JournalFull, JournalUnavailable
from statusgate.domain.ids import InstanceId

from .rows import row_type
from .session import Collision, Health, InDoubt, JournalRefused, Lost, Value, bound
from .sql import statements

REST_SECONDS = 0.5
"""After a failed connect, further transactions fail at once for this long."""
NEEDED = ("fsync", "full_page_writes", "synchronous_commit")
_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_STATEMENTS = statements("postgres")
FROZEN_SECONDS = 5
"""A transaction whose process has stopped keeps its locks for this long."""
# The server notices within half a minute that this host is gone.
KEEPALIVE = """
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4"""


def writing() -> str:
    """Settings of a session that locks instances: when it stops, others must not wait long."""
    return f"""{KEEPALIVE}; SET lock_timeout = '10s';
SET idle_in_transaction_session_timeout = '{FROZEN_SECONDS}s'"""


class PostgresSession:
    """One connection, opened when needed; see ``session.Session``."""

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        health: Health | None = None,
        application_name: str = "statusgate",
        settings: str = "",
    ) -> None:
        """*settings*: SQL with which each connection begins."""
        self._url = url
        self._health = health or Health()
        self._application_name = application_name
        self._read_only = read_only
        self._settings = settings
        self._db: psycopg.Connection[Any] | None = None
        self._rest_until = 0.0
        self.connections = 0
        """opened so far"""
        self._tokens: dict[InstanceId, int] = {}
        """of the instances that this transaction has locked"""

    def run(self, name: str, /, **parameters: Value) -> list[Any]:
        cursor = self._execute(_STATEMENTS[name].sql, bound(parameters))
        if cursor.description is None:
            return []
        row = row_type(tuple(column.name for column in cursor.description))
        return [*starmap(row, cursor.fetchall())]

    def run_script(self, text: str) -> list[Any]:
        """Run any SQL (migrations, settings)."""
        cursor = self._execute(text)
        return cursor.fetchall() if cursor.description is not None else []

    def lock(self, instance_ids: Iterable[InstanceId]) -> None:
        wanted = sorted(set(instance_ids) - self._tokens.keys())
        if wanted:
            rows = self.run("lock_instances", ids=[[one] for one in wanted])
            self._tokens |= dict.fromkeys(wanted, 0)
            self._tokens |= {row.instance_id: row.token for row in rows}

    def holds(self, instance_id: InstanceId | None) -> bool:
        return instance_id in self._tokens

    def token(self, instance_id: InstanceId) -> int:
        return self._tokens[instance_id]

    def begin(self) -> None:
        if self._health.fault:
            raise JournalBroken(self._health.fault)
        self._tokens.clear()
        self._connect()

    def commit(self) -> None:
        if self._db is None:
            raise Lost("the connection to the database is lost")
        try:
            self._db.commit()
        except psycopg.Error as error:
            if self._db.closed:
                self._drop()
                raise InDoubt(f"it is not known whether it is saved: {error}") from error
            raise self._translated(error) from error

    def rollback(self) -> None:
        if self._db is not None:
            try:
                self._db.rollback()
            except psycopg.Error:
                self._drop()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        locked = self._tokens.copy()
        self._execute("SAVEPOINT work")
        try:
            yield
        except Exception as error:
            if not isinstance(error, JournalUnavailable):
                self._execute("ROLLBACK TO SAVEPOINT work")
                self._tokens = locked  # it gave up the locks that were taken since
            raise
        self._execute("RELEASE SAVEPOINT work")

    def maintain(self) -> None:
        """Nothing to do: the server maintains itself."""

    def close(self) -> None:
        self._drop()

    def _execute(
        self, text: str, parameters: dict[str, Any] | None = None
    ) -> psycopg.Cursor[Any]:
        if self._db is None:
            raise Lost("the connection to the database is lost")
        try:
            return self._db.execute(text, parameters)
        except psycopg.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: psycopg.Error) -> Exception:
        """Return what an error of the server means to the callers."""
        if self._db is None or self._db.closed:
            self._drop()
            return Lost(f"the connection to the database is lost: {error}")
        if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure):
            return Collision(str(error))
        if isinstance(error, errors.DiskFull):
            return JournalFull("no room left to write")
        if isinstance(error, errors.ReadOnlySqlTransaction):
            self._drop()  # a standby now; the next connection finds the new primary
            return JournalUnavailable("the server takes no writes")
        if isinstance(error, psycopg.OperationalError | psycopg.InternalError):
            return JournalUnavailable(f"the database does not answer: {error}")
        return error

    def _connect(self) -> None:
        if self._db is not None and not self._db.closed:
            return
        if time.monotonic() < self._rest_until:
            raise JournalUnavailable("the database cannot be reached")
        try:
            self._db = psycopg.connect(
                self._url, application_name=self._application_name, **_OPTIONS
            )
            self.connections += 1
            if self._settings:
                self._db.autocommit = True
                self._db.execute(self._settings)
                self._db.autocommit = False
            self._db.read_only = self._read_only
            if self._read_only:
                self._db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        except psycopg.OperationalError as error:
            self._drop()
            self._rest_until = time.monotonic() + REST_SECONDS
            raise JournalUnavailable(f"the database cannot be reached: {error}") from error

    def _drop(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()


def check_server(session: PostgresSession) -> None:
    """Refuse a server that may lose what it confirmed."""
    session.begin()
    for name in NEEDED:
        value = session.run_script(f"SHOW {name}")[0][0]
        if value == "off":
            raise JournalRefused(f"the server has {name} = off: what it confirms is not safe")
    session.commit()
