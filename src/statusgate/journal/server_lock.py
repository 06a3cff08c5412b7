"""One server for each PostgreSQL database: an advisory lock on a connection of its own."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from statusgate import telemetry
from statusgate.domain.errors import JournalUnavailable

from .postgres import KEEPALIVE, PostgresSession
from .session import Health, JournalRefused

CHECK_SECONDS = 1.0
PATIENCE_SECONDS = 2.0
"""How long the connection of a server that has just ended may take to be noticed."""
TAKEN = "the database is served by another process"
TAKE_SQL = "SELECT pg_try_advisory_lock(7394022, hashtext(current_schema()::text))"
"""Whoever holds it may take it again, so this also tells whether it is still held."""
_END_LOST = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()"""


class ServerLock:
    """Held as long as the process lives; PostgreSQL releases it with the connection.

    A lost connection is opened again and the lock taken again. If another process has it by
    then, *health* gets a fault, which ends this server.
    """

    take_sql = TAKE_SQL
    taken = TAKEN

    def __init__(self, url: str, health: Health) -> None:
        """Raises JournalRefused if another process serves the database."""
        self.name = secrets.token_hex(8)
        """ends the names of this server's connections"""
        self._health = health
        self._session = PostgresSession(
            url, application_name=f"statusgate server {self.name}", settings=KEEPALIVE
        )
        self._stopped = Event()
        self._thread = Thread(target=self._watch, name="journal-lock", daemon=True)
        held = False
        try:
            held = self._hold()
        finally:
            if not held:
                self._session.close()
        if not held:
            raise JournalRefused(self.taken)
        self._thread.start()

    def release(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(self._pause()) and not self._health.fault:
            try:
                if self._hold():
                    self._held()
                else:
                    self._health.fault = self.taken
            except JournalUnavailable:
                continue  # the journal cannot write either
            except Exception:  # noqa: BLE001 - without this thread the lock is not looked after
                telemetry.role_failed("journal-lock")
        self._ended()
        self._session.close()

    def _pause(self) -> float:
        """Seconds until the lock is looked after again."""
        return CHECK_SECONDS

    def _held(self) -> None:
        """Called each time that the lock was found held; may raise JournalUnavailable."""

    def _ended(self) -> None:
        """Called once, at the end, while the lock may still be held."""

    def _hold(self) -> bool:
        """Take the lock, or make sure of it; False if another process has it."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._take():
            if time.monotonic() > until or self._stopped.wait(0.05):
                return False
        return True

    def _take(self) -> bool:
        with self._transaction():
            taken = bool(self._session.run_script(self.take_sql)[0][0])
            if not taken:
                self._session.run_script(_END_LOST)
        return taken

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._session.begin()
            yield
            self._session.commit()
        except BaseException:
            self._session.rollback()
            raise
