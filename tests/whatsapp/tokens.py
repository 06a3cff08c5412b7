"""The protocol's dictionary, read out of the installed wheel while it is loaded.

The tables lie in the native library as arrays of string headers (pointer, length). Nothing of
them is copied into this repository: they are searched by the lengths of their first entries.
Import neonize before calling `read_tables`; only server and engine processes may do that.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator

from tests.whatsapp.nodes import Tables

_LIBRARY = "neonize-linux"
_LENGTHS = (0, 14, 12, 14, 4, 11, 4, 7, 2, 12)  # of the first short tokens
_SECOND_TOKEN = "xmlstreamstart"
_SINGLE, _PAGES, _PAGE = 236, 4, 256
_HEADER, _SLICE = 16, 24  # bytes of a string header, of a slice header
_LONGEST = 64
_WORD = struct.Struct("<Q")


class TablesNotFoundError(RuntimeError):
    """The wheel has changed: the anchors of this module need a new look."""


class _Image:
    """The readable memory of the mapped library."""

    def __init__(self) -> None:
        self.segments = list(_segments())
        if not self.segments:
            raise TablesNotFoundError(f"no mapped library named {_LIBRARY}")
        self.low = min(start for start, _ in self.segments)
        self.high = max(start + len(blob) for start, blob in self.segments)

    def find(self, anchors: list[tuple[int, int]]) -> Iterator[int]:
        """Addresses where each (offset, value) of `anchors` holds; 8-aligned."""
        offset, value = anchors[0]
        wanted = _WORD.pack(value)
        for start, blob in self.segments:
            hit = blob.find(wanted)
            while hit >= 0:
                base = hit - offset
                if base >= 0 and base % 8 == 0 and _matches(blob, base, anchors):
                    yield start + base
                hit = blob.find(wanted, hit + 1)

    def word(self, address: int) -> int:
        for start, blob in self.segments:
            if start <= address <= start + len(blob) - 8:
                return int(_WORD.unpack_from(blob, address - start)[0])
        raise LookupError(address)

    def text(self, address: int) -> str:
        """The string whose header lies at `address`."""
        pointer, size = self.word(address), self.word(address + 8)
        if size == 0:
            return ""
        if size > _LONGEST or not self.low <= pointer <= self.high - size:
            raise LookupError(address)
        for start, blob in self.segments:
            if start <= pointer <= start + len(blob) - size:
                return blob[pointer - start : pointer - start + size].decode("ascii")
        raise LookupError(address)

    def texts(self, address: int, count: int) -> tuple[str, ...]:
        return tuple(self.text(address + _HEADER * index) for index in range(count))


def read_tables() -> Tables:
    """Find both tables; exactly one place each, or a TablesNotFoundError."""
    image = _Image()
    singles = list(_single_tables(image))
    doubles = list(_double_tables(image))
    if len(singles) != 1 or len(doubles) != 1:
        raise TablesNotFoundError(
            f"expected one short and one long table, found {len(singles)} and {len(doubles)}"
        )
    return Tables(singles[0], doubles[0])


def _single_tables(image: _Image) -> Iterator[tuple[str, ...]]:
    anchors = [(_HEADER * at + 8, size) for at, size in enumerate(_LENGTHS) if size]
    for address in image.find(anchors):
        try:
            table = image.texts(address, _SINGLE)
        except (LookupError, UnicodeDecodeError):
            continue
        if table[0] == "" and table[1] == _SECOND_TOKEN:
            yield table


def _double_tables(image: _Image) -> Iterator[tuple[tuple[str, ...], ...]]:
    anchors = [(_SLICE * page + at, _PAGE) for page in range(_PAGES) for at in (8, 16)]
    for address in image.find(anchors):
        try:
            yield tuple(
                image.texts(image.word(address + _SLICE * page), _PAGE)
                for page in range(_PAGES)
            )
        except (LookupError, UnicodeDecodeError):
            continue


def _matches(blob: bytes, base: int, anchors: list[tuple[int, int]]) -> bool:
    if base + anchors[-1][0] + 8 > len(blob):
        return False
    return all(_WORD.unpack_from(blob, base + at)[0] == value for at, value in anchors)


def _segments() -> Iterator[tuple[int, bytes]]:
    with open("/proc/self/maps", encoding="utf-8") as maps:
        lines = [line.split() for line in maps]
    for fields in lines:
        if len(fields) > 5 and _LIBRARY in fields[5] and "r" in fields[1]:
            low, high = (int(part, 16) for part in fields[0].split("-"))
            yield low, ctypes.string_at(low, high - low)
