"""Lists in pages: what is asked and what is answered (contract 12.12)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from statusgate.domain.receipt import PROGRESS_NAMES, Progress, ProgressName, Viewer
from statusgate.domain.status import Status
from statusgate.wire import fields
from statusgate.wire.requests import Request, StatusId

T = TypeVar("T")
LONGEST_CURSOR = 256

Cursor = Annotated[
    str, msgspec.Meta(max_length=LONGEST_CURSOR, description="`next` of the page before")
]
Show = Literal["read", "unread", "failed"]
_SHOWN: dict[Show | None, tuple[Progress, ...]] = {
    None: tuple(Progress),
    "read": (Progress.READ,),
    "unread": (Progress.PENDING, Progress.SENT, Progress.DELIVERED),
    "failed": (Progress.FAILED,),
}


class ViewersRequest(Request, frozen=True, kw_only=True):
    """Which status, and which of its recipients."""

    id_message: StatusId
    show: Show | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100
    after: Cursor | None = None

    @property
    def shown(self) -> tuple[Progress, ...]:
        """The progress of those that are wanted."""
        return _SHOWN[self.show]


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Root of the shapes; times are unix seconds, null: not (yet)."""


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


def page(
    found: Sequence[T], limit: int, place: Callable[[T], tuple[int | str, ...]]
) -> tuple[Sequence[T], str | None]:
    """Split off a page of what was found, one more than *limit* if there is more; its cursor.

    *place* is where an item stands in its list.
    """
    kept = found[:limit]
    return kept, cursor(place(kept[-1])) if len(found) > limit else None


def cursor(place: tuple[int | str, ...]) -> str:
    """Return *place* as text that fits into a query."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(name: str, text: str, kind: Any) -> Any:
    """The place that a cursor means; refuses the parameter *name* if it is no *kind*."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.DecodeError):
        fields.fail(name, "is not a cursor of this list")


def _seconds(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms // 1000
