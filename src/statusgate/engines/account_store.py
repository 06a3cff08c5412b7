"""The one file an engine keeps for its account: ``account.db``, a SQLite database.

It holds the *spool* (what the engine has heard and the journal has not yet confirmed), the post
log of the real engine, the state of a sandbox account, and input that could not be handled.

An engine may acknowledge an event to WhatsApp only once it can no longer be lost, and the
journal lives in another process that may be away. So every event is first appended here,
synced, and kept until the journal has committed it.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from statusgate.domain.clock import now_ms
from statusgate.engines.disk import make_private
from statusgate.engines.earlier_files import take_over

FILE = "account.db"
MAX_PAYLOAD = 32 * 1024 * 1024
"""bytes of one record; fits into a frame of a process boundary"""
MIN_FREE_BYTES = 16 * 1024 * 1024

_FORGET_EVERY = 256
"""confirmed records that may wait for their removal"""
_POISON_BYTES = 4 * 1024 * 1024
_BROKEN = (apsw.IOError, apsw.CorruptError, apsw.NotADBError)
_DAMAGED = (apsw.CorruptError, apsw.NotADBError)

_PRAGMAS = """
PRAGMA locking_mode = EXCLUSIVE;  -- one owner, and no shared memory beside the file
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;        -- confirmed events leave nothing personal behind
PRAGMA journal_size_limit = 4194304;
"""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS position (
    id INTEGER PRIMARY KEY CHECK (id = 1), confirmed INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS posts (
    key TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, outcome BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS borrowed (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, rows BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sandbox (
    id INTEGER PRIMARY KEY CHECK (id = 1), state BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS poison (
    at_ms INTEGER NOT NULL, reason TEXT NOT NULL, raw BLOB NOT NULL
) STRICT;
INSERT OR IGNORE INTO position VALUES (1, 0);
"""
_TABLES = {"spool": 2, "position": 2, "posts": 3, "borrowed": 3, "sandbox": 2, "poison": 3}
"""every table and how many columns it has"""


class StoreFull(OSError):
    """The disk is full, or nearly so; nothing was stored."""


class StoreInUse(OSError):
    """Another process owns the account."""


class StoreBroken(OSError):
    """Reading or syncing failed: what is on disk is uncertain, so nothing more is promised."""


