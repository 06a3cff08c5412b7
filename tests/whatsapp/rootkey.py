"""Make an engine process trust our fake server: replace the pinned root key in its memory.

The library checks the server's Noise certificate against a 32-byte key in its writable data.
No file changes; the package that users install knows nothing of this.
"""

from __future__ import annotations

import ctypes

_LIBRARY = "neonize"
_PINNED = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")


class RootKeyNotFoundError(RuntimeError):
    """The wheel has changed: the pinned key is not there exactly once."""


def replace_root_key(new: bytes) -> None:
    """Put `new` where the loaded library keeps its pinned key; before it connects."""
    if len(new) != len(_PINNED):
        raise ValueError("a root key has 32 bytes")
    found = []
    with open("/proc/self/maps", encoding="utf-8") as maps:
        lines = [line.split() for line in maps]
    for fields in lines:
        if len(fields) > 5 and _LIBRARY in fields[5] and "w" in fields[1]:
            low, high = (int(part, 16) for part in fields[0].split("-"))
            blob = ctypes.string_at(low, high - low)
            at = blob.find(_PINNED)
            while at >= 0:
                found.append(low + at)
                at = blob.find(_PINNED, at + 1)
    if len(found) != 1:
        raise RootKeyNotFoundError(f"expected the pinned key once, found it {len(found)} times")
    ctypes.memmove(found[0], new, len(new))
