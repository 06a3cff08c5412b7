"""What the engine port is given to post, and what it answers."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.media import Preview
from statusgate.domain.status import Kind


class StatusPost(Preview, frozen=True, kw_only=True):
    """A status to publish; *key* is our idMessage and the idempotency key."""

    key: str
    kind: Kind
    text: str = ""
    background: int | None = None
    """0xRRGGBB"""
    font: int | None = None
    media_path: str = ""
    mimetype: str = ""


class Skipped(msgspec.Struct, frozen=True):
    """A recipient who was left out: ``unknown``, ``privacy`` or ``noAddress``."""

    address: Address
    reason: str


class SentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """WhatsApp took the status under its own id."""

    key: str
    wire_id: str
    sent_ms: int | None = None
    """WhatsApp's time; None if it gave none"""
    recipients: tuple[Address, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    refused: tuple[tuple[Address, int], ...] = ()
    """recipients whom WhatsApp refused, with its codes, as far as the engine can tell"""


class Quoted(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply shows of the status that it answers."""

    kind: Kind
    text: str = ""
    """the text, or the caption"""
    thumbnail: bytes = b""
    """JPEG; empty for texts and voices"""


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A reaction or a reply to somebody's status, sent to its author alone."""

    key: str
    """our idMessage and the idempotency key, unique among posts and answers"""
    wire_id: str
    """of the status"""
    author: Address
    by_lid: bool = False
    """WhatsApp named the author by LID; so must the answer"""
    reaction: str | None = None
    """an emoji; ``""`` takes the reaction back; None: it is a reply"""
    text: str = ""
    """of a reply"""
    quoted: Quoted | None = None
    """of a reply"""


class SentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """WhatsApp took the answer under its own id."""

    key: str
    wire_id: str
    sent_ms: int | None = None
    """WhatsApp's time; None if it gave none"""


class AudiencePrivacy(msgspec.Struct, frozen=True):
    """The account's own setting on WhatsApp of who sees its statuses."""

    kind: Literal["contacts", "blacklist", "whitelist"] = "contacts"
    """all contacts; all but *people*; *people* alone"""
    people: tuple[Address, ...] = ()

    def excluded(self, people: Iterable[Address]) -> list[Address]:
        """Those of *people* who do not see the account's statuses."""
        if self.kind == "contacts":
            return []
        phones = {one.phone for one in self.people if one.phone}
        lids = {one.lid for one in self.people if one.lid}
        is_out = self.kind == "blacklist"
        return [one for one in people if (one.phone in phones or one.lid in lids) is is_out]


class ContactInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What WhatsApp says of a number when asked (a live query)."""

    address: Address
    exists: bool
    avatar_url: str = ""