class AccountStore:
    """One account's file; any number of threads, one process.

    What a method stores is on disk when it returns. The numbers of spooled records rise
    strictly and are never used twice, also over restarts. Every method raises OSError:
    StoreFull (nothing was stored, the store can still be used) or StoreBroken (it cannot).
    """

    def __init__(
        self, directory: Path, *, min_free_bytes: int = MIN_FREE_BYTES, vfs: str | None = None
    ) -> None:
        """Open or create the store in *directory*. Raises StoreInUse, OSError.

        Below *min_free_bytes* of free disk nothing is appended to the spool. *vfs* names the
        way in which SQLite reaches the disk.
        """
        make_private(directory)
        self._directory = directory
        self._min_free_bytes = min_free_bytes
        self._vfs = vfs
        self._changed = threading.Condition()
        self._broken = self._closed = False
        self.poisoned = 0
        """inputs put aside since the store was opened"""
        self.damaged: Path | None = None
        """where a damaged file was moved at the start; what it still held was taken over"""
        self._db = self._open(directory / FILE)
        with self._translated():
            take_over(directory, self._db)
        self._confirmed: int = self.run("SELECT confirmed FROM position")[0][0]
        newest: int = self.run("SELECT ifnull(max(seq), 0) FROM spool")[0][0]
        self._last: int = max(newest, self._confirmed)
        self._forgotten = self._tidied = 0

    # -- the spool

    @property
    def last(self) -> int:
        """The last number given out; 0 if none ever was."""
        with self._changed:
            return self._last

    @property
    def confirmed(self) -> int:
        """Everything up to here is journaled."""
        with self._changed:
            return self._confirmed

    def append(self, payload: bytes) -> int:
        """Store *payload* and return its number. Raises ValueError over MAX_PAYLOAD."""
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"a record of {len(payload)} bytes is too long for the spool")
        with self._changed:
            self._check_usable()
            self._check_room(len(payload))
            seq = self._last + 1
            if self._confirmed - self._forgotten >= _FORGET_EVERY:
                with self.transaction():
                    self.forget_confirmed()
                    self.run("INSERT INTO spool VALUES (?, ?)", seq, payload)
            else:
                self.run("INSERT INTO spool VALUES (?, ?)", seq, payload)
            self._last = seq
            self._changed.notify_all()
            return seq

    def read(self, after: int) -> Iterator[tuple[int, bytes]]:
        """Yield the records whose number is above *after*, in order, then end."""
        while found := self._next(after):
            yield found[0]
            after = found[0][0]

    def wait(self, after: int, timeout: float) -> bool:
        """Wait until there is a record above *after*, at most *timeout* seconds.

        False if there is none, or the store was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._last > after or self._closed, timeout)
            return self._last > after and not self._closed

    def confirm(self, seq: int) -> None:
        """Everything up to *seq* is journaled; it is removed in time.

        A *seq* beyond the last one comes from a journal that knows more than this store, whose
        file was lost: numbers go on behind it.
        """
        with self._changed:
            self._check_usable()
            self._confirmed = max(self._confirmed, seq)
            if seq > self._last:
                self._last = seq
                self.forget_confirmed()

    def forget_confirmed(self) -> None:
        """Remove the records that are confirmed."""
        with self._changed:
            seq = self._confirmed
            self.run("UPDATE position SET confirmed = ?1 WHERE confirmed < ?1", seq)
            self.run("DELETE FROM spool WHERE seq <= ?", seq)
            self._forgotten = seq

    def tidy(self) -> None:
        """Remove what is confirmed from the disk and give its space back; for quiet moments."""
        with self._changed:
            self._check_usable()
            if self._tidied == self._confirmed:
                return
            with self.transaction():
                self.forget_confirmed()
            self.run("PRAGMA incremental_vacuum")
            self.run("PRAGMA wal_checkpoint(TRUNCATE)")
            self._tidied = self._confirmed

    # -- what could not be handled

    def put_aside(self, raw: bytes, reason: str) -> None:
        """Keep input that could not be handled, for a developer; bounded, never raises."""
        self.poisoned += 1
        with suppress(OSError, ValueError):
            self.run(
                "INSERT INTO poison SELECT ?, ?, ?"
                " WHERE (SELECT ifnull(sum(length(raw)), 0) FROM poison) + ? <= ?",
                *(now_ms(), reason[:1000]),
                *(raw, len(raw), _POISON_BYTES),
            )

    # -- for the logs that share the file

    def run(self, sql: str, *parameters: Any) -> list[Any]:
        """Run one statement and return its rows; a transaction of its own unless in one."""
        with self._changed, self._translated():
            return self._db.execute(sql, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Store what is done within at once, or nothing of it if it raises."""
        with self._changed:
            self._check_usable()
            self.run("BEGIN IMMEDIATE")
            try:
                yield
                self.run("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    with suppress(OSError):
                        self.run("ROLLBACK")
                raise

    def close(self) -> None:
        """Save what is confirmed and release everything; idempotent."""
        with self._changed:
            if self._closed:
                return
            try:
                if not self._broken:
                    self.tidy()
            finally:
                self._closed = True
                self._changed.notify_all()
                with suppress(apsw.Error):
                    self._db.close()

    # -- inside

    def _open(self, path: Path) -> apsw.Connection:
        try:
            return self._connected(path)
        except StoreBroken as error:
            if not isinstance(error.__cause__, _DAMAGED):
                raise
        self.damaged = path.with_name(f"{FILE}.damaged-{now_ms()}")
        path.rename(self.damaged)
        for suffix in ("-wal", "-journal"):
            with suppress(FileNotFoundError):
                path.with_name(FILE + suffix).rename(f"{self.damaged}{suffix}")
        self._broken = False
        database = self._connected(path)
        _salvage(self.damaged, database)
        return database

    def _connected(self, path: Path) -> apsw.Connection:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with self._translated():
            database = apsw.Connection(str(path), vfs=self._vfs)
            try:
                database.execute(_PRAGMAS).fetchall()
                _check(database)
                with database:
                    database.execute(_SCHEMA)
            except BaseException:
                database.close()
                raise
            return database

    def _next(self, after: int) -> list[tuple[int, bytes]]:
        """The record that follows *after*, if there is one and the store is open."""
        query = "SELECT seq, payload FROM spool WHERE seq > ? ORDER BY seq LIMIT 1"
        with self._changed:
            return [] if self._closed else self.run(query, after)

    def _check_usable(self) -> None:
        if self._closed:
            raise ValueError("the account's store is closed")
        if self._broken:
            raise StoreBroken("the account's store failed earlier")

    def _check_room(self, wanted: int) -> None:
        disk = os.statvfs(self._directory)
        if disk.f_bavail * disk.f_frsize < self._min_free_bytes + wanted:
            raise StoreFull("too little space is left on the disk of the account")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of SQLite leave it as OSError; after some nothing is promised any more."""
        try:
            yield
        except apsw.ConnectionClosedError:
            raise ValueError("the account's store is closed") from None
        except apsw.FullError as error:
            raise StoreFull("the disk of the account is full") from error
        except (apsw.BusyError, apsw.LockedError, BlockingIOError) as error:
            raise StoreInUse(f"{self._directory} is in use by another process") from error
        except _BROKEN as error:
            self._broken = True
            raise StoreBroken(f"the account's store failed: {error}") from error
        except apsw.Error as error:
            raise OSError(f"the account's store cannot be used: {error}") from error


def _check(database: apsw.Connection) -> None:
    """Raise CorruptError if the file is damaged."""
    found = database.execute("PRAGMA quick_check(1)").get
    if found != "ok":
        raise apsw.CorruptError(str(found))


def _salvage(damaged: Path, into: apsw.Connection) -> None:
    """Take over what can still be read of a damaged file."""
    for table, columns in _TABLES.items():
        marks = ", ".join("?" * columns)
        copy = f"INSERT OR REPLACE INTO {table} VALUES ({marks})"  # noqa: S608
        with suppress(apsw.Error), into:
            source = apsw.Connection(str(damaged))
            try:
                for row in source.execute(f"SELECT * FROM {table}"):  # noqa: S608
                    into.execute(copy, row)
            except apsw.Error:
                continue  # what came before the damage is kept
            finally:
                source.close()


def may_hold_events(directory: Path) -> bool:
    """Whether events of the account in *directory* may still have to reach the journal."""
    if not ((directory / FILE).exists() or (directory / "spool").exists()):
        return False
    try:
        store = AccountStore(directory)
    except OSError:
        return True  # whoever uses it, or looks into it, will tell
    try:
        return store.last > store.confirmed
    finally:
        store.close()
