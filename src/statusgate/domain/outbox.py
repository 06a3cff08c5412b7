"""Statuses and answers of ours on their way out: what was accepted, how far it has come."""

from enum import IntEnum, StrEnum

import msgspec

from statusgate.domain.ids import InstanceId
from statusgate.domain.media import Preview, StoredFile
from statusgate.domain.status import Failure, Kind

KEPT_MS = 24 * 3600 * 1000
"""how long a status waits in the queue (contract 3.1)"""
MOST_LISTED = 100
"""recipients that a report lists for each reason (contract 12.4)"""


class Method(StrEnum):
    """The method that accepted a status or an answer (contract 3.3, 12.13)."""

    TEXT = "sendTextStatus"
    VOICE = "sendVoiceStatus"
    MEDIA = "sendMediaStatus"
    REACTION = "sendStatusReaction"
    REPLY = "sendStatusReply"


class Phase(IntEnum):
    """How far a status has come; journaled as a small number.

    One that waits for its time has no place in the queue yet, whatever its phase.
    """

    FETCHING = 1
    """its file has still to be fetched and converted"""
    READY = 2
    SENDING = 3
    """handed to the engine: it may be out"""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller wants to send, validated, with defaults filled in (contract 3.3, 12.13)."""

    method: Method = Method.TEXT
    kind: Kind = Kind.TEXT
    text: str = ""
    """the text, the caption, or the emoji"""
    background: int | None = None
    """0xRRGGBB"""
    font: int | None = None
    """WhatsApp's number"""
    participants: tuple[str, ...] = ()
    """chat ids as given; empty: every contact with a contact name; of an answer the author"""
    url: str = ""
    file_name: str = ""
    send_at_ms: int | None = None
    """None, or a time that has passed: at once"""
    answered_id: str | None = None
    """the incoming status that it answers; None: it is a status itself"""


class Prepared(Preview, frozen=True, kw_only=True):
    """A file as phones show it, stored."""

    file: StoredFile


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted status or answer until its outcome is recorded; times are ms UTC."""

    instance_id: InstanceId
    status_id: str
    draft: Draft
    accepted_ms: int
    phase: Phase
    queue_no: int | None = None
    """its place; None: it waits for its time"""
    status_no: int | None = None
    """its number in the journal, once it is in the queue; an answer has none"""
    expires_ms: int | None = None
    """24 h after it joined the queue"""
    prepared: Prepared | None = None

    @property
    def is_scheduled(self) -> bool:
        """Whether it waits for its time."""
        return self.queue_no is None

    @property
    def is_answer(self) -> bool:
        """Whether it is a reaction or a reply."""
        return self.draft.answered_id is not None


class AnswerOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a reaction or a reply of ours."""

    answer_id: str
    chat_id: str
    """whom it is for"""
    at_ms: int
    failure: Failure | None = None
    """None: it was sent"""


class LeftOut(msgspec.Struct, frozen=True):
    """Recipients who were left out for one reason, all counted, the first 100 listed."""

    reason: str
    count: int
    participants: tuple[str, ...]


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of an accepted status beyond what the journals show."""

    accepted_ms: int
    send_at_ms: int | None = None
    file_name: str = ""
    """as given at sending"""
    requested: int | None = None
    """participants given; None: all contacts"""
    resolved: int = 0
    """recipients after all exclusions"""
    skipped: tuple[LeftOut, ...] = ()
