"""Private messages that answer a status of the account."""

from enum import IntEnum
from typing import Final

import msgspec

from statusgate.domain.address import Address

MAX_REACTION: Final = 32
"""code points; the longest emoji, families and flags of regions, have about 14"""
MAX_REPLY: Final = 4096
"""code points of a reply's text (contract 13a)"""
MOST_REPLIES: Final = 100
"""As many are kept of one person for one status, the first to come."""


class ReplyKind(IntEnum):
    """What a reply is; journaled as a small number. Of files only the kind is kept."""

    TEXT = 1
    IMAGE = 2
    VIDEO = 3
    AUDIO = 4
    DOCUMENT = 5
    STICKER = 6


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A reply to the status that WhatsApp calls *wire_id*."""

    wire_id: str
    viewer: Address
    reply_id: str
    """WhatsApp's id of the private message"""
    kind: ReplyKind
    text: str = ""
    """the text, or the caption"""
    at_ms: int
    contact_name: str = ""
    """of the viewer, as the journal knows it now"""
