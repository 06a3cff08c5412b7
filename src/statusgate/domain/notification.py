"""What clients are notified of: queued notifications, attempts to push them, the event log."""

from enum import StrEnum
from typing import Final

import msgspec

from statusgate.domain.ids import InstanceId

LIFE_MS: Final = 24 * 3600 * 1000
"""How long a notification waits to be taken (contract 6)."""


class End(StrEnum):
    """How a notification left the queue."""

    DELIVERED = "delivered"
    """pushed, or deleted by the client that polls"""
    EXPIRED = "expired"
    CLEARED = "cleared"
    """by ``clearWebhooksQueue``"""
    DROPPED = "dropped"
    """by the operator"""


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of an instance's queue. Times are milliseconds UTC."""

    instance_id: InstanceId
    receipt_id: int
    """1 … 2^31-1, rising within the instance"""
    webhook_id: str
    """the same over all attempts and replays"""
    created_ms: int
    ended_ms: int | None
    """None: it waits"""
    outcome: End | None
    attempts: int
    body: bytes
    """JSON, fixed when the fact was recorded"""

    def is_expired(self, now_ms: int) -> bool:
        """Whether it waits too long already."""
        return self.ended_ms is None and self.created_ms + LIFE_MS <= now_ms


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one attempt to push."""

    receipt_id: int
    attempt: int = 0
    """counted from 1; 0 until it is recorded"""
    at_ms: int
    duration_ms: int
    outcome: str
    """``delivered``, ``rejected``, ``redirected``, ``failed``, ``gone`` or a ``Fault``"""
    code: int | None
    """of the receiver's status line; None: there was none"""
    reason: str = ""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A notification in a list: what its body begins with, and its last attempt."""

    receipt_id: int
    created_ms: int
    ended_ms: int | None
    end: End | None
    attempts: int
    head: str
    """the first characters of the body, with everything that identifies it"""
    last: Delivery | None


class Streak(msgspec.Struct, frozen=True, kw_only=True):
    """Pushes of an instance fail."""

    until_ms: int
    """when to try again"""
    since_ms: int
    """when it began"""
    url: str
    """whose receiver failed; another one ends the pause"""
    told: frozenset[str] = frozenset()
    """operator events of this streak"""


class Backlog(msgspec.Struct, frozen=True):
    """What waits of one instance."""

    instance_id: InstanceId
    count: int
    oldest_ms: int


class LoggedEvents(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one transaction, numbered *first_no* to *last_no*."""

    first_no: int
    last_no: int
    lines: tuple[bytes, ...]
    """one an event: its name, a space, its data as JSON"""


class LogRange(msgspec.Struct, frozen=True):
    """Which events can be resumed behind: from ``oldest_no - 1`` to ``newest_no``."""

    oldest_no: int
    newest_no: int
