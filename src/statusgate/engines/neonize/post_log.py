"""The post log: what was about to be sent, and what came of it.

A post is noted before it is sent and after it is answered, so that after a crash it is known
which posts may be out, and which names in the library's contact store must be put back.
"""

import msgspec

from statusgate.domain.clock import now_ms
from statusgate.domain.errors import EngineRejected, EngineUncertain
from statusgate.domain.post import SentStatus
from statusgate.engines.account_store import AccountStore
from statusgate.engines.neonize.audience import Entry

KEEP_MS = 24 * 3600 * 1000
MAX_OUTCOME_BYTES = 4 * 1024 * 1024
"""of all outcomes together, unless the newest alone is longer"""

_FORGET_LONG_AGO = "DELETE FROM posts WHERE at_ms < ?"
_KEEP_TO_THE_LIMIT = """
UPDATE posts SET outcome = NULL WHERE key != ?1 AND key IN (
    SELECT key FROM (
        SELECT key, sum(length(outcome)) OVER (ORDER BY at_ms DESC, key = ?1 DESC, key) AS bytes
        FROM posts WHERE outcome IS NOT NULL
    ) WHERE bytes > ?2
)
"""


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What WhatsApp answered: it took the post, or refused it with *code*."""

    sent: SentStatus | None = None
    code: int = 0
    text: str = ""


_outcomes = msgspec.json.Decoder(Outcome)
_rows = msgspec.json.Decoder(list[Entry])


class PostLog:
    """The posts of the last day of one account. Every method raises OSError."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store

    def outcome(self, key: str) -> SentStatus | None:
        """Return how a post was sent, None if it never began.

        Raises EngineRejected if it was refused, EngineUncertain if it may be out: the answer
        never came, or so much was posted since that it is no longer remembered.
        """
        found = self._store.run("SELECT outcome FROM posts WHERE key = ?", key)
        if not found:
            return None
        if found[0][0] is None:
            raise EngineUncertain(key)
        outcome = _outcomes.decode(found[0][0])
        if outcome.sent is None:
            raise EngineRejected(outcome.code, outcome.text)
        return outcome.sent

    def owed(self) -> dict[str, list[Entry]]:
        """Return rows of the contact store that still have to be put back, by post."""
        owed: dict[str, list[Entry]] = {}
        for key, rows in self._store.run("SELECT key, rows FROM borrowed ORDER BY id"):
            owed.setdefault(key, []).extend(_rows.decode(rows))
        return owed

    def begin(self, key: str, rows: tuple[Entry, ...]) -> None:
        """The post will be sent now, while *rows* are borrowed."""
        with self._store.transaction():
            self._store.run(_FORGET_LONG_AGO, now_ms() - KEEP_MS)
            self._store.run("INSERT OR REPLACE INTO posts VALUES (?, ?, NULL)", key, now_ms())
            self.borrow(key, rows)

    def borrow(self, key: str, rows: tuple[Entry, ...]) -> None:
        """*rows* of the contact store will be changed and must be put back."""
        if rows:
            encoded = msgspec.json.encode(rows)
            self._store.run("INSERT INTO borrowed (key, rows) VALUES (?, ?)", key, encoded)

    def give_back(self, key: str) -> None:
        """The rows borrowed for *key* are as they were."""
        self._store.run("DELETE FROM borrowed WHERE key = ?", key)

    def withdraw(self, key: str) -> None:
        """Nothing of the post went out; it may be tried again."""
        self._store.run("DELETE FROM posts WHERE key = ?", key)

    def end(
        self, key: str, *, sent: SentStatus | None = None, code: int = 0, text: str = ""
    ) -> None:
        """WhatsApp answered; the longest ago answered are forgotten to make room."""
        outcome = msgspec.json.encode(Outcome(sent, code, text))
        with self._store.transaction():
            self._store.run(
                "INSERT OR REPLACE INTO posts VALUES (?, ?, ?)", key, now_ms(), outcome
            )
            self._store.run(_KEEP_TO_THE_LIMIT, key, MAX_OUTCOME_BYTES)
