"""Contacts for an engine under test, as if its phone had synchronised them.

The real route is encrypted application state from the phone (`appstate.py`), which takes a
second client in the role of the phone. For tests that only need names there is a shorter one:
the test worker swaps the library's client class for one that reads a JSON file:

    [{"phone": "79000000001", "name": "Anna"}, {"lid": "222000000000002", "name": "Boris"}]

The names are stored right before the engine's own handler of ConnectedEv runs, so what that
handler sees is already complete, and again whenever the file changes (write it by renaming).
"""

from __future__ import annotations

import json
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import neonize.client
from neonize import events
from neonize.proto.Neonize_pb2 import ContactEntry
from neonize.utils import build_jid

from tests.whatsapp.client import SEEDED, version_of

_LOOK_EVERY = 0.1


def install(path: Path) -> None:
    """From now on `neonize.client.NewClient` is a client that knows the file's contacts."""
    plain: Any = neonize.client.NewClient

    class SeededClient(plain):  # type: ignore[misc]
        def connect_with_proxy(self, *args: Any, **kwargs: Any) -> Any:
            code = events.EVENT_TO_INT[events.ConnectedEv]
            seeder = _Seeder(path)
            self.event.list_func[code] = _seed_first(seeder, self.event.list_func.get(code))
            return super().connect_with_proxy(*args, **kwargs)

    neonize.client.NewClient = SeededClient


def _seed_first(seeder: _Seeder, handler: Any) -> Any:
    def connected(client: Any, message: Any) -> None:
        seeder.start(client)
        if isinstance(handler, weakref.WeakMethod):
            bound = handler()
            if bound is not None:
                bound(client, message)
        elif handler is not None:
            handler(client, message)

    return connected


class _Seeder:
    """Writes the file's contacts into one client's store, and follows changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[tuple[str, str], str] = {}
        self._version = ""
        self._watching = False

    def start(self, client: Any) -> None:
        self._seed(client)
        if not self._watching:
            self._watching = True
            threading.Thread(target=self._watch, args=(client,), daemon=True).start()

    def _watch(self, client: Any) -> None:
        while True:
            time.sleep(_LOOK_EVERY)
            self._seed(client)

    def _seed(self, client: Any) -> None:
        version = version_of(self._path)
        if version == self._version:
            return
        self._version = version
        wanted = _read(self._path)
        changes = {who: name for who, name in wanted.items() if self._known.get(who) != name}
        changes.update(dict.fromkeys(self._known.keys() - wanted.keys(), ""))
        self._known = wanted
        if changes:
            client.contact.put_all_contact_name(
                [
                    ContactEntry(JID=build_jid(*who), FirstName=name, FullName=name)
                    for who, name in changes.items()
                ]
            )
        self._path.with_suffix(SEEDED).write_text(version)


def _read(path: Path) -> dict[tuple[str, str], str]:
    wanted = {}
    for contact in json.loads(path.read_text(encoding="utf-8")):
        by_lid = "lid" in contact
        who = (contact["lid"], "lid") if by_lid else (contact["phone"], "s.whatsapp.net")
        wanted[who] = contact["name"]
    return wanted
