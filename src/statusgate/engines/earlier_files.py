"""Takes over what 0.1 kept of an account in files of its own, so that an upgrade loses nothing.

A spool then was a folder of segments of records ``length(4) crc32(4) seq(8) payload``, big
endian, with the file ``confirmed``; the post log was one too; a sandbox had ``state.json`` and
long records in ``records/``.
"""

import fcntl
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec

_HEADER = struct.Struct(">IIQ")


def take_over(directory: Path, database: apsw.Connection) -> None:
    """Move everything into *database*; a repeat after a crash changes nothing.

    Raises BlockingIOError while a worker of 0.1 still runs, OSError, apsw.Error.
    """
    spool, posts, state = directory / "spool", directory / "posts", directory / "state.json"
    if not (spool.is_dir() or posts.is_dir() or state.exists()):
        return
    for lock in directory.glob("*/lock"):
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with database:
        for seq, payload in _records(spool):
            long = directory / "records" / f"{seq:020d}.json"
            found = long.read_bytes() if long.exists() else payload
            database.execute("REPLACE INTO spool VALUES (?, ?)", (seq, found))
        for mark in spool.glob("confirmed"):
            confirmed = int(mark.read_bytes())
            database.execute("UPDATE position SET confirmed = max(confirmed, ?)", (confirmed,))
        for _, line in _records(posts):
            _take_post(database, msgspec.json.decode(line))
        if state.exists():
            database.execute("REPLACE INTO sandbox VALUES (1, ?)", (state.read_bytes(),))
    for folder in (spool, posts, directory / "records"):
        shutil.rmtree(folder, ignore_errors=True)
    state.unlink(missing_ok=True)


def _take_post(database: apsw.Connection, line: dict[str, Any]) -> None:
    key, at_ms = line["key"], line.get("at_ms", 0)
    match line["k"]:
        case "Borrowed":
            rows = msgspec.json.encode(line["rows"])
            database.execute("INSERT INTO borrowed (key, rows) VALUES (?, ?)", (key, rows))
        case "Returned":
            database.execute("DELETE FROM borrowed WHERE key = ?", (key,))
        case "Withdrawn":
            database.execute("DELETE FROM posts WHERE key = ?", (key,))
        case "Begun":
            database.execute("REPLACE INTO posts VALUES (?, ?, NULL)", (key, at_ms))
        case "Ended":
            outcome = msgspec.json.encode(line)
            database.execute("REPLACE INTO posts VALUES (?, ?, ?)", (key, at_ms, outcome))


def _records(folder: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the whole records of all segments, in order; each up to the first damage."""
    for path in sorted(folder.glob("spool-" + "[0-9]" * 20)):
        data, at = path.read_bytes(), 0
        while at + _HEADER.size <= len(data):
            length, checksum, seq = _HEADER.unpack_from(data, at)
            end = at + _HEADER.size + length
            if end > len(data) or zlib.crc32(data[at + 8 : end]) != checksum:
                break
            yield seq, data[at + _HEADER.size : end]
            at = end
