"""Whether a JPEG is nothing but one picture, so that it may be copied as it is.

What is not plainly so is encoded again, which leaves out everything else: metadata that says
where a picture was taken, or a second file hidden in or after the first. Only the form
is checked here; that the content can be decoded, the decoder says.
"""

_SIGNS_OF_OTHER_FILES = (
    b"pk\x03\x04", b"pk\x05\x06", b"rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"%pdf-", b"<html",
    b"<script", b"<svg", b"<!doctype", b"<?php", b"<?xml", b"\x7felf",
)  # fmt: skip
"""first bytes of what other programs would find, in lower case; where chance alone has put
one, a picture is encoded for nothing"""
_KEPT_SEGMENTS = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xE0, 0xEE})
"""SOF0 to 2, DHT, SOS, DQT, DRI, APP0 (JFIF), APP14 (Adobe)"""
_LONGEST_APP_SEGMENT = 16


def is_plain_jpeg(content: bytes) -> bool:
    """Tell whether a JPEG is one picture without metadata, from its first byte to its last."""
    if not content.startswith(b"\xff\xd8") or _carries_another_file(content):
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
    return 2 < at == len(content) - 2


def _carries_another_file(content: bytes) -> bool:
    """Tell whether the start of a file of another type is somewhere in *content*."""
    lower = content.lower()
    return any(sign in lower for sign in _SIGNS_OF_OTHER_FILES)


def _end_of_scan(content: bytes, at: int) -> int:
    """Return where the first marker stands that is neither escaped nor a restart."""
    while (at := content.find(b"\xff", at)) >= 0:
        follower = content[at + 1 : at + 2]
        if follower != b"\0" and not b"\xd0" <= follower <= b"\xd7":
            return at
        at += 2
    return len(content)
