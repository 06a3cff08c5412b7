"""SQLite through apsw: one writer that is also the only checkpointer, read-only readers."""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import starmap
from types import TracebackType
from typing import Any

import apsw
import msgspec

from statusgate.domain.errors import JournalBroken, JournalFull, JournalUnavailable
from statusgate.domain.ids import InstanceId

from .rows import row_type
from .session import Call, Health, JournalRefused, Value, bound
from .sql import statements

OLDEST_SQLITE = (3, 51, 3)
"""Older ones can corrupt a database when one connection writes while another checkpoints."""
CHECKPOINT_PAGES = 4_000
"""16 MB of WAL: then what readers allow is moved into the database."""
CHECKPOINT_STEP_PAGES = 1_000
"""If readers kept the WAL from being reset, the next try comes after this many more."""
RESTART_PAGES = 8_000
"""32 MB: then readers are waited for, so that the WAL stays below 64 MB."""
CACHE_KB = 16_000
SCAN_CACHE_KB = 2_000
"""A scan does not come back to what it has read."""
BUSY_MS = 5_000
RESTART_BUSY_MS = 100

_STATEMENTS = statements("sqlite")
_AT_ONCE: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(list[row_type(statement.at_once)])  # type: ignore[misc]
    for name, statement in _STATEMENTS.items()
    if statement.at_once
}
_ROWS: dict[str, type[Any]] = {}
"""classes of rows by statement, once it has returned one"""


class SqliteSession:
    """One connection to a database file; see ``session.Session``."""

    def __init__(
        self,
        path: str,
        health: Health,
        *,
        read_only: bool = False,
        checkpoints: bool = True,
        vfs: str | None = None,
        cache_kb: int = CACHE_KB,
    ) -> None:
        flags = (
            apsw.SQLITE_OPEN_READONLY
            if read_only
            else (apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        )
        self._health = health
        self._begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
        self._wal_pages = 0
        self._checkpoint_at = CHECKPOINT_PAGES
        self._checkpoints = checkpoints and not read_only
        with Translated(health):
            self._db = apsw.Connection(path, flags=flags, vfs=vfs)
            self._db.set_busy_timeout(BUSY_MS)
            self._db.execute(f"PRAGMA cache_size = -{cache_kb}")
            if not read_only:
                self._prepare_to_write(path)

    def run(self, name: str, /, **parameters: Value) -> list[Any]:
        statement = _STATEMENTS[name]
        with Translated(self._health):
            cursor = self._db.execute(statement.sql, bound(parameters))
            first = cursor.fetchone()
            if first is None:
                return []
            if statement.at_once:
                rows: list[Any] = _AT_ONCE[name].decode(first[0])
                return rows
            row = _ROWS.get(name)
            if row is None:
                columns = tuple(column for column, _ in cursor.get_description())
                row = _ROWS[name] = row_type(columns)
            return [row(*first), *starmap(row, cursor)]

    def run_each(self, *calls: Call) -> list[list[Any]]:
        return [self.run(name, **parameters) for name, parameters in calls]

    def ask(self, name: str, /, **parameters: Value) -> Callable[[], list[Any]]:
        rows = self.run(name, **parameters)
        return lambda: rows

    def send(self, name: str, /, **parameters: Value) -> None:
        with Translated(self._health):
            self._db.execute(_STATEMENTS[name].sql, bound(parameters))

    def run_script(self, sql: str) -> list[Any]:
        """Run any SQL (migrations, upkeep)."""
        with Translated(self._health):
            return self._db.execute(sql).fetchall()

    def lock(self, instance_ids: Iterable[InstanceId]) -> None:
        """Nothing to do: a file has one writer at a time."""

    def holds(self, instance_id: InstanceId | None) -> bool:
        return True

    def token(self, instance_id: InstanceId) -> int:
        return 0  # several nodes need PostgreSQL

    def begin(self) -> None:
        if self._health.fault:
            raise JournalBroken(self._health.fault)
        with Translated(self._health):
            self._db.execute(self._begin)

    def commit(self) -> None:
        with Translated(self._health):
            self._db.execute("COMMIT")

    def rollback(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error as error:
            translated(error, self._health)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        with Translated(self._health), self._db:
            yield

    def maintain(self) -> None:
        """Checkpoint when the WAL has grown; the pages are counted at each commit."""
        if not self._checkpoints or self._wal_pages < self._checkpoint_at:
            return
        self._checkpoint_at = self._wal_pages + CHECKPOINT_STEP_PAGES
        try:
            if self._wal_pages < RESTART_PAGES:
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            else:
                self._restart_wal()
        except apsw.Error as error:
            translated(error, self._health)

    def close(self) -> None:
        try:
            self._db.close()
        except apsw.Error as error:
            translated(error, self._health)

    def _prepare_to_write(self, path: str) -> None:
        """Set what the promises rest on, and read it back."""
        mode = self._db.execute("PRAGMA journal_mode = WAL").get
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        self._db.execute("PRAGMA journal_size_limit = 67108864")
        if not self._checkpoints:
            self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        if self._db.readonly("main"):
            raise JournalRefused("the file cannot be written")
        if path != ":memory:" and mode != "wal":
            raise JournalRefused(f"no write-ahead log here (journal mode is {mode})")
        if self._db.execute("PRAGMA synchronous").get != 2:
            raise JournalRefused("SQLite does not accept synchronous = FULL")
        self._db.set_wal_hook(self._committed)

    def _committed(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        if pages < self._wal_pages:
            self._checkpoint_at = CHECKPOINT_PAGES  # the WAL was reset
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _restart_wal(self) -> None:
        self._db.set_busy_timeout(RESTART_BUSY_MS)
        try:
            with suppress(apsw.BusyError):  # a long reader; tried again some commits later
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        finally:
            self._db.set_busy_timeout(BUSY_MS)


def translated(error: apsw.Error, health: Health) -> Exception:
    """Return what an error of SQLite means to the callers; a fatal one is remembered."""
    if isinstance(error, apsw.IOError | apsw.CorruptError | apsw.NotADBError):
        health.fault = f"the database file failed: {error}"
        return JournalBroken(health.fault)
    if isinstance(error, apsw.FullError):
        return JournalFull("no room left to write")
    if isinstance(error, apsw.ReadOnlyError):
        return JournalFull("the database file cannot be written")
    if isinstance(error, apsw.BusyError | apsw.LockedError | apsw.CantOpenError):
        return JournalUnavailable(f"the database file is not available: {error}")
    return error


class Translated:
    """A context in which errors of SQLite become the journal's."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, apsw.Error):
            meant = translated(error, self._health)
            if meant is not error:
                raise meant from error


class FileLock:
    """Only one process serves a file: the lock is the operating system's, so a killed process
    leaves none behind."""

    def __init__(self, path: str) -> None:
        try:
            self._fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalRefused(f"{path}.lock: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise JournalRefused(f"{path} is served by another process") from error

    def release(self) -> None:
        os.close(self._fd)


def create_private(path: str) -> None:
    """Make a new file readable by its owner alone; its WAL will be like it.

    An existing file is not even opened: closing it would drop the locks that other connections
    of this process have on it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise JournalRefused(f"{path}: {error.strerror}") from error


def check_sqlite() -> None:
    """Refuse a SQLite with the WAL-reset defect."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < OLDEST_SQLITE:
        raise JournalRefused(f"SQLite {apsw.sqlite_lib_version()} is too old, 3.51.3 is needed")
