"""A disk for SQLite that counts, logs and fails on order, and whose power can be cut."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import apsw
import pytest

SECTOR = 512
Kind = Literal["write", "sync", "truncate", "delete", "ack"]
_names = itertools.count(1)


class Entry(NamedTuple):
    """One thing that was asked of the disk, or an answer that was given meanwhile."""

    kind: Kind
    file: str = ""
    offset: int = 0
    data: bytes = b""


class Disk(apsw.VFS):
    """The real file system, with a log and faults on order."""

    def __init__(self) -> None:
        self.name = f"faulty-{next(_names)}"
        self.log: list[Entry] = []
        self.left: dict[str, int] = {}
        self.fault: type[apsw.Error] = apsw.IOError
        self.lasting = False
        self.short = False
        super().__init__(self.name, "")

    def fail(
        self,
        kind: Kind,
        after: int,
        fault: type[apsw.Error] = apsw.IOError,
        *,
        lasting: bool = False,
        short: bool = False,
    ) -> None:
        """Let the *after*-th operation of a kind fail (and all that follow)."""
        self.left = {kind: after}
        self.fault, self.lasting, self.short = fault, lasting, short

    def heal(self) -> None:
        self.left = {}

    def asked(self, entry: Entry) -> bool:
        """Log an operation; tell whether it must fail."""
        left = self.left.get(entry.kind)
        if left is not None:
            self.left[entry.kind] = left - 1
            if left == 1 or (left < 1 and self.lasting):
                return True
        self.log.append(entry)
        return False

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.asked(Entry("delete", Path(filename).name))
        super().xDelete(filename, syncdir)


class File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk = disk
        self._file = Path(path or "temporary").name
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._disk.asked(Entry("write", self._file, offset, bytes(data))):
            if self._disk.short:
                super().xWrite(data[: len(data) // 2], offset)
            raise self._disk.fault("ordered")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        if self._disk.asked(Entry("sync", self._file)):
            raise self._disk.fault("ordered")
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:
        self._disk.asked(Entry("truncate", self._file, size))
        super().xTruncate(size)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A faulty disk that has no fault yet."""
    made = Disk()
    yield made
    made.unregister()


def cut(log: list[Entry], random_: random.Random, folder: Path) -> set[int]:
    """Write what a power cut at the end of *log* may leave; returns what was acknowledged."""
    durable: dict[str, bytearray] = defaultdict(bytearray)
    pending: dict[str, list[Entry]] = defaultdict(list)
    acknowledged = set()
    for entry in log:
        if entry.kind == "ack":
            acknowledged.add(entry.offset)
        elif entry.kind == "delete":
            durable.pop(entry.file, None)
            pending.pop(entry.file, None)
        elif entry.kind == "sync":
            for one in pending.pop(entry.file, []):
                apply(durable[entry.file], one)
        else:
            pending[entry.file].append(entry)
    for file, entries in pending.items():
        survivors = [entry for entry in entries if random_.random() < 0.5]
        for entry in survivors[:-1]:
            apply(durable[file], entry)
        for entry in survivors[-1:]:
            torn = entry.data[: SECTOR * random_.randrange(len(entry.data) // SECTOR + 1)]
            apply(durable[file], entry._replace(data=torn or entry.data))
    for file, content in durable.items():
        (folder / file).write_bytes(content)
    return acknowledged


def apply(content: bytearray, entry: Entry) -> None:
    if entry.kind == "truncate":
        del content[entry.offset :]
        return
    content.extend(bytes(max(0, entry.offset - len(content))))
    content[entry.offset : entry.offset + len(entry.data)] = entry.data
