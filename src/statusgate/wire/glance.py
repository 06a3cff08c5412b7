"""Accounts at a glance (contract 12.16)."""

import msgspec

from statusgate.domain.instance import EngineName, Glance, Instance, State
from statusgate.wire.account import Connection
from statusgate.wire.pushes import push_error


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Root of the shapes; times are unix seconds, null: not (yet)."""


class QueueGlance(_Shape, frozen=True, kw_only=True):
    """Statuses and answers that are not sent yet."""

    waiting: int
    scheduled: int
    next_at: int | None


class NotificationsGlance(_Shape, frozen=True, kw_only=True):
    """Notifications that nobody took yet."""

    waiting: int
    oldest_at: int | None


class WebhookGlance(_Shape, frozen=True, kw_only=True):
    """How pushing goes: *lastStatus* and *lastError* are of the last attempt."""

    set: bool
    failing_since: int | None
    last_status: int | None
    last_error: str | None
    next_attempt_at: int | None


class InstanceStatus(_Shape, frozen=True, kw_only=True):
    """One account at a glance."""

    id_instance: int
    name: str
    engine: EngineName
    phone: str
    state_instance: State
    state_since: int
    status_instance: Connection
    last_posted_at: int | None
    last_received_at: int | None
    failed_24h: int = msgspec.field(name="failed24h")
    queue: QueueGlance
    notifications: NotificationsGlance
    webhook: WebhookGlance


def instance_status(
    instance: Instance, glance: Glance, *, online: bool, now_ms: int
) -> InstanceStatus:
    """What ``getInstanceStatus`` answers."""
    since_ms = glance.state_since_ms
    return InstanceStatus(
        id_instance=instance.id,
        name=instance.name,
        engine=instance.engine,
        phone=instance.phone,
        state_instance=instance.state,
        state_since=(instance.created_ms if since_ms is None else since_ms) // 1000,
        status_instance="online" if online else "offline",
        last_posted_at=_seconds(glance.posted_ms),
        last_received_at=_seconds(glance.received_ms),
        failed_24h=glance.failed,
        queue=QueueGlance(
            waiting=glance.queued,
            scheduled=glance.scheduled,
            next_at=_seconds(glance.next_send_ms),
        ),
        notifications=NotificationsGlance(
            waiting=glance.notifications, oldest_at=_seconds(glance.oldest_notification_ms)
        ),
        webhook=_webhook(instance.settings.webhook_url, glance, now_ms),
    )


def _webhook(url: str, glance: Glance, now_ms: int) -> WebhookGlance:
    """The streak of another URL's receiver says nothing about this one."""
    fails = url != "" and glance.failing_url == url
    until_ms = glance.paused_until_ms if fails else None
    return WebhookGlance(
        set=url != "",
        failing_since=_seconds(glance.failing_since_ms) if fails else None,
        last_status=glance.push_code,
        last_error=push_error(glance.push_outcome),
        next_attempt_at=None if until_ms is None or until_ms <= now_ms else until_ms // 1000,
    )


def _seconds(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms // 1000
