"""Contacts for accounts under test, as if their phones had synchronised them.

The real route is encrypted application state from the phone (`appstate.py`), which takes a
second client in the role of the phone. For tests that only need names there is a shorter one:
the test worker gives each session of the product the contacts of a JSON file:

    [{"phone": "79000000001", "name": "Anna"}, {"lid": "222000000000002", "name": "Boris"}]

Those of a linked account are in its store before the library opens it, so that its first look
is complete; later ones are written whenever the file changes (write it by renaming).
"""

from __future__ import annotations

import importlib
import json
import sqlite3
import threading
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.whatsapp.client import SEEDED, is_seeded, version_of

_LOOK_EVERY = 0.1
_OPEN = "open"

Contacts = dict[tuple[str, str], str]
"""names by user and server"""


def install(pattern: Path) -> None:
    """From now on each session of the product gets its contacts.

    A `*` in *pattern* stands for the name of the account's folder.
    """
    product: Any = importlib.import_module("statusgate.engines.neonize.session").Session
    make, leave = product.__init__, product.leave
    seeders: weakref.WeakKeyDictionary[Any, _Seeder] = weakref.WeakKeyDictionary()

    def made(self: Any, setup: Any, *args: Any, **kwargs: Any) -> None:
        folder = Path(setup.directory)
        seeder = seeders[self] = _Seeder(Path(str(pattern).replace("*", folder.name)))
        seeder.prepare(folder / "session.db")
        make(self, setup, *args, **kwargs)
        threading.Thread(target=seeder.follow, args=(self,), daemon=True).start()

    def left(self: Any, *args: Any) -> Any:
        seeders[self].left.set()
        return leave(self, *args)

    product.__init__, product.leave = made, left


class _Seeder:
    """Writes the file's contacts into one account's store, and follows changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: Contacts = {}
        self._version = ""
        self.left = threading.Event()
        """set when the session leaves WhatsApp"""

    def prepare(self, store: Path) -> None:
        """Write into a store that the library has not opened yet; it may not be linked."""
        if not store.exists():
            return
        version, changes = self._news()
        with closing(sqlite3.connect(store)) as database, database:
            try:
                (device,) = database.execute("SELECT jid FROM whatsmeow_device").fetchone()
                (kept,) = database.execute("SELECT count(*) FROM whatsmeow_contacts").fetchone()
            except (sqlite3.Error, TypeError):
                return  # nothing is linked
            if not (kept and is_seeded(self._path)):  # what a crash left stays as it is
                rows = [
                    (device, f"{user}@{server}", name, name)
                    for (user, server), name in changes.items()
                ]
                database.executemany(_PUT, rows)
        self._took_over(version, changes)

    def follow(self, session: Any) -> None:
        """Write again at every change until the session leaves."""
        while not self.left.wait(_LOOK_EVERY):
            try:
                if str(session.state) == _OPEN:
                    self._write(session)
            except Exception as error:  # noqa: BLE001 - it is stopping; the next one seeds
                print(f"contacts not seeded: {error!r}")

    def _write(self, session: Any) -> None:
        version, changes = self._news()
        if version == self._version:
            return
        if changes:
            entry = importlib.import_module("statusgate.engines.neonize.audience").Entry
            session.contacts.write([entry(*who, name, name) for who, name in changes.items()])
            session.contacts_due = True
            session.attention.set()
        self._took_over(version, changes)

    def _news(self) -> tuple[str, Contacts]:
        """Return the file's version, and what has changed since the last one."""
        version = version_of(self._path)
        wanted = _read(self._path)
        changes = {who: name for who, name in wanted.items() if self._known.get(who) != name}
        gone = {who for who, name in self._known.items() if name} - wanted.keys()
        return version, changes | dict.fromkeys(gone, "")

    def _took_over(self, version: str, changes: Contacts) -> None:
        self._known |= changes
        self._version = version
        self._path.with_suffix(SEEDED).write_text(version)


_PUT = """
    INSERT INTO whatsmeow_contacts (our_jid, their_jid, first_name, full_name)
    VALUES (?, ?, ?, ?)
    ON CONFLICT (our_jid, their_jid) DO UPDATE
    SET first_name = excluded.first_name, full_name = excluded.full_name
"""


def _read(path: Path) -> Contacts:
    wanted = {}
    for contact in json.loads(path.read_text(encoding="utf-8")):
        by_lid = "lid" in contact
        who = (contact["lid"], "lid") if by_lid else (contact["phone"], "s.whatsapp.net")
        wanted[who] = contact["name"]
    return wanted
