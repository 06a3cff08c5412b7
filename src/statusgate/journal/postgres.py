"""PostgreSQL through psycopg: a connection that is opened again when it is lost."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import starmap
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq.abc import PGresult

from statusgate.domain.errors import JournalBroken, JournalFull, JournalUnavailable
from statusgate.domain.ids import InstanceId

from .pipeline import Answer, Pipeline
from .rows import row_type
from .session import (
    Call,
    Collision,
    Health,
    InDoubt,
    JournalRefused,
    Lost,
    Scalar,
    Value,
    bound,
)
from .sql import statements

REST_SECONDS = 0.5
"""After a failed connect, further transactions fail at once for this long."""
IDLE_SECONDS = 1.0
"""A connection that was silent for longer may be broken without anyone having noticed."""
NEEDED = ("fsync", "full_page_writes", "synchronous_commit")
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_OPTIONS: dict[str, Any] = {
    "client_encoding": "UTF8",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_STATEMENTS = statements("postgres")
_ROWS: dict[str, type[Any]] = {}
"""classes of rows by statement, once it has returned one"""
FROZEN_SECONDS = 5
"""A transaction whose process has stopped keeps its locks for this long; in the midst of a
pipeline, where the server does not count as idle, three times as long (PostgreSQL 17)."""
# The server notices within half a minute that this host is gone.
KEEPALIVE = """
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4"""


def writing() -> str:
    """Settings of a session that locks instances: when it stops, others must not wait long."""
    return f"""{KEEPALIVE}; SET lock_timeout = '10s';
SET idle_in_transaction_session_timeout = '{FROZEN_SECONDS}s';
SELECT set_config('transaction_timeout', '{3 * FROZEN_SECONDS}s', false)
WHERE current_setting('server_version_num')::int >= 170000"""


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
        self._pipeline: Pipeline | None = None
        self._rest_until = 0.0
        self.connections = 0
        """opened so far"""
        self._locked: set[InstanceId] = set()
        self._tokens: dict[InstanceId, int] = {}
        """of the instances that this transaction has locked, once one was asked for"""
        self._heard = 0.0
        """when the server last answered"""

    def run(self, name: str, /, **parameters: Value) -> list[Any]:
        (rows,) = self.run_each((name, parameters))
        return rows

    def run_each(self, *calls: Call) -> list[list[Any]]:
        asked = [self.ask(name, **parameters) for name, parameters in calls]
        self._wait()
        return [rows() for rows in asked]

    def ask(self, name: str, /, **parameters: Value) -> Callable[[], list[Any]]:
        statement, values = _STATEMENTS[name], bound(parameters)
        answer = self._send(statement.sql, [values[name] for name in statement.parameters])
        return lambda: self._rows(name, answer.result)

    def send(self, name: str, /, **parameters: Value) -> None:
        self.ask(name, **parameters)

    def run_script(self, text: str) -> list[Any]:
        """Run any SQL (migrations, settings)."""
        try:
            return self._open().run_script(text)
        except psycopg.Error as error:
            raise self._translated(error) from error

    def lock(self, instance_ids: Iterable[InstanceId]) -> None:
        wanted = sorted(set(instance_ids) - self._locked)
        if wanted:
            self.send("lock_instances", ids=[[one] for one in wanted])
            self._locked.update(wanted)

    def holds(self, instance_id: InstanceId | None) -> bool:
        return instance_id in self._locked

    def token(self, instance_id: InstanceId) -> int:
        if instance_id not in self._tokens:  # a server without others never asks
            locked = sorted(self._locked)
            rows = self.run("lock_instances", ids=[[one] for one in locked])
            self._tokens = dict.fromkeys(locked, 0)
            self._tokens |= {row.instance_id: row.token for row in rows}
        return self._tokens[instance_id]

    def begin(self) -> None:
        if self._health.fault:
            raise JournalBroken(self._health.fault)
        self._locked.clear()
        self._tokens.clear()
        self._connect()
        self._send(_READ if self._read_only else "BEGIN")

    def commit(self) -> None:
        if time.monotonic() > self._heard + IDLE_SECONDS:
            self._wait()  # a connection that broke while it was idle leaves no doubt
        self._send("COMMIT")
        pipeline = self._open()
        try:
            pipeline.end() if self._read_only else pipeline.sync()
            self._heard = time.monotonic()
        except psycopg.Error as error:
            if self._is_lost() and not pipeline.skipped:
                self._drop()
                raise InDoubt(f"it is not known whether it is saved: {error}") from error
            raise self._translated(error) from error

    def rollback(self) -> None:
        if self._pipeline is not None:
            try:
                self._pipeline.undo("ROLLBACK")
            except psycopg.Error:
                self._drop()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        locked = self._locked.copy()
        self._send("SAVEPOINT work")
        try:
            yield
            self._send("RELEASE SAVEPOINT work")
            self._wait()
        except JournalUnavailable:
            raise
        except Exception:
            self._undo("ROLLBACK TO SAVEPOINT work")
            self._locked = locked  # it gave up the locks that were taken since
            self._tokens.clear()
            raise

    def maintain(self) -> None:
        """Nothing to do: the server maintains itself."""

    def close(self) -> None:
        self._drop()

    def _send(self, sql: str, values: Sequence[Scalar] = ()) -> Answer:
        try:
            return self._open().send(sql, values)
        except psycopg.Error as error:
            raise self._translated(error) from error

    def _wait(self) -> None:
        try:
            self._open().wait()
        except psycopg.Error as error:
            raise self._translated(error) from error
        self._heard = time.monotonic()

    def _rows(self, name: str, answer: PGresult) -> list[Any]:
        if not answer.ntuples:
            return []
        row = _ROWS.get(name)
        if row is None:
            columns = (answer.fname(place) or b"" for place in range(answer.nfields))
            row = _ROWS[name] = row_type(tuple(column.decode() for column in columns))
        return [*starmap(row, self._open().rows(answer))]

    def _undo(self, sql: str) -> None:
        try:
            self._open().undo(sql)
        except psycopg.Error as error:
            raise self._translated(error) from error

    def _open(self) -> Pipeline:
        if self._pipeline is None:
            raise Lost("the connection to the database is lost")
        return self._pipeline

    def _is_lost(self) -> bool:
        return self._db is None or self._db.closed

    def _translated(self, error: psycopg.Error) -> Exception:
        """Return what an error of the server means to the callers."""
        if self._is_lost():
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
        if not self._is_lost():
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
            self._pipeline = Pipeline(self._db)
        except psycopg.OperationalError as error:
            self._drop()
            self._rest_until = time.monotonic() + REST_SECONDS
            raise JournalUnavailable(f"the database cannot be reached: {error}") from error

    def _drop(self) -> None:
        db, self._db, self._pipeline = self._db, None, None
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
