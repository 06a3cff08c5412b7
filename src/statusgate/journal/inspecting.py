"""What a journal says of itself, without a change to it."""

import os
from typing import Any

import msgspec

from .migrate import is_empty, migrations, require_current
from .session import Health, JournalRefused
from .sqlite import SqliteSession

_SIZE = "SELECT pg_database_size(current_database())"
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A journal that can be read. Sizes are in bytes, times in milliseconds UTC."""

    server: str
    """``SQLite 3.51.3``"""
    size: int
    pending: list[str]
    """migrations that a start would apply"""
    now_ms: int | None
    """by the clock of its server; None: it has none"""
    newest_ms: int | None
    """when a state of an account was last recorded"""
    key_digest: bytes | None
    """of the server key that the tokens were made with"""


def describe(url: str) -> Described | None:
    """Describe a journal; None if there is none yet.

    Raises JournalRefused if this version must not open it, JournalUnavailable if it cannot be
    reached.
    """
    if url.startswith(("postgresql://", "postgres://")):
        from .postgres import PostgresSession, check_server

        remote = PostgresSession(url, read_only=True)
        try:
            check_server(remote)
            return _described(remote, url, "postgres")
        finally:
            remote.close()
    path = url.removeprefix("sqlite:///")
    if path in (url, "", ":memory:"):
        raise JournalRefused(f"not a database address: {url.partition(':')[0]}:…")
    if not os.path.exists(path):
        return None
    session = SqliteSession(path, Health(), read_only=True)
    try:
        return _described(session, path, "sqlite")
    finally:
        session.close()


def _described(session: Any, path: str, dialect: Any) -> Described | None:
    if is_empty(session, dialect):
        return None

    def one(sql: str) -> Any:
        rows = session.run_script(sql)
        return rows[0][0] if rows else None

    session.begin()
    applied = {number for (number,) in session.run_script("SELECT number FROM migrations")}
    tables = {migration.number for migration in migrations()} & applied
    pending = [known.name for known in migrations() if known.number not in applied]
    if dialect == "sqlite":
        server, now_ms = f"SQLite {one('SELECT sqlite_version()')}", None
        logs = (f"{path}{suffix}" for suffix in ("", "-wal"))
        size = sum(os.path.getsize(file) for file in logs if os.path.exists(file))
    else:
        server, now_ms = f"PostgreSQL {one('SHOW server_version')}", int(one(_NOW))
        size = int(one(_SIZE))
    described = Described(
        server=server,
        size=size,
        pending=pending,
        now_ms=now_ms,
        newest_ms=one("SELECT max(at_ms) FROM state_history"),
        key_digest=one("SELECT digest FROM server_key") if 5 in tables else None,
    )
    session.rollback()
    if not pending:
        require_current(session, dialect)
    return described
