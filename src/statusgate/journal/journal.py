"""The journal: asynchronous outside, threads with plain connections inside."""

import asyncio
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.nodes import Times

from .migrate import Migratable, is_empty, migrate, require_current
from .session import Health, JournalRefused, Later, Session
from .sql import Dialect
from .sqlite import (
    CACHE_KB,
    SCAN_CACHE_KB,
    FileLock,
    SqliteSession,
    check_sqlite,
    create_private,
)
from .transaction import Transaction
from .work_queue import WorkQueue
from .writer import MOST_TOGETHER, Readers, Writer

if TYPE_CHECKING:
    from .node_link import NodeLink
    from .postgres import PostgresSession
    from .server_lock import ServerLock

T = TypeVar("T")

WAITING_WRITES = 10_000
WAITING_READS = 1_000
READERS = 3
POSTGRES_WRITERS = 4
PATIENT = Times()


class Journal:
    """The record, over writer and reader threads; work is a plain function of a transaction.

    The work of an instance always goes to the same writer, so it runs in the order of the
    calls. With several writers, the first does the work that belongs to no instance and commits
    each piece alone: it may lock any instance, and two locks in one transaction could deadlock.
    """

    def __init__(
        self,
        writers: list[Session],
        readers: list[Session],
        *,
        scanner: Session | None = None,
        health: Health | None = None,
        lock: "FileLock | ServerLock | None" = None,
        node: "NodeLink | None" = None,
        admit: Callable[[], None] = lambda: None,
    ) -> None:
        """*admit* is asked before each write for an instance; it raises if there is no room."""
        self._queues = [WorkQueue(WAITING_WRITES) for _ in writers]
        self._reads = WorkQueue(WAITING_READS)
        self._writers = [
            Writer(
                session,
                queue,
                f"journal-writer-{no}",
                together=1 if no == 0 and len(writers) > 1 else MOST_TOGETHER,
            )
            for no, (session, queue) in enumerate(zip(writers, self._queues, strict=True))
        ]
        self._scans = WorkQueue(WAITING_READS)
        self._pools = [
            Readers(readers, self._reads),
            Readers([] if scanner is None else [scanner], self._scans),
        ]
        self._health = health or Health()
        self._lock = lock
        self.node = node
        """its place among the nodes of the database; None: it is the only server"""
        self._admit = admit

    async def write(
        self,
        instance_id: InstanceId | None,
        work: Callable[[Transaction], T | Later[T]],
        on_commit: Callable[[T, bool], None] | None = None,
    ) -> T:
        """Return the result of *work* once it is on disk; if it is a ``Later``, its value.

        Works of one instance run in the order of the calls. *on_commit* is called with the
        result in the order of the commits, also if the caller was cancelled meanwhile; and with
        False as its second argument if it is not known whether the commit took place.

        Raises what *work* raises (with none of its changes kept) or JournalUnavailable.
        """
        if instance_id is not None:
            self._admit()
        return await self._queue_of(instance_id).submit(instance_id, work, on_commit)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* on one consistent view of what is committed."""
        if not self._pools[0].count:
            return await self.write(None, work)
        return await self._reads.submit(None, work)

    async def scan(self, work: Callable[[Transaction], T]) -> T:
        """As ``read``, for one of many pages that are read in turn.

        All scans share a connection of their own: they take no place from other reads, and no
        room from what those have cached.
        """
        if not self._pools[1].count:
            return await self.read(work)
        return await self._scans.submit(None, work)

    async def close(self) -> None:
        """Finish the work that waits, then close the connections; idempotent."""
        for queue in (self._reads, self._scans, *self._queues):
            queue.close()
        await asyncio.to_thread(self._join)

    @property
    def healthy(self) -> bool:
        """False once a fault makes further answers unsafe."""
        return not self._health.fault

    @property
    def fault(self) -> str:
        """What makes them unsafe; ``""``: nothing."""
        return self._health.fault

    def _queue_of(self, instance_id: InstanceId | None) -> WorkQueue:
        others = len(self._queues) - 1
        if instance_id is None or not others:
            return self._queues[0]
        return self._queues[1 + instance_id % others]

    def _join(self) -> None:
        # Readers first: SQLite empties the WAL when its last connection, a writer, closes.
        for pool in self._pools:
            pool.stop()
        for queue, writer in zip(self._queues, self._writers, strict=True):
            queue.stop(1)
            writer.join()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


def open_journal(
    url: str,
    *,
    exclusive: bool = True,
    node: str = "",
    times: Times | None = None,
    create: bool = False,
    vfs: str | None = None,
    admit: Callable[[], None] = lambda: None,
) -> Journal:
    """Open the journal; blocks for a moment.

    *url* is ``sqlite:///relative/path``, ``sqlite:////absolute/path``, ``sqlite:///:memory:``
    or ``postgresql://…``. *exclusive*: this process serves, which a second one is refused, and
    brings the schema up to date. With *node*, a name, others may serve beside it under other
    names, on PostgreSQL; *times*: how long it may be silent. A process that does not serve
    leaves the schema and the checkpoints to the server; with *create*, it makes the tables of
    an empty database.
    *vfs* names an apsw VFS (tests of disk faults). *admit* is asked before each write for an
    instance, and raises if there is no room.

    Raises JournalRefused if the record must not be opened as it is, JournalUnavailable if it
    cannot be reached.
    """
    if url.startswith(("postgresql://", "postgres://")):
        return _open_postgres(
            url,
            exclusive=exclusive,
            node=node,
            times=times or PATIENT,
            create=create,
            admit=admit,
        )
    if node:
        raise JournalRefused("several nodes need a PostgreSQL database, and this is another")
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        return _open_sqlite(path, exclusive=exclusive, create=create, vfs=vfs, admit=admit)
    raise JournalRefused(f"not a database address: {url.partition(':')[0]}:…")


def migrate_journal(url: str) -> list[str]:
    """Bring the schema of a record up to date and close it; returns what was applied.

    Raises as ``open_journal``.
    """
    if url.startswith(("postgresql://", "postgres://")):
        from .postgres import PostgresSession

        return _migrate_alone(PostgresSession(url), "postgres")
    path = url.removeprefix("sqlite:///")
    if path in (url, "", ":memory:"):
        raise JournalRefused(f"not a database address: {url.partition(':')[0]}:…")
    check_sqlite()
    create_private(path)
    return _migrate_alone(SqliteSession(path, Health(), checkpoints=False), "sqlite")


def _migrate_alone(session: "SqliteSession | PostgresSession", dialect: Dialect) -> list[str]:
    try:
        return migrate(session, dialect)
    finally:
        session.close()


def _prepare(session: Migratable, dialect: Dialect, *, exclusive: bool, create: bool) -> None:
    if exclusive or (create and is_empty(session, dialect)):
        migrate(session, dialect)
    else:
        require_current(session, dialect)


def _open_sqlite(
    path: str, *, exclusive: bool, create: bool, vfs: str | None, admit: Callable[[], None]
) -> Journal:
    check_sqlite()
    health = Health()
    if path == ":memory:":
        memory = SqliteSession(path, health)
        migrate(memory, "sqlite")
        return Journal([memory], [], health=health, admit=admit)
    lock = FileLock(path) if exclusive else None
    with ExitStack() as undo:
        if lock is not None:
            undo.callback(lock.release)
        try:
            if exclusive or create:
                create_private(path)
            elif not os.path.exists(path):
                raise JournalRefused(
                    "there is no database: the first 'statusgate serve' makes it"
                )
            writer = SqliteSession(path, health, checkpoints=exclusive, vfs=vfs)
            undo.callback(writer.close)
            _prepare(writer, "sqlite", exclusive=exclusive, create=create)
            readers: list[Session] = []
            for cache_kb in [*[CACHE_KB] * READERS, SCAN_CACHE_KB]:
                reader = SqliteSession(path, health, read_only=True, vfs=vfs, cache_kb=cache_kb)
                undo.callback(reader.close)
                readers.append(reader)
        except JournalUnavailable as error:
            raise JournalRefused(f"{path}: {error}") from error
        undo.pop_all()
    return Journal(
        [writer], readers[:-1], scanner=readers[-1], health=health, lock=lock, admit=admit
    )


def _open_postgres(
    url: str,
    *,
    exclusive: bool,
    node: str,
    times: Times,
    create: bool,
    admit: Callable[[], None],
) -> Journal:
    # Loaded only here: a start on SQLite is shorter by what psycopg takes.
    from .node_link import NodeLink
    from .postgres import PostgresSession, check_server, writing
    from .server_lock import ServerLock

    health = Health()
    link = NodeLink(url, health, node, times) if node else None
    lock = link or (ServerLock(url, health) if exclusive else None)
    first = PostgresSession(url)
    try:
        check_server(first)
        _prepare(first, "postgres", exclusive=exclusive, create=create)
        if link is not None:
            link.join()
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    finally:
        first.close()
    name = "statusgate" if link is None else f"statusgate {link.name}"
    return Journal(
        [
            PostgresSession(url, health=health, application_name=name, settings=writing())
            for _ in range(1 + POSTGRES_WRITERS)
        ],
        [
            PostgresSession(url, health=health, application_name=name, read_only=True)
            for _ in range(READERS)
        ],
        scanner=PostgresSession(url, health=health, application_name=name, read_only=True),
        health=health,
        lock=lock,
        node=link,
        admit=admit,
    )
