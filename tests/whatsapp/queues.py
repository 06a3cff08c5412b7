"""What one device still has to be told: stanzas stay until the device acknowledges them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.whatsapp.nodes import Node

AckKey = tuple[str, str, str, str, str]  # class, id, from, participant, type


def key_of(stanza: Node) -> AckKey:
    """What an acknowledgement of this stanza must name.

    A message is acknowledged without its type, by a receipt or by an ack.
    """
    kind = "" if stanza.tag == "message" else stanza.text("type")
    return (
        stanza.tag,
        stanza.text("id"),
        stanza.text("from"),
        stanza.text("participant"),
        kind,
    )


def key_of_ack(ack: Node) -> AckKey:
    """The key in the client's `<ack class=...>`; it answers `from` with `to`."""
    kind = "" if ack.text("class") == "message" else ack.text("type")
    return ack.text("class"), ack.text("id"), ack.text("to"), ack.text("participant"), kind


def key_of_receipt(receipt: Node) -> AckKey:
    """The message which this receipt acknowledges."""
    return "message", receipt.text("id"), receipt.text("to"), receipt.text("participant"), ""


@dataclass(slots=True, eq=False)
class Entry:
    """One stanza on its way; `number` is unique in the server and ordered."""

    number: int
    stanza: Node
    key: AckKey
    connection: int | None = None  # which sent it last
    sent_at: float = 0.0
    reported: bool = False


@dataclass(slots=True, eq=False)
class DeliveryQueue:
    """A FIFO; an entry leaves when its acknowledgement comes, in whatever order that is."""

    progress_at: float = 0.0
    _entries: list[Entry] = field(default_factory=list)
    _by_key: dict[AckKey, deque[Entry]] = field(default_factory=dict)
    _settled: set[int] = field(default_factory=set)

    def add(self, entry: Entry, *, front: bool = False) -> None:
        self._entries.insert(0 if front else len(self._entries), entry)
        self._by_key.setdefault(entry.key, deque()).append(entry)

    def settle(self, key: AckKey) -> Entry | None:
        """Take the oldest entry with this key out; None when there is none."""
        waiting = self._by_key.get(key)
        if not waiting:
            return None
        entry = waiting.popleft()
        if not waiting:
            del self._by_key[key]
        self._settled.add(entry.number)
        self.progress_at = time.monotonic()
        if len(self._settled) * 2 > len(self._entries):
            self._entries = list(self)
            self._settled.clear()
        return entry

    def __iter__(self) -> Iterator[Entry]:
        return (entry for entry in self._entries if entry.number not in self._settled)

    def __len__(self) -> int:
        return len(self._entries) - len(self._settled)
