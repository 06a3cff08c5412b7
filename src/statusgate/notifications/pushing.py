"""Pushing, the durable half: what to send next, and what an attempt means (contract 6.2)."""

from typing import Final

import msgspec
import structlog

from statusgate import telemetry
from statusgate.accounts.instances import Instances
from statusgate.domain.clock import Clock
from statusgate.domain.ids import InstanceId
from statusgate.domain.notification import Backlog, Delivery, Notification, Streak
from statusgate.domain.outbound_http import (
    LONGEST_PAUSE_SECONDS,
    PushAnswer,
    PushFailed,
    PushOutcome,
    Retry,
    next_step,
)
from statusgate.journal import Journal, Later, Transaction
from statusgate.journal.notifications import NextPush
from statusgate.notifications.polling import expire

log = structlog.get_logger()
LONG_MS: Final = 3_600_000
"""Failing for longer than this is worth a notice."""
FAILING: Final = "webhook.failing"


class Due(msgspec.Struct, frozen=True):
    """A notification to send now."""

    notification: Notification
    url: str
    token: str


class Paused(msgspec.Struct, frozen=True):
    """Nothing may be sent for a while."""

    seconds: float


class Attempt(msgspec.Struct, frozen=True):
    """An attempt that has an outcome; *began_ms* by the clock, *seconds* as measured."""

    due: Due
    outcome: PushOutcome
    began_ms: int
    seconds: float


Next = Due | Paused | None
_Settled = tuple[NextPush, Streak | None]
"""what to push next, and the streak of failures after the attempt"""


class Pushing:
    """The queues as the dispatcher sees them; one attempt an instance at a time."""

    def __init__(self, journal: Journal, instances: Instances, clock: Clock) -> None:
        self._journal = journal
        self._instances = instances
        self._clock = clock

    async def backlogs(self) -> list[Backlog]:
        """The queues that are not empty."""
        return await self._journal.read(lambda tx: tx.backlogs())

    def target(self, instance_id: InstanceId) -> str:
        """Where notifications are pushed; ``""`` if they are polled."""
        instance = self._instances.find(instance_id)
        return "" if instance is None else instance.settings.webhook_url

    async def next(self, instance_id: InstanceId) -> Next:
        """What to do now; None if nothing waits, or there is no webhook."""
        if not self.target(instance_id):
            return None

        head, streak = await self._journal.read(lambda tx: tx.next_push(instance_id))
        return await self._judged(instance_id, head, streak)

    async def settle(self, attempt: Attempt) -> Next:
        """Record what came of an attempt; returns what to do then."""
        instance_id = attempt.due.notification.instance_id
        delivery = _delivery(attempt)
        delivered = next_step(attempt.outcome) is None
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> _Settled | Later[_Settled]:
            tx.record_delivery(instance_id, delivery, now_ms if delivered else None)
            if delivered:
                following = tx.next_push_later(instance_id)
                tx.set_push_streak(instance_id, None)
                return Later(lambda: (following(), None))
            head, before = tx.next_push(instance_id)
            streak = _streak(attempt, before, now_ms)
            tx.set_push_streak(instance_id, streak)
            return (head, before), streak

        (head, before), streak = await self._journal.write(instance_id, work)
        telemetry.pushes_total.labels(delivery.outcome).inc()
        telemetry.push_seconds.observe(attempt.seconds)
        _log(instance_id, delivery, before, streak, now_ms)
        return await self._judged(instance_id, head, streak)

    async def _judged(
        self, instance_id: InstanceId, head: Notification | None, streak: Streak | None
    ) -> Next:
        instance = self._instances.find(instance_id)
        now_ms = self._clock.now_ms()
        if head is not None and head.is_expired(now_ms):
            await expire(self._journal, self._clock, instance_id)
            return await self.next(instance_id)
        if head is None or instance is None or not instance.settings.webhook_url:
            return None
        url = instance.settings.webhook_url
        if streak is not None and streak.url == url and streak.until_ms > now_ms:
            seconds = (streak.until_ms - now_ms) / 1000
            return Paused(min(seconds, float(LONGEST_PAUSE_SECONDS)))
        return Due(head, url, instance.settings.webhook_url_token)


def _streak(attempt: Attempt, before: Streak | None, now_ms: int) -> Streak | None:
    """The streak of failures after an attempt; None if it was delivered."""
    step = next_step(attempt.outcome)
    if step is None:
        return None
    since_ms = before.since_ms if before else now_ms
    reported = {*(before.told if before else ()), *([step.event] if step.event else [])}
    if now_ms - since_ms >= LONG_MS:
        reported.add(FAILING)
    return Streak(
        until_ms=now_ms + step.pause_seconds * 1000,
        since_ms=since_ms,
        url=attempt.due.url,
        told=frozenset(reported),
    )


def _delivery(attempt: Attempt) -> Delivery:
    answer = attempt.outcome if isinstance(attempt.outcome, PushAnswer) else None
    return Delivery(
        receipt_id=attempt.due.notification.receipt_id,
        at_ms=attempt.began_ms,
        duration_ms=round(attempt.seconds * 1000),
        outcome=outcome_name(attempt.outcome),
        code=answer.status if answer else None,
        reason=attempt.outcome.reason if isinstance(attempt.outcome, PushFailed) else "",
    )


def outcome_name(outcome: PushOutcome) -> str:
    """One word for what came of an attempt, for the record and for metrics."""
    match outcome:
        case PushFailed(fault=fault):
            return str(fault)
        case PushAnswer(status=410):
            return "gone"
        case PushAnswer(status=status) if 200 <= status <= 299:
            return "delivered"
        case PushAnswer(status=status) if 300 <= status <= 399:
            return "redirected"
        case PushAnswer(status=status) if next_step(outcome) == Retry(60, "webhook.rejected"):
            return "rejected"
        case _:
            return "failed"


def _log(
    instance_id: InstanceId,
    delivery: Delivery,
    before: Streak | None,
    streak: Streak | None,
    now_ms: int,
) -> None:
    """A line for each failed attempt, for what an operator should see once a streak, and for
    the end of a streak."""
    if streak is None:
        if before is not None:
            seconds = (now_ms - before.since_ms) // 1000
            log.info("webhook.works_again", instance=instance_id, after_seconds=seconds)
        return
    failure = {
        "instance": instance_id,
        "receipt": delivery.receipt_id,
        "code": delivery.code,
        "reason": delivery.reason,
    }
    seconds = (streak.until_ms - now_ms) // 1000
    log.info("webhook.failed", outcome=delivery.outcome, again_in_seconds=seconds, **failure)
    for event in sorted(streak.told - (before.told if before else frozenset())):
        telemetry.operator_events_total.labels(event).inc()
        log.warning(event, **failure)
