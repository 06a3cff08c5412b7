"""What comes of a fetch or a push, and what a push's outcome means for its queue.

Nothing here knows how a request is made.
"""

from enum import StrEnum
from typing import Final

import msgspec

from statusgate.domain.errors import StatusgateError

PAUSE_SECONDS: Final = 60
LONGEST_PAUSE_SECONDS: Final = 3600
_MAY_NAME_A_PAUSE = frozenset({408, 425, 429, *range(500, 600)})


class Fetched(msgspec.Struct, frozen=True):
    """A file that was fetched."""

    mimetype: str
    """As the server said, lower case, without parameters; ``""`` if it did not."""
    size: int


class FetchFailed(StatusgateError):
    """A file that could not be had. The text is the same for every cause (reliability 4,
    rule 5); the reason is for logs alone."""

    def __init__(self, reason: str) -> None:
        super().__init__("file could not be fetched")
        self.reason = reason


class FileMoved(FetchFailed):
    """The file's address redirects to another, which is never followed."""


class FileTooLarge(FetchFailed):
    """The file is there, and over the limit."""


class PushAnswer(msgspec.Struct, frozen=True):
    """The receiver's status line came in time."""

    status: int
    retry_after_seconds: int | None = None
    """What its Retry-After asked for, unclamped."""


class Fault(StrEnum):
    """Why there was no status line."""

    BLOCKED = "blocked"
    """The target is forbidden; nothing was sent."""
    UNREACHABLE = "unreachable"
    """No connection: refused, no such name, TLS not in order, or too slow in that."""
    BROKEN = "broken"
    """Connected, but reset, closed, or answered with something other than HTTP."""
    SILENT = "silent"
    """Connected, but no complete status line before the deadline."""


class PushFailed(msgspec.Struct, frozen=True):
    """There was no status line; the reason is for logs alone."""

    fault: Fault
    reason: str


PushOutcome = PushAnswer | PushFailed


class Retry(msgspec.Struct, frozen=True):
    """The same notification again after a pause; a new URL ends the pause."""

    pause_seconds: int
    event: str | None = None
    """An operator event, once per streak."""


def next_step(outcome: PushOutcome) -> Retry | None:
    """The table of reliability 2: what follows from an attempt; None: it is delivered."""
    match outcome:
        case PushFailed(fault=Fault.BLOCKED):
            return Retry(PAUSE_SECONDS, "webhook.blocked")
        case PushFailed():
            return Retry(PAUSE_SECONDS)
        case PushAnswer(status=status) if 200 <= status <= 299:
            return None
        case PushAnswer(status=410):
            return Retry(LONGEST_PAUSE_SECONDS, "webhook.gone")
        case PushAnswer(status, seconds) if status in _MAY_NAME_A_PAUSE:
            return Retry(min(max(seconds or 0, PAUSE_SECONDS), LONGEST_PAUSE_SECONDS))
        case PushAnswer(status=status) if 400 <= status <= 499:
            return Retry(PAUSE_SECONDS, "webhook.rejected")
        case PushAnswer():
            return Retry(PAUSE_SECONDS)
