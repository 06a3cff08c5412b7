"""Whether a file is nothing but what it seems, so that it may be passed through as it is.

What is not plainly so is converted instead, which leaves everything foreign behind: metadata
that tells where a picture was taken, or a second file hidden in or behind the first. Only
forms are checked here; that the content can be decoded, the decoders say.
"""

import math
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

_FOREIGN = (
    b"pk\x03\x04", b"pk\x05\x06", b"rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"%pdf-", b"<html",
    b"<script", b"<svg", b"<!doctype", b"<?php", b"<?xml", b"\x7felf",
)  # fmt: skip
"""first bytes of what other programs would find, in lower case; a file in which chance alone
has put one is converted for nothing"""
_KEPT_SEGMENTS = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xE0, 0xEE})
"""SOF0 to 2, DHT, SOS, DQT, DRI, APP0 (JFIF), APP14 (Adobe)"""
_LONGEST_APP_SEGMENT = 16
_LONGEST_MOOV = 4 * 1024 * 1024
_LONGEST_PADDING = 1024
_ROUNDING_SECONDS = 1.0
_PLACES = (b"\xa9xyz", b"loci", b"location", b"uuid")
_PAGE_HEAD = 27
_FIRST_PAGE, _LAST_PAGE = 2, 4
_LONGEST_OPUS_TAGS = 1024


def carries_foreign(content: bytes) -> bool:
    """Tell whether the start of a file of another type is somewhere in *content*."""
    lower = content.lower()
    return any(sign in lower for sign in _FOREIGN)


def is_plain_jpeg(content: bytes) -> bool:
    """Tell whether a JPEG is one picture without metadata, from its first byte to its last."""
    if not content.startswith(b"\xff\xd8") or carries_foreign(content):
        return False
    at = 2
    while content[at : at + 2] != b"\xff\xd9":
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        if at + 4 > len(content) or content[at] != 0xFF or length < 2:
            return False
        kind = content[at + 1]
        is_application_segment = kind in (0xE0, 0xEE)
        if kind not in _KEPT_SEGMENTS or (
            is_application_segment and length > _LONGEST_APP_SEGMENT
        ):
            return False
        at += 2 + length
        if kind == 0xDA:
            at = _end_of_scan(content, at)
    return at + 2 == len(content)


def _end_of_scan(content: bytes, at: int) -> int:
    """Return where the first marker stands that is neither escaped nor a restart."""
    while (at := content.find(b"\xff", at)) >= 0:
        follower = content[at + 1 : at + 2]
        if follower != b"\0" and not b"\xd0" <= follower <= b"\xd7":
            return at
        at += 2
    return len(content)


class BrokenBoxes(Exception):
    """An MP4's boxes do not fill its file; *kind* is the box that does not fit."""

    def __init__(self, kind: bytes, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def boxes(file: BinaryIO) -> list[tuple[bytes, int, int]]:
    """Return type, content's start and content's length of an MP4's outermost boxes.

    Raises BrokenBoxes if they do not fill the file exactly: it is cut off, or goes on.
    """
    size = file.seek(0, os.SEEK_END)
    found = []
    at = 0
    while at < size:
        start, kind, length = _box_at(file, at)
        if length == 0:
            length = size - at
        if length < start - at or at + length > size:
            raise BrokenBoxes(kind, f"a box of {length} bytes at {at} of {size}")
        found.append((kind, start, at + length - start))
        at += length
    return found


def _box_at(file: BinaryIO, at: int) -> tuple[int, bytes, int]:
    """Return content's start, type and total length, 0 for one up to the end of the file."""
    file.seek(at)
    head = file.read(16)
    length = int.from_bytes(head[:4], "big")
    if len(head) < 8 or (length == 1 and len(head) < 16):
        raise BrokenBoxes(head[4:8], f"half a box at {at}")
    if length == 1:
        return at + 16, head[4:8], int.from_bytes(head[8:16], "big")
    return at + 8, head[4:8], length


def is_plain_mp4(file: BinaryIO, media_bytes: int, seconds: float) -> bool:
    """Tell whether an MP4 starts with its index and holds *media_bytes* of media, no more.

    Nowhere may it claim to last longer than *seconds*.
    """
    try:
        found = boxes(file)
    except BrokenBoxes:
        return False
    kinds = [kind for kind, _, _ in found if kind != b"free"]
    if kinds != [b"ftyp", b"moov", b"mdat"]:
        return False
    most = {b"mdat": media_bytes, b"moov": _LONGEST_MOOV}
    if any(length > most.get(kind, _LONGEST_PADDING) for kind, _, length in found):
        return False
    return all(_is_plain_box(kind, _content(file, *at), seconds) for kind, *at in found)


def _content(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def _is_plain_box(kind: bytes, content: bytes, seconds: float) -> bool:
    if kind == b"free":
        return not any(content)
    if kind == b"moov" and (
        any(place in content for place in _PLACES)
        or _longest_claim(content) > seconds + _ROUNDING_SECONDS
    ):
        return False
    return not carries_foreign(content)


def _longest_claim(moov: bytes) -> float:
    """Return the most seconds that one of an index's headers claims."""
    claims = [0.0]
    for kind in (b"mvhd", b"mdhd"):
        at = moov.find(kind)
        while at >= 0:
            is_wide = moov[at + 4 : at + 5] == b"\1"
            ticks, length = (at + 24, 8) if is_wide else (at + 16, 4)
            rate = int.from_bytes(moov[ticks : ticks + 4], "big")
            count = int.from_bytes(moov[ticks + 4 : ticks + 4 + length], "big")
            claims.append(count / rate if rate else math.inf)
            at = moov.find(kind, at + 4)
    return max(claims)


def is_plain_opus(content: bytes) -> bool:
    """Tell whether an Ogg file is one mono Opus stream, page by page to its last byte."""
    pages = list(_pages(content))
    if len(pages) < 3 or sum(len(page) for page in pages) != len(content):
        return False
    if not _are_one_stream(pages) or carries_foreign(content):
        return False
    head = pages[0][_PAGE_HEAD + pages[0][26] :]
    is_mono = head.startswith(b"OpusHead") and head[9:10] == b"\1" and len(head) == 19
    return is_mono and len(pages[1]) < _LONGEST_OPUS_TAGS


def _are_one_stream(pages: list[bytes]) -> bool:
    """Tell whether pages have one serial number, count up, and are marked first and last."""
    return (
        len({page[14:18] for page in pages}) == 1
        and all(page[18:22] == struct.pack("<I", at) for at, page in enumerate(pages))
        and [page[5] & _FIRST_PAGE for page in pages] == [_FIRST_PAGE] + [0] * (len(pages) - 1)
        and [page[5] & _LAST_PAGE for page in pages] == [0] * (len(pages) - 1) + [_LAST_PAGE]
    )


def _pages(content: bytes) -> Iterator[bytes]:
    at = 0
    while content[at : at + 4] == b"OggS" and at + _PAGE_HEAD <= len(content):
        segments = content[at + _PAGE_HEAD : at + _PAGE_HEAD + content[at + 26]]
        end = at + _PAGE_HEAD + len(segments) + sum(segments)
        if end > len(content):
            return
        yield content[at:end]
        at = end
