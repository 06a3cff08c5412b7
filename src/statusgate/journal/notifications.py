"""The notification queue, attempts to push, and the log behind the live stream."""

import secrets
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from statusgate.domain.ids import InstanceId
from statusgate.domain.notification import (
    Backlog,
    Delivery,
    End,
    Listed,
    LoggedEvents,
    LogRange,
    Notification,
    Streak,
)

from .instances import Part
from .rows import struct_of

NextPush = tuple[Notification | None, Streak | None]
EndPlace = tuple[int, int]
"""where an ended notification stands: when it ended, its receipt id"""
NEWEST_END: Final = (2**63 - 1, 0)
"""the place before the notification that ended last"""
_SHORT = 512
_END_OF_TIME = 2**62
_ZLIB = 0x78
"""A stream of zlib begins with it; the name of an event never does."""


class Notifications(Part):
    def backlogs(self) -> list[Backlog]:
        """Instances with waiting notifications, by id."""
        rows = self._db.run("waiting_instances")
        return [struct_of(Backlog, row) for row in rows]

    def first_notification(self, instance_id: InstanceId) -> Notification | None:
        """The head of the queue, however old."""
        return next(iter(self.notifications(instance_id, waiting=True, limit=1)), None)

    def notification(self, instance_id: InstanceId, receipt_id: int) -> Notification | None:
        """A notification, waiting or ended."""
        rows = self._db.run("one_notification", instance_id=instance_id, receipt_id=receipt_id)
        return _notification_of(rows[0]) if rows else None

    def notifications(
        self, instance_id: InstanceId, *, waiting: bool, after: int = 0, limit: int
    ) -> list[Notification]:
        """Waiting or ended ones with a receipt id above *after*, in order."""
        range_ = {"instance_id": instance_id, "after": after, "limit": limit}
        if waiting:
            rows = self._db.run("waiting_notifications", **range_)
        else:
            rows = self._db.run("ended_notifications", **range_)
        return [_notification_of(row) for row in rows]

    def page_of_waiting(
        self, instance_id: InstanceId, *, after: int, limit: int
    ) -> list[Listed]:
        """Waiting ones with a receipt id above *after*, in the order of the queue (12.17)."""
        rows = self._db.run(
            "page_of_waiting", instance_id=instance_id, after=after, limit=limit
        )
        return [_listed_of(row) for row in rows]

    def page_of_ended(
        self, instance_id: InstanceId, *, before: EndPlace, limit: int
    ) -> list[Listed]:
        """Those that ended before the place *before*, the newest end first (12.17)."""
        rows = self._db.run(
            "page_of_ended",
            instance_id=instance_id,
            until_ms=before[0],
            before_no=before[1],
            limit=limit,
        )
        return [_listed_of(row) for row in rows]

    def count_notifications(self, instance_id: InstanceId) -> int:
        """How many wait."""
        return int(self._db.run("count_notifications", instance_id=instance_id)[0].count)

    def add_notifications(
        self, instance_id: InstanceId, bodies: Sequence[bytes], now_ms: int
    ) -> None:
        """Put JSON bodies (at least one) at the end of the queue."""
        self._queue(instance_id, [(_new_webhook_id(), body) for body in bodies], now_ms)

    def end_notification(
        self, instance_id: InstanceId, receipt_id: int, outcome: End, now_ms: int
    ) -> bool:
        """Take one out of the queue; False if it does not wait there."""
        return bool(
            self._db.run(
                "end_notification",
                instance_id=instance_id,
                receipt_id=receipt_id,
                outcome=outcome,
                ended_ms=now_ms,
            )
        )

    def end_notifications(
        self,
        instance_id: InstanceId,
        outcome: End,
        now_ms: int,
        *,
        before_ms: int = _END_OF_TIME,
        limit: int = _END_OF_TIME,
    ) -> int:
        """Take out of the queue up to *limit* that have waited since *before_ms* or longer,
        the oldest first; returns how many."""
        ended = self._db.run(
            "end_notifications",
            instance_id=instance_id,
            outcome=outcome,
            before_ms=before_ms,
            ended_ms=now_ms,
            limit=limit,
        )
        return len(ended)

    def replay_notification(
        self, instance_id: InstanceId, receipt_id: int, now_ms: int
    ) -> int | None:
        """Queue an ended one again, same body and webhook id; returns its new receipt id."""
        found = self.notification(instance_id, receipt_id)
        if found is None or found.ended_ms is None:
            return None
        return self._queue(instance_id, [(found.webhook_id, found.body)], now_ms)

    def record_delivery(
        self, instance_id: InstanceId, delivery: Delivery, ended_ms: int | None = None
    ) -> None:
        """Keep the outcome of an attempt; its number follows from those before.

        *ended_ms*: the notification was delivered, and leaves the queue.
        """
        key = {"instance_id": instance_id, "receipt_id": delivery.receipt_id}
        end_name = "" if ended_ms is None else End.DELIVERED
        self._db.send("count_attempt", **key, end_name=end_name, ended_ms=ended_ms)
        self._db.send("add_delivery", **msgspec.structs.asdict(delivery) | key)

    def deliveries(self, instance_id: InstanceId, receipt_id: int) -> list[Delivery]:
        """Attempts to push a notification, in order."""
        rows = self._db.run("deliveries", instance_id=instance_id, receipt_id=receipt_id)
        return [struct_of(Delivery, row) for row in rows]

    def next_push(self, instance_id: InstanceId) -> NextPush:
        """The head of the queue, however old, and the streak of failures; None while pushes
        succeed."""
        return _next_push(self._db.run("next_push", instance_id=instance_id))

    def next_push_later(self, instance_id: InstanceId) -> Callable[[], NextPush]:
        """As ``next_push``, as things stand now, for a ``Later``."""
        rows = self._db.ask("next_push", instance_id=instance_id)
        return lambda: _next_push(rows())

    def set_push_streak(self, instance_id: InstanceId, streak: Streak | None) -> None:
        """Begin or go on with a streak of failures; None ends it."""
        if streak is None:
            self._db.send("end_push_streak", instance_id=instance_id)
            return
        self._db.send(
            "set_push_streak",
            instance_id=instance_id,
            until_ms=streak.until_ms,
            since_ms=streak.since_ms,
            url=streak.url,
            told=",".join(sorted(streak.told)),
        )

    def log_events(self, instance_id: InstanceId, lines: Sequence[bytes], now_ms: int) -> int:
        """Number and keep lines (at least one) for the live stream; returns the last number."""
        last_no = self._take_numbers(instance_id, "event_no", len(lines))
        text = b"\n".join(lines)
        self._db.send(
            "log_events",
            instance_id=instance_id,
            first_no=last_no - len(lines) + 1,
            last_no=last_no,
            at_ms=now_ms,
            lines=text if len(text) <= _SHORT else zlib.compress(text, 1),
        )
        return last_no

    def logged_events(
        self, instance_id: InstanceId, after: int, limit: int
    ) -> list[LoggedEvents]:
        """Transactions whose last event is above number *after*, in order; whole ones, so the
        first may begin at or below it."""
        rows = self._db.run("logged_events", instance_id=instance_id, after=after, limit=limit)
        return [struct_of(LoggedEvents, row, lines=_lines(row.lines)) for row in rows]

    def log_range(self, instance_id: InstanceId) -> LogRange:
        newest_no = self._counter(instance_id, "event_no")
        oldest = self._db.run("oldest_event", instance_id=instance_id)
        return LogRange(oldest[0].first_no if oldest else newest_no + 1, newest_no)

    def _queue(
        self, instance_id: InstanceId, entries: Sequence[tuple[str, bytes]], now_ms: int
    ) -> int:
        """Put entries at the end of the queue; returns the last receipt id."""
        last = self._take_numbers(instance_id, "receipt_id", len(entries))
        first = last - len(entries) + 1
        self._db.send(
            "add_notifications",
            instance_id=instance_id,
            created_ms=now_ms,
            rows=[
                (first + place, webhook_id, body.decode())
                for place, (webhook_id, body) in enumerate(entries)
            ],
        )
        return last


def _notification_of(row: Any) -> Notification:
    return struct_of(Notification, row, outcome=row.outcome or None, body=row.body.encode())


def _listed_of(row: Any) -> Listed:
    last = None if row.attempt is None else struct_of(Delivery, row)
    return struct_of(Listed, row, end=row.end_name or None, last=last)


def _next_push(rows: list[Any]) -> NextPush:
    if not rows:
        return None, None
    head = None if rows[0].receipt_id is None else _notification_of(rows[0])
    return head, None if rows[0].url is None else _streak_of(rows[0])


def _streak_of(row: Any) -> Streak:
    return struct_of(Streak, row, told=frozenset(filter(None, row.told.split(","))))


def _new_webhook_id() -> str:
    return "msg_" + secrets.token_hex(12)


def _lines(stored: bytes) -> tuple[bytes, ...]:
    text = zlib.decompress(stored) if stored[0] == _ZLIB else stored
    return tuple(text.split(b"\n"))
