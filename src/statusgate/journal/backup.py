"""A copy of a SQLite journal, taken while a server goes on writing."""

from collections.abc import Callable
from pathlib import Path

import apsw

from .session import Health, JournalRefused
from .sqlite import Translated, create_private

_STEP_PAGES = 2_000


def copy_file(source: Path, target: Path, progress: Callable[[int], None]) -> None:
    """Copy the journal as it was at one moment; *progress* gets the bytes copied so far.

    Raises JournalRefused if the copy is damaged, JournalUnavailable if there is none.
    """
    create_private(str(target))
    with Translated(Health()):
        reading = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
        writing = apsw.Connection(str(target))
        try:
            # One read transaction for all steps: commits meanwhile do not start them again.
            reading.execute("BEGIN; SELECT count(*) FROM sqlite_schema").fetchall()
            page_size = int(reading.execute("PRAGMA page_size").get)
            with writing.backup("main", reading, "main") as steps:
                while not steps.done:
                    steps.step(_STEP_PAGES)
                    progress((steps.page_count - steps.remaining) * page_size)
            check(writing)
        finally:
            writing.close()
            reading.close()


def check_file(path: Path) -> None:
    """Raise JournalRefused if a journal that nobody has open is damaged."""
    with Translated(Health()):
        database = apsw.Connection(str(path))
        try:
            check(database)
        finally:
            database.close()


def check(database: apsw.Connection) -> None:
    found = str(database.execute("PRAGMA quick_check(1)").get)
    if found != "ok":
        raise JournalRefused(f"the copy of the database is damaged: {found}")
