"""What an engine reports: the events of the engine port, typed, in one union.

They are msgspec structs with a tag, so that spools and process borders need no code of
their own: ``msgspec.json.encode`` and a decoder of ``EngineEvent`` are enough.
"""

from enum import StrEnum

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.media import MediaRef
from statusgate.domain.receipt import Progress
from statusgate.domain.reply import Reply
from statusgate.domain.status import Kind


class EngineState(StrEnum):
    """The WhatsApp connection as the engine sees it."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"
    REPLACED = "replaced"
    LOGGED_OUT = "loggedOut"
    BANNED = "banned"
    """for a time, see ``until_ms``"""
    BLOCKED = "blocked"
    """for good (406)"""
    OUTDATED = "outdated"
    FAILING = "failing"


class Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="k", tag=True
):
    """Root of all engine events; times are milliseconds UTC."""


class QrCode(Event, frozen=True, kw_only=True):
    """A code to scan; volatile, never journaled. ``payload=""``: the code ran out."""

    payload: str
    expires_ms: int = 0


class LinkingEnded(Event, frozen=True, kw_only=True):
    """Linking stopped without success; volatile."""

    reason: str


class Paired(Event, frozen=True, kw_only=True):
    """The account is linked."""

    me: Address
    device: int = 0
    push_name: str = ""
    at_ms: int


class StateChanged(Event, frozen=True, kw_only=True):
    """The connection changed; edge-triggered."""

    state: EngineState
    reason: str = ""
    until_ms: int = 0
    me: Address | None = None
    device: int = 0
    push_name: str = ""
    at_ms: int


class StatusEvent(Event, frozen=True, kw_only=True):
    """Root of what is known of one status."""

    wire_id: str
    author: Address
    at_ms: int


class StatusReceived(StatusEvent, frozen=True, kw_only=True):
    """A status was posted: by a contact, or by the account itself on another device."""

    from_me: bool = False
    kind: Kind
    text: str = ""
    background: int | None = None
    font: int | None = None
    media: MediaRef | None = None
    thumbnail: bytes = b""
    push_name: str = ""
    by_lid: bool = False
    """WhatsApp named the author by LID"""


class StatusDeleted(StatusEvent, frozen=True, kw_only=True):
    """The author withdrew a status."""

    from_me: bool = False


class StatusReceipt(Event, frozen=True, kw_only=True):
    """*viewer* got or saw statuses of the account."""

    wire_ids: tuple[str, ...]
    viewer: Address
    kind: Progress
    """DELIVERED or READ"""
    at_ms: int


class StatusReaction(Event, frozen=True, kw_only=True):
    """*viewer* reacted to a status of the account."""

    wire_id: str
    viewer: Address
    reaction: str
    """an emoji; ``""``: the reaction is taken back"""
    at_ms: int


class StatusReply(Event, frozen=True, kw_only=True):
    """Somebody answered a status of the account in a private message."""

    reply: Reply


class StatusUndecryptable(StatusEvent, frozen=True, kw_only=True):
    """A status came that cannot be read: a gap, recorded, never silent."""


class GapClosed(StatusEvent, frozen=True, kw_only=True):
    """What could not be read at first was read now, and is no status."""


class ContactsChanged(Event, frozen=True, kw_only=True):
    """Contacts that are new or changed; may be a part of all."""

    contacts: tuple[Contact, ...]
    at_ms: int


class IdentityLearned(Event, frozen=True, kw_only=True):
    """Phone number and LID belong to one person; *address* has both."""

    address: Address
    at_ms: int


class EngineDied(Event, frozen=True, kw_only=True):
    """The engine's process ended; made by the supervisor."""

    exit_code: int | None = None
    reason: str = ""
    alarm: bool = False
    """it dies too often and is now restarted slowly"""
    at_ms: int


EngineEvent = (
    QrCode
    | LinkingEnded
    | Paired
    | StateChanged
    | StatusReceived
    | StatusDeleted
    | StatusReceipt
    | StatusReaction
    | StatusReply
    | StatusUndecryptable
    | GapClosed
    | ContactsChanged
    | IdentityLearned
    | EngineDied
)


class Sequenced(msgspec.Struct, frozen=True):
    """Events that stand or fall together.

    ``seq`` rises strictly and is never reused within an account; 0 marks volatile events
    (codes, deaths) that are neither journaled nor acknowledged.
    """

    seq: int
    events: tuple[EngineEvent, ...]
