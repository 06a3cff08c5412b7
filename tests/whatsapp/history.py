"""What happened on the wire, in memory and as JSON lines, and which rules were broken."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.whatsapp.nodes import Node

_SHOWN_BYTES = 32
_SHOWN_CHILDREN = 50

Record = dict[str, Any]


class History:
    """Every stanza queued, sent and acknowledged, every login and close, numbered and timed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._records: deque[Record] = deque()
        self._count = 0
        self._violations: list[Record] = []
        self._numbers = 0

    def next_number(self) -> int:
        """A number for one stanza, unique in this server."""
        self._numbers += 1
        return self._numbers

    def add(self, event: str, **fields: Any) -> None:
        record = {"n": self._count, "t": time.time(), "event": event, **fields}
        self._records.append(record)
        self._count += 1
        self._file.write(json.dumps(record, separators=(",", ":")) + "\n")

    def remember(self, most: int) -> None:
        """Keep only so many of the latest records in memory; the file has all."""
        self._records = deque(self._records, most)

    def violate(self, rule: str, **fields: Any) -> None:
        """Note a broken rule; the test must end with none."""
        self._violations.append({"rule": rule, **fields})
        self.add("violation", rule=rule, **fields)

    def violations(self, *, take: bool = False) -> list[Record]:
        found = list(self._violations)
        if take:
            self._violations.clear()
        return found

    def after(self, number: int, event: str | None, device: str | None) -> Iterator[Record]:
        """Records from `number` on, of one event and of one device where asked for."""
        self._file.flush()
        forgotten = self._count - len(self._records)
        for record in islice(self._records, max(number - forgotten, 0), None):
            if event is not None and record["event"] != event:
                continue
            if device is not None and record.get("device") != device:
                continue
            yield record

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        self._file.close()


def describe(item: Node) -> Record:
    """A node as JSON: long contents are shown by their length and first bytes."""
    shown: Record = {
        "tag": item.tag,
        "attrs": {name: str(value) for name, value in item.attrs.items()},
    }
    if isinstance(item.content, bytes):
        shown["bytes"] = len(item.content)
        shown["hex"] = item.content[:_SHOWN_BYTES].hex()
    elif item.content is not None:
        shown["children"] = [describe(each) for each in item.content[:_SHOWN_CHILDREN]]
        shown["count"] = len(item.content)
    return shown
