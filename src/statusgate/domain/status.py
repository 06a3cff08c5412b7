"""One post to WhatsApp Status, incoming or outgoing."""

from enum import IntEnum, StrEnum
from operator import add
from typing import Literal, cast

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId
from statusgate.domain.media import StoredFile
from statusgate.domain.receipt import Progress


class Kind(IntEnum):
    """What a status is; journaled as a small number."""

    TEXT = 1
    IMAGE = 2
    VIDEO = 3
    AUDIO = 4


class Font(IntEnum):
    """Fonts of the contract (3.2) by the number WhatsApp's clients use on the wire."""

    SANS_SERIF = 0
    SERIF = 1
    NORICAN_REGULAR = 2
    BRYNDAN_WRITE = 3
    OSWALD_HEAVY = 5


FontName = Literal["SERIF", "SANS_SERIF", "NORICAN_REGULAR", "BRYNDAN_WRITE", "OSWALD_HEAVY"]
"""The fonts in the contract's order."""

_NAMES = {font.value: cast("FontName", font.name) for font in Font}
SYSTEM_FONTS = frozenset({0, 6})
WHITE = 0xFFFFFF


def font_name(number: int | None) -> FontName:
    """Return the contract's name for WhatsApp's *number*, the nearest one if it has none."""
    if number is None or number in SYSTEM_FONTS:
        return _NAMES[Font.SANS_SERIF]
    return _NAMES.get(number, _NAMES[Font.SERIF])


def colour(background: int | None) -> str:
    """Return ``#RRGGBB``; a status that carries no colour is shown white (contract 3.2)."""
    return f"#{WHITE if background is None else background:06X}"


class FailureReason(StrEnum):
    """Why a status was not published, or an answer not sent (contract 3.5, 12.13)."""

    FETCH_FAILED = "fetchFailed"
    FILE_TOO_LARGE = "fileTooLarge"
    BAD_MEDIA = "badMedia"
    VOICE_TOO_LONG = "voiceTooLong"
    QUEUE_EXPIRED = "queueExpired"
    REFUSED = "refused"
    NO_RECIPIENTS = "noRecipients"
    STATUS_GONE = "statusGone"
    ENGINE_ERROR = "engineError"


class Failure(msgspec.Struct, frozen=True):
    """A reason and the sentence that goes with it."""

    reason: FailureReason
    description: str


class NewStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A status to be journaled. Times are milliseconds UTC."""

    status_id: str
    wire_id: str | None
    """WhatsApp's own id; None until a status of ours is acknowledged"""
    author: Address | None
    """None: the account itself, the status is outgoing"""
    by_api: bool = False
    kind: Kind
    text: str = ""
    """the text, or the caption"""
    background: int | None = None
    """0xRRGGBB; None if the status carries none"""
    font: int | None = None
    """WhatsApp's number"""
    participants: tuple[str, ...] = ()
    posted_ms: int
    """incoming: received, by WhatsApp's time; outgoing: accepted, or posted on the phone"""
    sent_ms: int | None = None
    mimetype: str = ""
    thumbnail: bytes = b""
    by_lid: bool = False
    """WhatsApp named the author by LID; receipts must do the same"""


class Counts(msgspec.Struct, frozen=True):
    """How many people a status has among its recipients, and how many of them did what."""

    recipients: int = 0
    delivered: int = 0
    """viewers included"""
    read: int = 0
    reactions: int = 0
    replies: int = 0


class Posted(msgspec.Struct, frozen=True):
    """The counts of several statuses together."""

    posted: int = 0
    """how many there are"""
    recipients: int = 0
    delivered: int = 0
    read: int = 0
    reactions: int = 0
    replies: int = 0

    def __add__(self, other: "Posted") -> "Posted":
        return Posted(*map(add, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which statuses a list has; None: any."""

    since_ms: int
    before_ms: int
    kind: Kind | None = None
    progress: Progress | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A journaled status as readers need it."""

    instance_id: InstanceId
    no: int
    """number within the instance, never shown"""
    status_id: str
    wire_id: str | None
    outgoing: bool
    by_api: bool
    author: Address
    """the account itself if outgoing"""
    author_name: str
    author_contact_name: str
    kind: Kind
    text: str
    background: int | None
    font: int | None
    participants: tuple[str, ...]
    posted_ms: int
    sent_ms: int | None
    failed_ms: int | None
    failure: Failure | None
    reached: Progress
    """how far receipts carried it: PENDING (none), DELIVERED or READ"""
    last_receipt_ms: int | None
    """the newest recorded receipt"""
    file: StoredFile | None
    mimetype: str
    thumbnail: bytes
    viewed_ms: int | None
    by_lid: bool = False
    """as in ``NewStatus``"""
    counts: Counts = Counts()
    """of an outgoing status"""

    @property
    def base(self) -> Progress:
        """What WhatsApp's answer alone makes of it; every row of it starts from here."""
        if self.sent_ms is not None:
            return Progress.SENT
        return Progress.PENDING if self.failed_ms is None else Progress.FAILED

    @property
    def base_ms(self) -> int:
        """When it reached *base*."""
        return self.sent_ms or self.failed_ms or self.posted_ms

    @property
    def progress(self) -> Progress:
        """The item's ``statusMessage``."""
        return max(self.base, self.reached)

    @property
    def last_action_ms(self) -> int:
        """Time of the last action: acceptance, acknowledgement, failure or newest receipt."""
        return max(self.base_ms, self.last_receipt_ms or 0)
