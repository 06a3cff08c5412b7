"""The book of posts: what was about to be sent, and what came of it.

A post is written down before it is sent and after it is answered, so that after a crash it is
known which posts may be out, and which names in the library's contact store must be put back.
"""

import time
from pathlib import Path

import msgspec

from statusgate.domain.errors import EngineRejected, EngineUncertain
from statusgate.domain.post import SentStatus
from statusgate.engines.neonize.audience import Entry
from statusgate.engines.spool import Spool

KEEP_MS = 24 * 3600 * 1000
_ENTRIES_PER_RECORD = 2000


class _Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="k", tag=True):
    key: str
    at_ms: int = 0


class Borrowed(_Line, frozen=True, kw_only=True):
    """Rows of the contact store that must be put back like this."""

    rows: tuple[Entry, ...]


class Begun(_Line, frozen=True, kw_only=True):
    """The post is about to be sent."""


class Returned(_Line, frozen=True, kw_only=True):
    """The rows were put back."""


class Withdrawn(_Line, frozen=True, kw_only=True):
    """Nothing was sent; the post may be tried again."""


class Ended(_Line, frozen=True, kw_only=True):
    """WhatsApp answered: it took the post, or refused it with *code*."""

    sent: SentStatus | None = None
    code: int = 0
    text: str = ""


_Any = Borrowed | Begun | Returned | Withdrawn | Ended
_lines = msgspec.json.Decoder(_Any)


class PostLog:
    """The posts of the last day of one account; on disk once a call returns."""

    def __init__(self, directory: Path) -> None:
        """Raises OSError."""
        self._spool = Spool(directory, min_free_bytes=0)
        self._posts: dict[str, Begun | Ended] = {}
        self._borrowed: dict[str, list[Entry]] = {}
        self._load(int(time.time() * 1000) - KEEP_MS)

    def outcome(self, key: str) -> SentStatus | None:
        """Return how a post was sent, None if it never began.

        Raises EngineRejected if it was refused, EngineUncertain if it may be out.
        """
        found = self._posts.get(key)
        if found is None:
            return None
        if isinstance(found, Begun):
            raise EngineUncertain(key)
        if found.sent is None:
            raise EngineRejected(found.code, found.text)
        return found.sent

    def unfinished(self) -> list[str]:
        """Return the keys of posts that may or may not be out."""
        return [key for key, post in self._posts.items() if isinstance(post, Begun)]

    def owed(self) -> dict[str, list[Entry]]:
        """Return rows of the contact store that still have to be put back, by post."""
        return {key: list(rows) for key, rows in self._borrowed.items()}

    def begin(self, key: str, rows: tuple[Entry, ...]) -> None:
        """The post will be sent now, while *rows* are borrowed."""
        self.borrow(key, rows)
        self._write(Begun(key=key, at_ms=_now_ms()))

    def borrow(self, key: str, rows: tuple[Entry, ...]) -> None:
        """*rows* will be changed and must be put back."""
        for start in range(0, len(rows), _ENTRIES_PER_RECORD):
            part = rows[start : start + _ENTRIES_PER_RECORD]
            self._write(Borrowed(key=key, at_ms=_now_ms(), rows=part))

    def give_back(self, key: str) -> None:
        """The rows borrowed for *key* are as they were."""
        if key in self._borrowed:
            self._write(Returned(key=key, at_ms=_now_ms()))

    def withdraw(self, key: str) -> None:
        """Nothing of the post went out."""
        self._write(Withdrawn(key=key, at_ms=_now_ms()))

    def end(
        self, key: str, *, sent: SentStatus | None = None, code: int = 0, text: str = ""
    ) -> None:
        """WhatsApp answered."""
        self._write(Ended(key=key, at_ms=_now_ms(), sent=sent, code=code, text=text))

    def close(self) -> None:
        """Release the files."""
        self._spool.close()

    def _load(self, since_ms: int) -> None:
        settled, recent = 0, False
        for seq, record in self._spool.read(self._spool.confirmed):
            line = _lines.decode(record)
            self._apply(line)
            recent = recent or line.at_ms >= since_ms
            if not recent and not self._borrowed:
                settled = seq
        if settled:
            self._spool.confirm(settled)

    def _write(self, line: _Any) -> None:
        self._spool.append(msgspec.json.encode(line))
        self._apply(line)

    def _apply(self, line: _Any) -> None:
        match line:
            case Borrowed():
                self._borrowed.setdefault(line.key, []).extend(line.rows)
            case Returned():
                self._borrowed.pop(line.key, None)
            case Begun() | Ended():
                self._posts[line.key] = line
            case Withdrawn():
                self._posts.pop(line.key, None)


def _now_ms() -> int:
    return int(time.time() * 1000)
