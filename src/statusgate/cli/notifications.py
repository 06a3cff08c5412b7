"""``statusgate notifications``: see and repair the queue, in the database itself.

A running server notices within seconds; it alone can test a webhook.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec
from rich.table import Table

from statusgate.cli.client import GatewayClient, target_options
from statusgate.cli.options import (
    EXIT_FAILED,
    console,
    instance_argument,
    json_option,
    on_journal,
    print_fields,
    settings_options,
)
from statusgate.domain.errors import InstanceUnknown
from statusgate.domain.ids import InstanceId
from statusgate.domain.notification import Delivery, End, Notification
from statusgate.journal import Transaction
from statusgate.settings import Settings
from statusgate.wire.errors import iso_time

T = TypeVar("T")


def _on_queue(
    settings: Settings,
    instance_id: InstanceId,
    work: Callable[[Transaction], T],
    *,
    reads: bool = False,
) -> T:
    """Run *work* in a transaction; InstanceUnknown if the instance is not there."""

    def checked(tx: Transaction) -> T:
        instance = tx.instance(instance_id)
        if instance is None or instance.deleted_ms is not None:
            raise InstanceUnknown(str(instance_id))
        return work(tx)

    return on_journal(
        settings,
        lambda journal: journal.read(checked) if reads else journal.write(instance_id, checked),
    )


def _expired(tx: Transaction, instance_id: InstanceId) -> list[int]:
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


@click.group()
def notifications() -> None:
    """See which notifications wait, and repair the queue, directly in the database.

    A running server notices within seconds.
    """


_receipts_argument = click.argument("receipts", metavar="RECEIPT…", type=int, nargs=-1)


@notifications.command("list")
@settings_options
@instance_argument
@click.option("--ended", is_flag=True, help="Those that are delivered, expired or dropped.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@json_option
def list_notifications(
    settings: Settings, instance_id: InstanceId, ended: bool, limit: int, as_json: bool
) -> None:
    """List an instance's notifications, oldest first, with their last attempt to push."""

    def look(tx: Transaction) -> list[dict[str, Any]]:
        found = tx.notifications(instance_id, waiting=not ended, limit=limit)
        return [_shown(one, tx.deliveries(instance_id, one.receipt_id)) for one in found]

    rows = _on_queue(settings, instance_id, look, reads=True)
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    table = Table("receipt", "created", "state", "attempts", "last attempt", "outcome")
    for row in rows:
        outcome = " ".join(str(row[key]) for key in ("lastOutcome", "lastCode") if row[key])
        table.add_row(
            str(row["receiptId"]), row["created"], row["state"], str(row["attempts"]),
            row["lastAttempt"], f"{outcome} {row['lastReason']}".strip(),
        )  # fmt: skip
    console().print(table)


@notifications.command()
@settings_options
@instance_argument
@_receipts_argument
@click.option("--expired", is_flag=True, help="All that nobody took within 24 hours.")
@json_option
def replay(
    settings: Settings,
    instance_id: InstanceId,
    receipts: tuple[int, ...],
    expired: bool,
    as_json: bool,
) -> None:
    """Queue ended notifications again: same body, same webhook-id, a new receipt id."""
    if not receipts and not expired:
        raise click.UsageError("nothing to replay: give receipt ids or --expired")

    def queue_again(tx: Transaction) -> list[dict[str, int | None]]:
        wanted = [*receipts, *(_expired(tx, instance_id) if expired else [])]
        return [
            {
                "receiptId": receipt,
                "newReceiptId": tx.replay_notification(instance_id, receipt, _now_ms()),
            }
            for receipt in wanted
        ]

    rows = _on_queue(settings, instance_id, queue_again)
    if as_json:
        click.echo(msgspec.json.encode(rows))
    else:
        for row in rows:
            if row["newReceiptId"] is not None:
                click.echo(f"{row['receiptId']}: queued again as {row['newReceiptId']}")
    _fail_for(
        [row["receiptId"] for row in rows if row["newReceiptId"] is None],
        "waits still, or is not there",
    )


@notifications.command()
@settings_options
@instance_argument
@_receipts_argument
@click.option("--all", "everything", is_flag=True, help="All that wait.")
@json_option
def drop(
    settings: Settings,
    instance_id: InstanceId,
    receipts: tuple[int, ...],
    everything: bool,
    as_json: bool,
) -> None:
    """Take waiting notifications out of the queue; they can be replayed."""
    if not receipts and not everything:
        raise click.UsageError("nothing to drop: give receipt ids or --all")

    def end(tx: Transaction) -> tuple[int, list[int]]:
        if everything:
            return tx.end_notifications(instance_id, End.DROPPED, _now_ms()), []
        absent = [
            receipt
            for receipt in dict.fromkeys(receipts)
            if not tx.end_notification(instance_id, receipt, End.DROPPED, _now_ms())
        ]
        return len(set(receipts)) - len(absent), absent

    count, absent = _on_queue(settings, instance_id, end)
    print_fields({"dropped": count}, as_json=as_json)
    _fail_for(absent, "does not wait")


@notifications.command()
@target_options
@json_option
def test(target: GatewayClient, as_json: bool) -> None:
    """Have a running server send a test body to the webhook; exit code 1 if that failed.

    The body is signed as any push is, and its typeWebhook is "test". The queue stays as it is.
    """
    told = target.post("testWebhook", {})
    if as_json:
        click.echo(msgspec.json.encode(told))
    else:
        code = "no answer" if told["status"] is None else f"HTTP {told['status']}"
        outcome = told["error"] or "delivered"
        click.echo(f"{outcome}: {code} after {told['seconds']:.3f} s")
    if told["error"]:
        raise SystemExit(EXIT_FAILED)


def _fail_for(receipts: Sequence[int | None], fault: str) -> None:
    """Name the receipt ids for which nothing could be done, then end with exit code 1."""
    for receipt in receipts:
        click.echo(f"statusgate: notification {receipt} {fault}", err=True)
    if receipts:
        raise SystemExit(EXIT_FAILED)
