"""What callers send: one struct a request is type, documentation and validator.

Field order is the order in which faults are named (contract 2.4).
"""

from typing import Annotated

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.ids import MAX_STATUS_ID_LENGTH
from statusgate.wire import fields
from statusgate.wire.exports import Format, What

MAX_NAME = 255
_END_OF_TIME = 2**62

StatusId = Annotated[
    str, msgspec.Meta(max_length=MAX_STATUS_ID_LENGTH, description="id of the status")
]
ChatId = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{1,20}@(c\.us|lid)$",
        description="`phone_number@c.us` or `chat_id@lid`",
        extra={"read": fields.chat_id},
    ),
]
AnyChat = Annotated[str, msgspec.Meta(description="the author, or `status@broadcast`")]
Minutes = Annotated[
    int, msgspec.Meta(ge=1, description="minutes back from now; at most the retention counts")
]
Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
Phone = Annotated[
    int,
    msgspec.Meta(
        ge=1,
        description="phone number in international form",
        extra={"read": fields.digits(1, 18, "must be a number")},
    ),
]
LinkingPhone = Annotated[
    int,
    msgspec.Meta(
        ge=10**9,
        lt=10**15,
        description="phone number in international form, 10 to 15 digits",
        extra={"read": fields.digits(10, 15, "must be a number of 10 to 15 digits")},
    ),
]


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Root of all requests."""


class WindowRequest(Request, frozen=True, kw_only=True):
    """How far back to look."""

    minutes: Minutes = 1440


class ExportRequest(Request, frozen=True, kw_only=True):
    """What to export, of which statuses."""

    what: What = "statuses"
    format: Format = "csv"
    minutes: Minutes = 1440
    since: (
        Annotated[
            int,
            msgspec.Meta(ge=0, description="unix seconds; statuses since then, not `minutes`"),
        ]
        | None
    ) = msgspec.field(name="from", default=None)
    until: (
        Annotated[int, msgspec.Meta(ge=0, description="unix seconds; statuses before then")]
        | None
    ) = msgspec.field(name="to", default=None)

    def since_ms(self, now_ms: int) -> int:
        """Statuses posted from then on count, if the request is made at *now_ms*."""
        return now_ms - self.minutes * 60_000 if self.since is None else self.since * 1000

    @property
    def before_ms(self) -> int:
        """Only statuses posted earlier count."""
        return _END_OF_TIME if self.until is None else self.until * 1000


class StatusRequest(Request, frozen=True, kw_only=True):
    """Which status."""

    id_message: StatusId


class MessageRequest(Request, frozen=True, kw_only=True):
    """Which status of whom."""

    chat_id: AnyChat
    id_message: StatusId


class StateHistoryRequest(Request, frozen=True, kw_only=True):
    """How many states, newest first."""

    count: Annotated[int, msgspec.Meta(ge=1, extra={"read": fields.clamped(1, 1000)})] = 100


class ReceiveRequest(Request, frozen=True, kw_only=True):
    """How long to wait."""

    receive_timeout: Annotated[
        int,
        msgspec.Meta(
            description="seconds; below 5 counts as 5, above 60 as 60",
            extra={"read": fields.within(5, 60)},
        ),
    ] = 5


class ReceiptRequest(Request, frozen=True, kw_only=True):
    """Which notification; usually the last segment of the path."""

    receipt_id: int


class EventsRequest(Request, frozen=True, kw_only=True):
    """Where to go on."""

    last_event_id: (
        Annotated[
            int, msgspec.Meta(description="event to resume behind; or header `Last-Event-ID`")
        ]
        | None
    ) = None


class AuthorizationCodeRequest(Request, frozen=True, kw_only=True):
    """The phone to link."""

    phone_number: LinkingPhone


class ContactsRequest(Request, frozen=True, kw_only=True):
    """Which contacts."""

    group: Annotated[
        bool, msgspec.Meta(description="true: groups, of which there are none")
    ] = False
    count: Annotated[int, msgspec.Meta(ge=1, description="first N; all if absent")] | None = (
        None
    )


class _WithChat(Request, frozen=True, kw_only=True):
    chat_id: ChatId

    @property
    def address(self) -> Address:
        """Whom the chat id means."""
        return fields.address("chatId", self.chat_id)


class NameContactRequest(_WithChat, frozen=True, kw_only=True):
    """A name for somebody; contactName becomes first and last name, joined by a space."""

    first_name: Name
    last_name: Name = ""

    @property
    def contact_name(self) -> str:
        """Both names, joined by a space."""
        return f"{self.first_name} {self.last_name}".rstrip()


class ContactRequest(_WithChat, frozen=True, kw_only=True):
    """Which contact."""


class CheckWhatsappRequest(Request, frozen=True, kw_only=True):
    """A number to look up: by phone number, or by chat id."""

    phone_number: Phone | None = None
    chat_id: ChatId | None = None

    @property
    def address(self) -> Address:
        """Whom to look up; InvalidRequest if nobody is named."""
        if self.phone_number is not None:
            return Address(phone=str(self.phone_number))
        if self.chat_id is None:
            fields.fail("phoneNumber", "is required")
        return fields.address("chatId", self.chat_id)
