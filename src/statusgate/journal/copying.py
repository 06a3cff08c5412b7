"""Copying a journal from one database to another, table by table, in batches by primary key.

Until the copy is whole, a row in the target's table of migrations makes every version refuse to
serve it. The same row tells a later try of which journal it is, so that it may go on.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import apsw
import msgspec

from statusgate.domain.errors import JournalUnavailable

from .migrate import COPYING, is_empty, migrate, require_current
from .session import Health, JournalRefused
from .sql import Dialect
from .sqlite import FileLock, SqliteSession, Translated, check_sqlite, create_private

BATCH_ROWS = 1_000
Row = Sequence[Any]
Progress = Callable[[str, int, int], None]
"""gets the table, the rows done and the rows in all; each row is copied, then compared"""


class Table(msgspec.Struct, frozen=True):
    """A table of the journal."""

    name: str
    columns: list[str]
    key: list[str]
    """columns of the primary key, in its order"""
    texts: list[str]
    """those of the key that are texts"""


class Copied(msgspec.Struct, frozen=True):
    """A table that is the same in both databases."""

    table: str
    rows: int
    sha256: str
    """of all rows in the order of the primary key"""


class Side(Protocol):
    """A database at one end of a copy."""

    dialect: Dialect

    def execute(self, sql: str, values: Row = ()) -> list[Row]:
        """Run a statement whose values are marked ``?``."""
        ...

    def insert(self, table: Table, rows: list[Row]) -> None: ...

    def commit(self) -> None: ...

    def session(self) -> Any:
        """A connection of its own for migrations."""
        ...


def copy_journal(source: str, target: str, progress: Progress) -> list[Copied]:
    """Copy all that *source* holds to the empty database *target*, or go on with such a copy.

    Both are addresses as for ``open_journal``. When this returns, every table has been compared
    row by row. Interrupted at any time, it goes on where it was.

    Raises JournalRefused: one of them is served, the source is missing or needs a migration,
    the target holds something else. Raises JournalUnavailable if one cannot be reached.
    """
    tables = _tables()
    with ExitStack() as stack:
        origin = stack.enter_context(_opened(source, is_source=True))
        copy = stack.enter_context(_opened(target, is_source=False))
        _begin(origin, copy, tables)
        total = 2 * sum(_count(origin, table) for table in tables)
        counter = _Counter(total, progress)
        copied = [_copy(origin, copy, table, counter) for table in tables]
        copy.execute("DELETE FROM migrations WHERE number = ?", [COPYING])
        copy.commit()
        if copy.dialect == "postgres":
            copy.execute("ANALYZE")
            copy.commit()
    return copied


class _Counter:
    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._progress = progress
        self.done = 0

    def add(self, table: Table, rows: int) -> None:
        self.done += rows
        self._progress(table.name, min(self.done, self._total), self._total)


def _begin(origin: Side, copy: Side, tables: list[Table]) -> None:
    """Make sure that nothing of another database is in the target, and mark it."""
    require_current(origin.session(), origin.dialect)
    name = f"copying_{_identity(origin)}"
    session = copy.session()
    if not is_empty(session, copy.dialect):
        marked = copy.execute("SELECT name FROM migrations WHERE number = ?", [COPYING])
        copy.commit()
        if marked:
            if marked[0][0] != name:
                raise JournalRefused("the target holds an unfinished copy of another database")
            require_current(session, copy.dialect, copying=True)
            return
        if any(_count(copy, table) for table in tables if _exists(copy, table)):
            raise JournalRefused("the target is not empty")
        copy.commit()  # tables that it has read could not be altered
    migrate(session, copy.dialect)
    copy.execute("INSERT INTO migrations VALUES (?, ?, ?)", [COPYING, name, "9999.0.0"])
    copy.commit()


def _identity(side: Side) -> str:
    """What stays the same in a journal: its key, and its first instance."""
    key = side.execute("SELECT digest FROM server_key ORDER BY instance_id LIMIT 1")
    first = side.execute(
        "SELECT instance_id, created_ms FROM instances ORDER BY created_ms, instance_id LIMIT 1"
    )
    return hashlib.sha256(msgspec.msgpack.encode([*map(list, [*key, *first])])).hexdigest()[:16]


def _copy(origin: Side, copy: Side, table: Table, counter: _Counter) -> Copied:
    """Copy what is missing. What came over from an earlier state of the source is replaced."""
    start = counter.done
    for again in (False, True):
        if again:
            copy.execute(f'DELETE FROM "{table.name}"')  # noqa: S608 - a name of ours
            copy.commit()
        counter.done = start + _count(copy, table)
        for rows in _batches(origin, table, _last_key(copy, table)):
            copy.insert(table, rows)
            copy.commit()
            counter.add(table, len(rows))
        wanted = _digest(origin, table, counter)
        if wanted == _digest(copy, table, None):
            counter.done = start + 2 * wanted.rows
            return wanted
    raise JournalRefused(f"the table {table.name} of the target is not that of the source")


def _digest(side: Side, table: Table, counter: _Counter | None) -> Copied:
    rows, digest = 0, hashlib.sha256()
    for batch in _batches(side, table, None):
        for row in batch:
            digest.update(msgspec.msgpack.encode(row))
        rows += len(batch)
        if counter is not None:
            counter.add(table, len(batch))
    return Copied(table.name, rows, digest.hexdigest())


def _batches(side: Side, table: Table, after: Row | None) -> Iterator[list[Row]]:
    """Rows in the order of the primary key, from behind the key *after*."""
    columns = ", ".join(f'"{column}"' for column in table.columns)
    key = ", ".join(_ordered(side, table))
    select = f'SELECT {columns} FROM "{table.name}"'  # noqa: S608 - names of ours
    tail = f"ORDER BY {key} LIMIT {BATCH_ROWS}"
    marks = ", ".join("?" * len(table.key))
    places = [table.columns.index(column) for column in table.key]
    while True:
        if after is None:
            rows = side.execute(f"{select} {tail}")
        else:
            rows = side.execute(f"{select} WHERE ({key}) > ({marks}) {tail}", after)
        if not rows:
            return
        yield rows
        after = [rows[-1][place] for place in places]


def _last_key(side: Side, table: Table) -> Row | None:
    order = ", ".join(f"{column} DESC" for column in _ordered(side, table))
    key = ", ".join(f'"{column}"' for column in table.key)
    found = side.execute(f'SELECT {key} FROM "{table.name}" ORDER BY {order} LIMIT 1')  # noqa: S608
    return found[0] if found else None


def _ordered(side: Side, table: Table) -> list[str]:
    """The key's columns, so that both databases sort them alike: texts by their bytes."""
    collated = table.texts if side.dialect == "postgres" else []
    return [f'"{one}" COLLATE "C"' if one in collated else f'"{one}"' for one in table.key]


