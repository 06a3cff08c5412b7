"""What a developer can make happen on a sandbox account (contract 12.9)."""

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.instance import State
from statusgate.domain.receipt import Progress
from statusgate.domain.reply import ReplyKind
from statusgate.domain.status import Kind


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """A status appears: *author*'s, or (None) one the account posts on its phone."""

    author: Address | None
    kind: Kind
    text: str = ""
    """the text, or the caption"""
    background: int | None = None
    font: int | None = None
    file: bytes | None = None
    """None: a small built-in sample"""
    timestamp: int | None = None
    """unix seconds; None: now; a future one holds the event back"""
    status_id: str | None = None
    """None: a new one"""


class Viewed(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer's receipt; may precede its status."""

    status_id: str
    viewer: Address
    kind: Progress
    timestamp: int | None = None


class Reacted(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer reacts to a status; may precede it."""

    status_id: str
    viewer: Address
    reaction: str
    """an emoji; ``""``: the reaction is taken back"""
    timestamp: int | None = None


class Replied(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer answers a status in a private message; may precede it."""

    status_id: str
    viewer: Address
    kind: ReplyKind = ReplyKind.TEXT
    text: str = ""
    """the text, or the caption"""
    timestamp: int | None = None
    reply_id: str | None = None
    """None: a new one"""


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """The author deletes a status; *author* may be the account itself."""

    status_id: str
    author: Address


class Met(msgspec.Struct, frozen=True, kw_only=True):
    """A contact is added or replaced."""

    address: Address
    name: str = ""
    contact_name: str = ""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """The account's state changes; *phone* counts only when linking from notAuthorized."""

    state: State
    phone: str = ""


ScriptEvent = Posted | Viewed | Reacted | Replied | Withdrawn | Met | Moved
