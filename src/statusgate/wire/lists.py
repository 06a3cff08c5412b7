"""Lists in pages: what is asked and what is answered (contract 12.11, 12.12)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec

from statusgate.domain.address import Address, parse_chat_id
from statusgate.domain.outbox import Publication
from statusgate.domain.receipt import PROGRESS_NAMES, Progress, ProgressName, Viewer
from statusgate.domain.status import Status, Wanted
from statusgate.wire import fields
from statusgate.wire.reports import (
    AudienceCount,
    Counts,
    IncomingStatus,
    Reached,
    audience_count,
    status_answer,
)
from statusgate.wire.requests import ChatId, Request, StatusId
from statusgate.wire.statuses import (
    TYPE_MESSAGE,
    FailureAnswer,
    IncomingText,
    Item,
    TypeMessage,
)

T = TypeVar("T")
LONGEST_CURSOR = 256
_FOREVER = 2**53

PageCursor = Annotated[
    str, msgspec.Meta(max_length=LONGEST_CURSOR, description="`next` of the page before")
]
Show = Literal["read", "unread", "failed"]
_SHOWN: dict[Show | None, tuple[Progress, ...]] = {
    None: tuple(Progress),
    "read": (Progress.READ,),
    "unread": (Progress.PENDING, Progress.SENT, Progress.DELIVERED),
    "failed": (Progress.FAILED,),
}


_KINDS = {name: kind for kind, name in TYPE_MESSAGE.items()}
_PROGRESSES = {name: progress for progress, name in PROGRESS_NAMES.items()}


def _time(about: str) -> msgspec.Meta:
    return msgspec.Meta(ge=0, description=f"unix seconds, {about}")


class StatusesRequest(Request, frozen=True, kw_only=True):
    """Which statuses, and from where on."""

    type: Annotated[
        Literal["incoming", "outgoing", "queued"],
        msgspec.Meta(description="`queued`: those that wait or are scheduled"),
    ]
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    before: PageCursor | None = None
    since: Annotated[int, _time("from when on")] | None = msgspec.field(
        name="from", default=None
    )
    until: Annotated[int, _time("up to but without")] | None = msgspec.field(
        name="to", default=None
    )
    chat_id: ChatId | None = None
    type_message: TypeMessage | None = None
    status_message: ProgressName | None = None

    @property
    def wanted(self) -> Wanted:
        """What the statuses must be."""
        return Wanted(
            since_ms=(self.since or 0) * 1000,
            before_ms=(_FOREVER if self.until is None else self.until) * 1000,
            kind=_KINDS[self.type_message] if self.type_message else None,
            progress=_PROGRESSES[self.status_message] if self.status_message else None,
        )

    @property
    def author(self) -> Address | None:
        """Whose statuses; None: anybody's."""
        return None if self.chat_id is None else parse_chat_id(self.chat_id)


class ViewersRequest(Request, frozen=True, kw_only=True):
    """Which status, and which of its recipients."""

    id_message: StatusId
    show: Show | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100
    after: PageCursor | None = None

    @property
    def shown(self) -> tuple[Progress, ...]:
        """The progress of those that are wanted."""
        return _SHOWN[self.show]


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Root of the shapes; times are unix seconds, null: not (yet)."""


class ListedStatus(Item, frozen=True, kw_only=True, rename="camel", tag="outgoing"):
    """An outgoing status as ``getStatus`` shows it, without *participants*, with counts."""

    extended_text_message: IncomingText | msgspec.UnsetType = msgspec.UNSET
    status_message: ProgressName
    send_by_api: bool
    accepted_at: int
    send_at: int | None
    sent_at: int | None
    background_color: str | msgspec.UnsetType = msgspec.UNSET
    original_file_name: str | msgspec.UnsetType | None = msgspec.UNSET
    audience: AudienceCount
    counts: Counts
    reached: Reached
    reactions: int
    replies: int
    failure: FailureAnswer | None


class StatusesPage(_Shape, frozen=True, kw_only=True):
    """Statuses, newest first; of the queue, the next first."""

    items: list[ListedStatus | IncomingStatus]
    next: str | None


class ViewerItem(_Shape, frozen=True, kw_only=True):
    """A recipient, and all that is known of what they did."""

    participant: str
    contact_name: str
    name: str
    status: ProgressName
    sent_at: int | None
    delivered_at: int | None
    read_at: int | None
    reaction: str | None
    replied_at: int | None


class ViewersPage(_Shape, frozen=True, kw_only=True):
    """Recipients, newest action first."""

    items: list[ViewerItem]
    next: str | None


def listed(
    status: Status, publication: Publication | None, public_url: str, *, scheduled: bool = False
) -> ListedStatus | IncomingStatus:
    """What ``getStatuses`` tells of a status."""
    answer = status_answer(status, publication, (), public_url)
    if isinstance(answer, IncomingStatus):
        return answer
    shown = msgspec.structs.asdict(answer)
    del shown["participants"]
    text = answer.extended_text_message
    if isinstance(text, IncomingText):
        shown["extended_text_message"] = IncomingText(
            text=text.text, background_color=text.background_color, font=text.font
        )
    return ListedStatus(
        **shown | {"counts": _counts(status)},
        audience=audience_count(status, publication, scheduled=scheduled),
        reached=Reached(delivered=status.counts.delivered, read=status.counts.read),
        reactions=status.counts.reactions,
        replies=status.counts.replies,
    )


def viewer_item(viewer: Viewer, status: Status) -> ViewerItem:
    """What ``getStatusViewers`` tells of one recipient of *status*."""
    row = viewer.row
    return ViewerItem(
        participant=viewer.address.chat_id,
        contact_name=viewer.contact_name,
        name=viewer.name,
        status=PROGRESS_NAMES[viewer.progress],
        sent_at=None if viewer.refused is not None else _seconds(status.sent_ms),
        delivered_at=_seconds(row.arrived_ms),
        read_at=_seconds(row.read_ms),
        reaction=(row.reaction.emoji or None) if row.reaction else None,
        replied_at=_seconds(viewer.replied_ms),
    )


def _counts(status: Status) -> Counts:
    """Rows by their present status, from what the status keeps of them."""
    kept = status.counts
    found = Counter(read=kept.read, delivered=kept.delivered - kept.read)
    found[PROGRESS_NAMES[status.base]] += kept.recipients - kept.delivered
    by_name = {name: found[name] for name in PROGRESS_NAMES.values()}
    return Counts(**by_name, total=kept.recipients)


def page(
    found: Sequence[T], limit: int, place: Callable[[T], tuple[int | str, ...]]
) -> tuple[Sequence[T], str | None]:
    """Return a page of what was *found* (one more than *limit* if there is more), its cursor.

    *place* is where an item stands in its list.
    """
    kept = found[:limit]
    return kept, page_cursor(place(kept[-1])) if len(found) > limit else None


def page_cursor(place: tuple[int | str, ...]) -> str:
    """Return *place* as text that fits into a query."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(name: str, text: str | None, kind: Any, first: T) -> T:
    """Return the place that a page cursor means, *first* if there is none.

    Refuses the parameter *name* if it is no *kind*.
    """
    if text is None:
        return first
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return cast("T", msgspec.json.decode(raw, type=kind))
    except (ValueError, msgspec.MsgspecError):
        fields.fail(name, "is not a cursor of this list")


def _seconds(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms // 1000