def _count(side: Side, table: Table) -> int:
    return int(side.execute(f'SELECT count(*) FROM "{table.name}"')[0][0])  # noqa: S608


def _exists(side: Side, table: Table) -> bool:
    if side.dialect == "sqlite":
        sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
    else:
        sql = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?"
    return bool(side.execute(sql, [table.name]))


def _tables() -> list[Table]:
    """All tables, as the migrations make them."""
    session = SqliteSession(":memory:", Health())
    try:
        migrate(session, "sqlite")
        names = session.run_script(
            "SELECT name FROM sqlite_schema WHERE type = 'table'"
            " AND name <> 'migrations' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
        return [_table(name, session) for (name,) in names]
    finally:
        session.close()


def _table(name: str, session: SqliteSession) -> Table:
    columns = session.run_script(f'PRAGMA table_info("{name}")')
    key = [column for column in sorted(columns, key=lambda one: one[5]) if column[5]]
    texts = [column[1] for column in key if column[2] == "TEXT"]
    return Table(name, [column[1] for column in columns], [column[1] for column in key], texts)


# -- the two kinds of databases


class _Sqlite:
    dialect: Dialect = "sqlite"

    def __init__(self, path: str, *, is_source: bool, stack: ExitStack) -> None:
        self._session = SqliteSession(path, Health(), read_only=is_source)
        stack.callback(self._session.close)
        self._db = apsw.Connection(path)
        stack.callback(self._db.close)
        self._db.set_busy_timeout(5_000)
        if is_source:
            self.execute("BEGIN")  # one state of it, from the first read on

    def execute(self, sql: str, values: Row = ()) -> list[Row]:
        with Translated(Health()):
            return list(self._db.execute(sql, tuple(values)))

    def insert(self, table: Table, rows: list[Row]) -> None:
        marks = ", ".join("?" * len(table.columns))
        columns = ", ".join(f'"{column}"' for column in table.columns)
        sql = f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})'  # noqa: S608
        with Translated(Health()), self._db:
            self._db.executemany(sql, rows)

    def commit(self) -> None:
        """Each statement is a transaction of its own."""

    def session(self) -> SqliteSession:
        return self._session


class _Postgres:
    dialect: Dialect = "postgres"

    def __init__(self, url: str, *, is_source: bool, stack: ExitStack) -> None:
        import psycopg

        from .postgres import PostgresSession

        self._session = PostgresSession(url)
        stack.callback(self._session.close)
        self._error = psycopg.Error
        with self._translated():
            self._db = psycopg.connect(
                url, connect_timeout=5, application_name="statusgate copy"
            )
            stack.callback(self._db.close)
            if is_source:
                self._db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                self._db.read_only = True

    def execute(self, sql: str, values: Row = ()) -> list[Row]:
        with self._translated():
            found = self._db.execute(sql.replace("?", "%s").encode(), values)
            return list(found) if found.description is not None else []

    def insert(self, table: Table, rows: list[Row]) -> None:
        columns = ", ".join(f'"{column}"' for column in table.columns)
        sql = f'COPY "{table.name}" ({columns}) FROM STDIN'
        with self._translated(), self._db.cursor().copy(sql.encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def commit(self) -> None:
        with self._translated():
            self._db.commit()

    def session(self) -> Any:
        return self._session

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            # Its details may hold what people wrote.
            text = str(error).partition("\n")[0]
            raise JournalUnavailable(f"the database does not answer: {text}") from None


@contextmanager
def _opened(url: str, *, is_source: bool) -> Iterator[Side]:
    """A database that no server uses, and none can begin to use meanwhile."""
    with ExitStack() as stack:
        if url.startswith(("postgresql://", "postgres://")):
            from .server_lock import ServerLock

            stack.callback(ServerLock(url, Health()).release)
            yield _Postgres(url, is_source=is_source, stack=stack)
            return
        path = url.removeprefix("sqlite:///")
        if path in (url, "", ":memory:"):
            raise JournalRefused(f"not a database address: {url.partition(':')[0]}:…")
        check_sqlite()
        if not is_source:
            create_private(path)
        elif not os.path.exists(path):
            raise JournalRefused("there is no database to copy from")
        stack.callback(FileLock(path).release)
        yield _Sqlite(path, is_source=is_source, stack=stack)
