"""The notification queue as clients use it: receive, delete, count, clear (contract 6)."""

import asyncio
import math
from contextlib import suppress
from weakref import WeakValueDictionary

import structlog

from statusgate import telemetry
from statusgate.accounts.instances import Instances
from statusgate.changes.changes import Changes
from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalUnavailable, WebhookIsSet
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.domain.notification import LIFE_MS, End, Notification
from statusgate.domain.waiting import Signal
from statusgate.journal import Journal, Transaction
from statusgate.journal.notifications import NEWEST_END, EndPlace
from statusgate.wire.lists import page, place_of
from statusgate.wire.pushes import NotificationsPage, NotificationsRequest, notification_item

log = structlog.get_logger()
_STEP = 2_500
_SWEEP_SECONDS = 60.0


class Notifications:
    """Queues of all instances. A waiting call holds no thread and no connection."""

    def __init__(
        self, journal: Journal, instances: Instances, clock: Clock, *, clear_pause_seconds: int
    ) -> None:
        """*clear_pause_seconds*: how often a queue may be cleared; 0: always."""
        self._journal = journal
        self._instances = instances
        self._clock = clock
        self._clear_pause_ms = clear_pause_seconds * 1000
        self._cleared_ms: dict[InstanceId, int] = {}
        self._queued: WeakValueDictionary[InstanceId, Signal] = WeakValueDictionary()
        """rings for the calls that wait, who hold it"""
        self._closed = False
        instances.listen(lambda instance: self._wake(instance.id))

    def follow(self, instance_id: InstanceId, changes: Changes) -> None:
        """Wake the calls that wait for what a commit queued."""
        if changes.queued:
            self._wake(instance_id)

    def look(self) -> None:
        """Let the calls that wait look what other nodes have queued."""
        for queued in self._queued.values():
            queued.ring()

    def close(self) -> None:
        """End all waiting calls, with None."""
        self._closed = True
        for queued in self._queued.values():
            queued.ring()

    async def run(self) -> None:
        """Expire what is too old, until cancelled."""
        while True:
            try:
                await self._sweep()
            except JournalUnavailable as error:
                log.warning("notifications.wait", reason=str(error))
            await self._clock.sleep(_SWEEP_SECONDS)

    async def receive(self, instance: Instance, seconds: float) -> Notification | None:
        """The head of the queue, at once or as soon as there is one within *seconds*.

        It stays the head until it is deleted. Raises WebhookIsSet while notifications are
        pushed.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        queued = self._queued.setdefault(instance.id, Signal())
        while True:
            changed = queued.next()
            if not self._may_receive(instance):
                return None
            head = await self._head(instance.id)
            left = until - loop.time()
            if head is not None or left <= 0:
                return head
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), left)

    async def delete(self, instance_id: InstanceId, receipt_id: int) -> bool:
        """Take a notification out of the queue; False if it is not there."""
        now_ms = self._clock.now_ms()
        return await self._journal.write(
            instance_id,
            lambda tx: tx.end_notification(instance_id, receipt_id, End.DELIVERED, now_ms),
        )

    async def count(self, instance_id: InstanceId) -> int:
        """How many wait."""
        await self._head(instance_id)
        return await self._journal.read(lambda tx: tx.count_notifications(instance_id))

    async def page(
        self, instance_id: InstanceId, request: NotificationsRequest
    ) -> NotificationsPage:
        """Those that wait, in their order, or those that ended, newest end first (12.17)."""
        await self._head(instance_id)
        return await self._journal.read(lambda tx: _page(tx, instance_id, request))

    async def clear(self, instance_id: InstanceId) -> int:
        """Empty the queue; returns 0, or the seconds to wait if it was cleared just now."""
        now_ms = self._clock.now_ms()
        last_ms = self._cleared_ms.get(instance_id)
        if last_ms is not None and now_ms < last_ms + self._clear_pause_ms:
            return max(1, math.ceil((last_ms + self._clear_pause_ms - now_ms) / 1000))
        if self._clear_pause_ms:
            self._cleared_ms[instance_id] = now_ms
        await _end_all(self._journal, instance_id, End.CLEARED, now_ms, now_ms)
        return 0

    def _may_receive(self, asked: Instance) -> bool:
        """Whether a call may go on waiting: not at shutdown, nor with a revoked token."""
        instance = self._instances.get(asked.id)
        if instance.settings.webhook_url:
            raise WebhookIsSet
        return not self._closed and instance.token_digest == asked.token_digest

    async def _head(self, instance_id: InstanceId) -> Notification | None:
        """The oldest that is not too old."""
        while True:
            head = await self._journal.read(lambda tx: tx.first_notification(instance_id))
            if head is None or not head.is_expired(self._clock.now_ms()):
                return head
            await expire(self._journal, self._clock, instance_id)

    async def _sweep(self) -> None:
        for backlog in await self._journal.read(lambda tx: tx.backlogs()):
            if backlog.oldest_ms + LIFE_MS <= self._clock.now_ms():
                await expire(self._journal, self._clock, backlog.instance_id)

    def _wake(self, instance_id: InstanceId) -> None:
        queued = self._queued.get(instance_id)
        if queued is not None:
            queued.ring()


def _page(
    tx: Transaction, instance_id: InstanceId, request: NotificationsRequest
) -> NotificationsPage:
    more = request.limit + 1
    if request.ended:
        before = place_of("before", request.before, EndPlace, NEWEST_END)
        ended = tx.page_of_ended(instance_id, before=before, limit=more)
        shown, following = page(
            ended, request.limit, lambda one: (one.ended_ms or 0, one.receipt_id)
        )
    else:
        (after,) = place_of("before", request.before, tuple[int], (0,))
        waiting = tx.page_of_waiting(instance_id, after=after, limit=more)
        shown, following = page(waiting, request.limit, lambda one: (one.receipt_id,))
    return NotificationsPage(
        waiting=tx.count_notifications(instance_id),
        items=[notification_item(one) for one in shown],
        next=following,
    )


async def expire(journal: Journal, clock: Clock, instance_id: InstanceId) -> None:
    """Expire what waited too long in a queue; counted, logged and kept for replay."""
    now_ms = clock.now_ms()
    total = await _end_all(journal, instance_id, End.EXPIRED, now_ms, now_ms - LIFE_MS)
    if total:
        telemetry.notifications_expired_total.inc(total)
        log.warning("notifications.expired", instance=instance_id, count=total)


async def _end_all(
    journal: Journal, instance_id: InstanceId, outcome: End, now_ms: int, before_ms: int
) -> int:
    """Empty a queue in steps, between which the writes of others have their turn.

    Of what comes meanwhile nothing is taken. Returns how many it was.
    """
    total = 0
    while True:
        step = await journal.write(
            instance_id,
            lambda tx: tx.end_notifications(
                instance_id, outcome, now_ms, before_ms=before_ms, limit=_STEP
            ),
        )
        total += step
        if step < _STEP:
            return total
