"""The notification queue in pages, and tests of webhooks (contract 12.17, 12.18)."""

import re
from typing import Annotated

import msgspec

from statusgate.domain.notification import Delivery, End, Listed
from statusgate.wire.lists import PageCursor
from statusgate.wire.requests import Request

_IDENTITY = re.compile(r'"(typeWebhook|idMessage)":"([^"\\]*)"')


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Root of the shapes; times are unix seconds, null: not (yet)."""


class NotificationsRequest(Request, frozen=True, kw_only=True):
    """Which notifications, and from where on."""

    ended: Annotated[
        bool, msgspec.Meta(description="those that left the queue; else those that wait")
    ] = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    before: PageCursor | None = None


class AttemptAnswer(_Shape, frozen=True, kw_only=True):
    """One attempt to push; *seconds* is how long it took."""

    at: int
    status: int | None
    error: str | None
    seconds: float


class NotificationItem(_Shape, frozen=True, kw_only=True):
    """A notification without its body."""

    receipt_id: int
    created_at: int
    type_webhook: str
    id_message: str | None
    end: End | None
    ended_at: int | None
    attempts: int
    last: AttemptAnswer | None


class NotificationsPage(_Shape, frozen=True, kw_only=True):
    """Notifications: those that wait in their order, those that ended with the newest first."""

    waiting: int
    items: list[NotificationItem]
    next: str | None


class WebhookTestAnswer(_Shape, frozen=True, kw_only=True):
    """What came of a test: the receiver's status, or why there was none."""

    status: int | None
    seconds: float
    error: str | None


def notification_item(one: Listed) -> NotificationItem:
    """What ``getNotifications`` says of a notification."""
    # The first of each: what follows may be a text that somebody wrote.
    identity = dict(reversed(_IDENTITY.findall(one.head)))
    return NotificationItem(
        receipt_id=one.receipt_id,
        created_at=one.created_ms // 1000,
        type_webhook=identity.get("typeWebhook", ""),
        id_message=identity.get("idMessage"),
        end=one.end,
        ended_at=None if one.ended_ms is None else one.ended_ms // 1000,
        attempts=one.attempts,
        last=None if one.last is None else _attempt(one.last),
    )


def push_error(outcome: str | None) -> str | None:
    """Why an attempt to push failed, in one word; None if it did not."""
    return None if outcome == "delivered" else outcome


def _attempt(one: Delivery) -> AttemptAnswer:
    return AttemptAnswer(
        at=one.at_ms // 1000,
        status=one.code,
        error=push_error(one.outcome),
        seconds=one.duration_ms / 1000,
    )
