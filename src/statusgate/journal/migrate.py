"""Migrations: numbered files, each one transaction, applied in order.

Each file states the oldest version of the code that works with its tables, so that an older
release either works or refuses clearly.
"""

import re
from importlib.resources import files
from typing import Any, Protocol

import msgspec

from statusgate import __version__

from .session import JournalRefused
from .sql import Dialect, for_dialect

_FILE = re.compile(r"(\d{4})_\w+\.sql")
_WORKS_WITH = re.compile(r"\A-- works with: ([\d.]+)\n")
_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, works_with TEXT NOT NULL
)"""
# Two nodes that start together must not both create the tables.
_ALONE: dict[Dialect, str] = {
    "sqlite": "SELECT 1",
    "postgres": "SELECT pg_advisory_xact_lock(7394021)",
}

_FIND_TABLE: dict[Dialect, str] = {
    "sqlite": "SELECT name FROM sqlite_master WHERE name = 'migrations'",
    "postgres": "SELECT tablename FROM pg_tables"
    " WHERE tablename = 'migrations' AND schemaname = current_schema()",
}
_NODES = 11
"""number of the migration that makes the table of nodes"""
# Of a node that has died the row may still be there, the lock of its name is not.
_LIVING = """
SELECT name, version FROM nodes WHERE EXISTS (
    SELECT FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.classid = 7394023 AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.objid::bigint
        = hashtext(current_schema()::text || ' ' || name)::bigint & 4294967295
)
ORDER BY name"""
COPYING = 10_000
"""number of the row that marks the target of an unfinished copy; no file has five digits"""


class Migratable(Protocol):
    """A session that can run scripts."""

    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def run_script(self, text: str, /) -> list[Any]: ...


class Migration(msgspec.Struct, frozen=True):
    number: int
    name: str
    works_with: str
    text: str


def migrations() -> list[Migration]:
    """Return the migrations this code brings, in order."""
    folder = files(__package__) / "migrations"
    return sorted(
        (_read(one.name, one.read_text()) for one in folder.iterdir() if _FILE.match(one.name)),
        key=lambda migration: migration.number,
    )


def migrate(
    session: Migratable, dialect: Dialect, known: list[Migration] | None = None
) -> list[str]:
    """Bring a database up to date; a kill leaves it before or after a migration.

    Returns the names of what was applied, ``[]`` if it was up to date.

    Raises JournalRefused if the database is newer than this code can work with.
    """
    known = migrations() if known is None else known
    return list(iter(lambda: _apply_next(session, dialect, known), None))


def is_empty(session: Migratable, dialect: Dialect) -> bool:
    """Whether a database has no journal in it yet."""
    session.begin()
    found = session.run_script(_FIND_TABLE[dialect])
    session.rollback()
    return not found


def require_current(session: Migratable, dialect: Dialect, *, copying: bool = False) -> None:
    """Raise JournalRefused unless this code works with the schema as it is.

    *copying*: the mark of an unfinished copy does not matter.
    """
    if is_empty(session, dialect):
        raise JournalRefused("there is no journal yet: the first 'statusgate serve' makes it")
    session.begin()
    applied = dict(session.run_script("SELECT number, works_with FROM migrations"))
    session.rollback()
    if copying:
        applied.pop(COPYING, None)
    known = {migration.number for migration in migrations()}
    _refuse_newer(applied, known)
    if known - applied.keys():
        raise JournalRefused(
            f"the database is older than statusgate {__version__}:"
            " 'statusgate migrate' or a start of the server brings it up to date"
        )


def _apply_next(session: Migratable, dialect: Dialect, known: list[Migration]) -> str | None:
    session.begin()
    try:
        session.run_script(_ALONE[dialect])
        session.run_script(_TABLE)
        applied = dict(session.run_script("SELECT number, works_with FROM migrations"))
        _refuse_newer(applied, {migration.number for migration in known})
        missing = [migration for migration in known if migration.number not in applied]
        if missing:
            if dialect == "postgres" and _NODES in applied:
                _refuse_older_nodes(session.run_script(_LIVING), missing[0])
            _apply(session, dialect, missing[0])
        session.commit()
    except BaseException:
        session.rollback()
        raise
    return missing[0].name if missing else None


def _apply(session: Migratable, dialect: Dialect, migration: Migration) -> None:
    session.run_script(for_dialect(migration.text, dialect))
    session.run_script(
        "INSERT INTO migrations (number, name, works_with) VALUES"  # noqa: S608 - our own text
        f" ({migration.number}, '{migration.name}', '{migration.works_with}')"
    )


def check_still_works(session: Migratable) -> None:
    """Raise JournalRefused if another has migrated the database beyond this code.

    Within a transaction, until whose end no migration begins.
    """
    session.run_script("SELECT pg_advisory_xact_lock_shared(7394021)")
    applied = dict(session.run_script("SELECT number, works_with FROM migrations"))
    _refuse_newer(applied, {migration.number for migration in migrations()})


def _refuse_older_nodes(living: list[Any], migration: Migration) -> None:
    for name, version in living:
        if _version(version) < _version(migration.works_with):
            raise JournalRefused(
                f"the node '{name}' runs statusgate {version}, which cannot work with the"
                f" migration {migration.name}: upgrade or stop it first"
            )


def _refuse_newer(applied: dict[int, str], known: set[int]) -> None:
    if COPYING in applied:
        raise JournalRefused(
            "the database is an unfinished copy: run 'statusgate database copy' again"
        )
    for number in sorted(set(applied) - known):
        if _version(applied[number]) > _version(__version__):
            raise JournalRefused(
                f"the database needs statusgate {applied[number]} or newer"
                f" (migration {number}), this is {__version__}"
            )


def _read(file_name: str, text: str) -> Migration:
    works_with = _WORKS_WITH.match(text)
    if works_with is None:
        raise ValueError(f"{file_name} does not state the oldest code it works with")
    name = file_name.removesuffix(".sql")
    return Migration(int(name[:4]), name, works_with[1], text)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
