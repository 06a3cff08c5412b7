"""The account's folder: the session store of the library and what is known about it.

The store holds the keys of a linked device. Losing it unnoticed would make the library invent
a new identity in silence; so a mark beside it remembers that the account is linked, and a store
that does not fit the mark is not used.
"""

import re
import sqlite3
import threading
import time
from pathlib import Path

import msgspec

from statusgate.engines.disk import sync, write_durably

_opened: set[Path] = set()
"""stores that the library has opened in this process, and does not close"""

_JID = re.compile(r"([0-9]+)(?:\.[0-9]+)?(?::([0-9]+))?@")


class StoreLost(Exception):
    """The account is linked, but its session store cannot be used; the text says why."""


class StoreInDoubt(StoreLost):
    """The same, as far as a process can tell that has had the store open; another can tell."""


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose device is linked; kept in the file ``linked``."""

    phone: str
    lid: str = ""
    device: int = 0
    changes: int = 0
    """SQLite's change counter of the store when it was last left in order"""


class SessionStore:
    """The files of one account that concern its link."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "session.db"
        self._mark = directory / "linked"
        self._addressing = directory / "addressing"
        self._writing = threading.RLock()

    @property
    def is_marked(self) -> bool:
        """Whether the account is remembered as linked."""
        return self._mark.exists()

    def opened(self) -> None:
        """The library opens the store now."""
        _opened.add(self.path)

    @property
    def exists(self) -> bool:
        """Whether anything of a link is here, good or bad."""
        return self.path.exists() or self._mark.exists()

    def linked(self) -> Linked | None:
        """Return what the mark tells; None if the account is not linked. Raises StoreLost."""
        try:
            return msgspec.json.decode(self._mark.read_bytes(), type=Linked)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StoreLost(f"the mark of the link cannot be read ({error})") from None

    def check(self) -> bool:
        """Tell whether the account is linked.

        Raises StoreLost if the store does not fit (StoreInDoubt: or seems not to).
        """
        try:
            return self._check()
        except StoreLost as lost:
            if self.path in _opened:
                raise StoreInDoubt(str(lost)) from None
            raise

    def _check(self) -> bool:
        mark = self.linked()
        if not self.path.exists():
            if mark is not None:
                raise StoreLost("the session store is missing")
            return False
        device = _device_in(self.path)
        if mark is None:
            return device is not None  # linked just before a crash if there is one
        if device is None:
            raise StoreLost("the session store holds no device")
        if device != (mark.phone, mark.device):
            raise StoreLost("the session store belongs to another device")
        if _changes(self.path) < mark.changes - 1:  # one may have been noted before its commit
            raise StoreLost("the session store is an older copy")
        return True

    def mark(self, linked: Linked) -> None:
        """Remember durably that the account is linked."""
        with self._writing:
            write_durably(self._mark, msgspec.json.encode(linked))

    def note_changes(self) -> None:
        """Remember the present state of the store, so that an older copy is recognised."""
        with self._writing:
            try:
                mark = self.linked()
            except StoreLost:
                return
            if mark is not None and self.path.exists():
                self.mark(msgspec.structs.replace(mark, changes=_changes(self.path)))

    def unmark(self) -> None:
        """The account is no longer linked."""
        with self._writing:
            self._mark.unlink(missing_ok=True)
        self._addressing.unlink(missing_ok=True)
        sync(self._mark.parent)

    def set_aside(self) -> None:
        """Put a store that cannot be used out of the way; it is never deleted by itself."""
        if self.path.exists():
            self.path.rename(self.path.with_name(f"session.db.aside-{int(time.time())}"))
        self.unmark()

    def learned_addressing(self) -> str:
        """Return how recipients must be named, if posting has shown it; else ``""``."""
        try:
            found = self._addressing.read_text()
        except OSError:
            return ""
        return found if found in ("pn", "lid") else ""

    def learn_addressing(self, found: str) -> None:
        """Remember how recipients must be named."""
        write_durably(self._addressing, found.encode())


def _device_in(path: Path) -> tuple[str, int] | None:
    """Return phone and device number of the one device in the store, None if there is none.

    A store that the library has had open in this process is only read, without a look at its
    journal: SQLite would take it for one that a crash left, and undo what it holds.
    """
    mode = "mode=ro&immutable=1" if path in _opened else "mode=rw"
    try:
        with open(path, "r+b"):
            pass  # SQLite would take a file without permission for an empty one
        database = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=5)
        try:
            if path not in _opened and database.execute("PRAGMA quick_check(1)").fetchone() != (
                "ok",
            ):
                raise StoreLost("the session store is damaged")
            known = database.execute(
                "SELECT count(*) FROM sqlite_master WHERE name = 'whatsmeow_device'"
            ).fetchone()[0]
            rows = (
                database.execute("SELECT jid FROM whatsmeow_device").fetchall() if known else []
            )
        finally:
            database.close()
    except (OSError, sqlite3.Error) as error:
        raise StoreLost(f"the session store cannot be read ({error})") from None
    if not rows:
        return None
    found = _JID.match(str(rows[0][0]))
    if len(rows) > 1 or found is None:
        raise StoreLost("the session store does not hold exactly one device")
    return found[1], int(found[2] or 0)


def _changes(path: Path) -> int:
    """Return the counter in SQLite's file header that every transaction raises."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(28)[24:28], "big")
