"""The receipt lattice: pending < failed < sent < delivered < read.

A recipient's row is two times, each the earliest reported of its kind, and the latest reaction.
Everything else follows, so receipts may come in any order, repeated, or before their status
(contract 3.1).
"""

from enum import IntEnum
from typing import Literal, cast

import msgspec

from statusgate.domain.address import Address


class Progress(IntEnum):
    """How far a status, or one recipient's row, has come; it only rises."""

    PENDING = 0
    FAILED = 1
    SENT = 2
    DELIVERED = 3
    READ = 4


ProgressName = Literal["pending", "sent", "delivered", "read", "failed"]
PROGRESS_NAMES = {
    progress: cast("ProgressName", progress.name.lower()) for progress in Progress
}
"""How the contract spells them."""


class Reaction(msgspec.Struct, frozen=True):
    """The emoji with which somebody reacted to a status; ``""``: it was taken back."""

    at_ms: int
    emoji: str

    def is_later_than(self, other: "Reaction") -> bool:
        """Of two at the same time, the one that takes back is the later."""
        return self._order > other._order

    @property
    def _order(self) -> tuple[int, bool, str]:
        return self.at_ms, not self.emoji, self.emoji


class Row(msgspec.Struct, frozen=True):
    """One recipient's receipts: the earliest time of each kind, milliseconds UTC, and the
    latest reaction."""

    delivered_ms: int | None = None
    read_ms: int | None = None
    reaction: Reaction | None = None

    @property
    def progress(self) -> Progress:
        """How far the receipts alone carry; PENDING if there are none."""
        if self.read_ms is not None:
            return Progress.READ
        return Progress.PENDING if self.delivered_ms is None else Progress.DELIVERED

    @property
    def arrived_ms(self) -> int | None:
        """When it was there at the latest: who has read it has got it."""
        return _earliest(self.delivered_ms, self.read_ms)

    def joined(self, other: "Row") -> "Row":
        """Return the least row that holds what both tell.

        Commutative, associative, idempotent.
        """
        return Row(
            _earliest(self.delivered_ms, other.delivered_ms),
            _earliest(self.read_ms, other.read_ms),
            _latest(self.reaction, other.reaction),
        )

    def stages(self, above: Progress, to: Progress) -> list[tuple[Progress, int]]:
        """The receipts that carried it from *above* up to *to*, each with its time."""
        times = ((Progress.DELIVERED, self.delivered_ms), (Progress.READ, self.read_ms))
        return [(kind, at) for kind, at in times if at is not None and above < kind <= to]

    def newest_ms(self) -> int | None:
        """The time of the newest receipt in the row."""
        if self.delivered_ms is None or self.read_ms is None:
            return self.read_ms if self.delivered_ms is None else self.delivered_ms
        return max(self.delivered_ms, self.read_ms)


def row_of(kind: Progress, at_ms: int, reaction: str | None = None) -> Row:
    """Return the row that a single receipt of *kind* (DELIVERED or READ) makes."""
    if reaction is not None:
        return Row(read_ms=at_ms, reaction=Reaction(at_ms, reaction))
    return Row(read_ms=at_ms) if kind is Progress.READ else Row(delivered_ms=at_ms)


class Receipt(msgspec.Struct, frozen=True):
    """*viewer* got (DELIVERED) or saw (READ) the status that WhatsApp calls *wire_id*."""

    wire_id: str
    viewer: Address
    kind: Progress
    at_ms: int
    reaction: str | None = None
    """the emoji of a reaction, which proves that the status was seen: *kind* is READ"""


class ReceiptChange(msgspec.Struct, frozen=True, kw_only=True):
    """One row that a batch of receipts changed.

    *raised_to* is the progress it reached for the first time, *raised_from* where it stood
    before; None if only an earlier time was learned.
    """

    status_no: int
    status_id: str
    by_api: bool
    viewer: Address
    row: Row
    raised_to: Progress | None
    raised_from: Progress = Progress.PENDING
    reacted: bool = False
    """the reaction of *row* is new, or was taken back"""
    raised_status: bool = False
    """the batch carried the status itself further, to this row's progress at least"""


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a status as clients see it (contract 3.7)."""

    address: Address
    contact_name: str
    progress: Progress
    at_ms: int
    """when the row reached *progress*"""
    row: Row
    refused: int | None = None
    """the code with which WhatsApp refused this recipient"""


class Viewer(Recipient, frozen=True, kw_only=True):
    """A recipient with all that is known of what they did (contract 12.12)."""

    no: int
    """number of the person, never shown"""
    name: str
    replied_ms: int | None
    """the newest reply; None: there is none"""


def _latest(one: Reaction | None, other: Reaction | None) -> Reaction | None:
    if one is None or other is None:
        return other if one is None else one
    return other if other.is_later_than(one) else one


def _earliest(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
