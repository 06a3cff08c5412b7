"""What ``statusgate notifications …`` does, on the database itself.

A running server notices within seconds.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from statusgate.domain.errors import InstanceUnknown
from statusgate.domain.ids import InstanceId
from statusgate.domain.notification import Delivery, End, Notification
from statusgate.ports import Journal, Reader, Transaction
from statusgate.wire.errors import iso_time

T = TypeVar("T")


async def listed(
    journal: Journal, instance_id: InstanceId, *, waiting: bool, limit: int
) -> list[dict[str, Any]]:
    """Notifications that wait, or those that ended, oldest first, with their last attempt."""

    def look(tx: Reader) -> list[dict[str, Any]]:
        _check(tx, instance_id)
        found = tx.notifications(instance_id, waiting=waiting, limit=limit)
        return [_shown(one, tx.deliveries(instance_id, one.receipt_id)) for one in found]

    return await journal.read(look)


async def replayed(
    journal: Journal, instance_id: InstanceId, receipts: Sequence[int], *, expired: bool
) -> list[dict[str, int | None]]:
    """Queue ended ones again, in the order given; *expired*: all that expired as well.

    ``newReceiptId`` is None for one that is not there or still waits.
    """

    def work(tx: Transaction) -> list[dict[str, int | None]]:
        wanted = [*receipts, *(_expired(tx, instance_id) if expired else [])]
        return [
            {
                "receiptId": receipt,
                "newReceiptId": tx.replay_notification(instance_id, receipt, _now_ms()),
            }
            for receipt in wanted
        ]

    return await _written(journal, instance_id, work)


async def dropped(
    journal: Journal, instance_id: InstanceId, receipts: Sequence[int], *, everything: bool
) -> int:
    """Take waiting ones out of the queue; they stay in the record. Returns how many."""

    def work(tx: Transaction) -> int:
        if everything:
            return tx.end_notifications(instance_id, End.DROPPED, _now_ms())
        return sum(
            tx.end_notification(instance_id, receipt, End.DROPPED, _now_ms())
            for receipt in receipts
        )

    return await _written(journal, instance_id, work)


async def _written(
    journal: Journal, instance_id: InstanceId, work: Callable[[Transaction], T]
) -> T:
    def checked(tx: Transaction) -> T:
        _check(tx, instance_id)
        return work(tx)

    return await journal.write(instance_id, checked)


def _check(tx: Reader, instance_id: InstanceId) -> None:
    instance = tx.instance(instance_id)
    if instance is None or instance.deleted_ms is not None:
        raise InstanceUnknown(str(instance_id))


def _expired(tx: Reader, instance_id: InstanceId) -> list[int]:
    found: list[int] = []
    after = 0
    while page := tx.notifications(instance_id, waiting=False, after=after, limit=500):
        found += [one.receipt_id for one in page if one.outcome is End.EXPIRED]
        after = page[-1].receipt_id
    return found


def _shown(one: Notification, deliveries: list[Delivery]) -> dict[str, Any]:
    last = deliveries[-1] if deliveries else None
    return {
        "receiptId": one.receipt_id,
        "created": iso_time(one.created_ms),
        "state": one.outcome or "waiting",
        "ended": iso_time(one.ended_ms) if one.ended_ms is not None else "",
        "attempts": one.attempts,
        "lastAttempt": iso_time(last.at_ms) if last else "",
        "lastOutcome": last.outcome if last else "",
        "lastCode": last.code if last else None,
        "lastReason": last.reason if last else "",
        "milliseconds": last.duration_ms if last else None,
        "body": one.body.decode(),
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
