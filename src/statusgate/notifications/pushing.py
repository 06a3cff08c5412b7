"""Pushing, the durable half: what to send next, and what an attempt means (contract 6.2)."""

from typing import Final

import msgspec
import structlog

from statusgate import telemetry
from statusgate.accounts.instances import Instances
from statusgate.domain.clock import Clock
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.domain.notification import Backlog, Delivery, Notification, Streak
from statusgate.domain.outbound_http import (
    LONGEST_PAUSE_SECONDS,
    PushAnswer,
    PushFailed,
    PushOutcome,
    Retry,
    next_step,
)
from statusgate.journal import Journal, Transaction
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
        found = await self._journal.read(lambda tx: _look(tx, instance_id))
        return await self._judged(instance_id, found)

    async def settle(self, attempt: Attempt) -> Next:
        """Record what came of an attempt; returns what to do then."""
        instance_id = attempt.due.notification.instance_id
        now_ms = self._clock.now_ms()
        step = next_step(attempt.outcome)

        def work(tx: Transaction) -> tuple[_Recorded, _Found]:
            recorded = _record(tx, attempt, step, now_ms)
            return recorded, _Found(tx.first_notification(instance_id), recorded.streak)

        recorded, found = await self._journal.write(instance_id, work)
        _count(attempt)
        _log(attempt, recorded, now_ms)
        return await self._judged(instance_id, found)

    async def _judged(self, instance_id: InstanceId, found: "_Found") -> Next:
        instance = self._instances.find(instance_id)
        now_ms = self._clock.now_ms()
        if found.head is not None and found.head.is_expired(now_ms):
            await expire(self._journal, self._clock, instance_id)
            return await self.next(instance_id)
        if found.head is None or instance is None or not instance.settings.webhook_url:
            return None
        return _due_or_paused(instance, found.head, found.streak, now_ms)


class _Found(msgspec.Struct, frozen=True):
    head: Notification | None
    streak: Streak | None


class _Recorded(msgspec.Struct, frozen=True):
    """The streak of failures before and after an attempt, and operator events that are new."""

    before: Streak | None
    streak: Streak | None
    events: frozenset[str] = frozenset()


def _look(tx: Transaction, instance_id: InstanceId) -> _Found:
    head = tx.first_notification(instance_id)
    return _Found(head, tx.push_streak(instance_id) if head is not None else None)


def _due_or_paused(
    instance: Instance, head: Notification, streak: Streak | None, now_ms: int
) -> Due | Paused:
    url = instance.settings.webhook_url
    if streak is not None and streak.url == url and streak.until_ms > now_ms:
        seconds = (streak.until_ms - now_ms) / 1000
        return Paused(min(seconds, float(LONGEST_PAUSE_SECONDS)))
    return Due(head, url, instance.settings.webhook_url_token)


def _record(tx: Transaction, attempt: Attempt, step: Retry | None, now_ms: int) -> _Recorded:
    """Record the attempt and its consequence."""
    instance_id = attempt.due.notification.instance_id
    before = tx.push_streak(instance_id)
    if step is None:
        tx.record_delivery(instance_id, _delivery(attempt), ended_ms=now_ms)
        if before is not None:
            tx.set_push_streak(instance_id, None)
        return _Recorded(before, None)
    tx.record_delivery(instance_id, _delivery(attempt))
    since_ms = before.since_ms if before else now_ms
    reported = before.told if before else frozenset()
    events = _events(step, now_ms - since_ms) - reported
    streak = Streak(
        until_ms=now_ms + step.pause_seconds * 1000,
        since_ms=since_ms,
        url=attempt.due.url,
        told=reported | events,
    )
    tx.set_push_streak(instance_id, streak)
    return _Recorded(before, streak, events)


def _events(step: Retry, lasts_ms: int) -> frozenset[str]:
    """The operator events of a failure in a streak that has lasted *lasts_ms*."""
    events = {step.event} if step.event else set()
    return frozenset(events | ({FAILING} if lasts_ms >= LONG_MS else set()))


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


def _count(attempt: Attempt) -> None:
    telemetry.pushes_total.labels(outcome_name(attempt.outcome)).inc()
    telemetry.push_seconds.observe(attempt.seconds)


def _log(attempt: Attempt, recorded: _Recorded, now_ms: int) -> None:
    """A line for each failed attempt, for what an operator should see once a streak, and for
    the end of a streak."""
    instance_id = attempt.due.notification.instance_id
    if recorded.streak is None:
        if recorded.before is not None:
            seconds = (now_ms - recorded.before.since_ms) // 1000
            log.info("webhook.works_again", instance=instance_id, after_seconds=seconds)
        return
    delivery = _delivery(attempt)
    failure = {
        "instance": instance_id,
        "receipt": delivery.receipt_id,
        "code": delivery.code,
        "reason": delivery.reason,
    }
    seconds = (recorded.streak.until_ms - now_ms) // 1000
    log.info("webhook.failed", outcome=delivery.outcome, again_in_seconds=seconds, **failure)
    for event in sorted(recorded.events):
        telemetry.operator_events_total.labels(event).inc()
        log.warning(event, **failure)
