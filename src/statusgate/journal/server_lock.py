"""One server for each PostgreSQL database: an advisory lock on a connection of its own."""

import secrets
import time
from threading import Event, Thread

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

    def __init__(self, url: str, health: Health) -> None:
        """Raises JournalRefused if another process serves the database."""
        self._health = health
        self._session = PostgresSession(
            url,
            application_name=f"statusgate server {secrets.token_hex(8)}",
            settings=KEEPALIVE,
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
            raise JournalRefused(TAKEN)
        self._thread.start()

    def release(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(CHECK_SECONDS) and not self._health.fault:
            try:
                if not self._hold():
                    self._health.fault = TAKEN
            except JournalUnavailable:
                continue  # the journal cannot write either
        self._session.close()

    def _hold(self) -> bool:
        """Take the lock, or make sure of it; False if another process has it."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._take():
            if time.monotonic() > until or self._stopped.wait(0.05):
                return False
        return True

    def _take(self) -> bool:
        try:
            self._session.begin()
            taken = bool(self._session.run_script(TAKE_SQL)[0][0])
            if not taken:
                self._session.run_script(_END_LOST)
            self._session.commit()
        except BaseException:
            self._session.rollback()
            raise
        return taken
