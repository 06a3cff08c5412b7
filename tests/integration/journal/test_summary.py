"""The sums of an account's days are those of the rows themselves, in any time zone."""

import itertools
from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.domain.status import Failure, FailureReason
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.sqlite import SqliteSession
from statusgate.journal.transaction import Transaction
from statusgate.wire.summary import Calendar
from tests.databases import new_instance, transaction
from tests.factories import NOON_MS, new_status, person

MINUTE_MS = 60_000
YEAR_MINUTES = 366 * 24 * 60
ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kathmandu",
    "Pacific/Chatham", "Pacific/Kiritimati", "Australia/Lord_Howe", "Africa/Cairo",
]  # fmt: skip
_instances = itertools.count(1)
Session = SqliteSession | PostgresSession


class Post(NamedTuple):
    """A status of ours or of somebody, so many minutes before the question, and its viewers.

    *seen*: WhatsApp did not acknowledge it, though it is out.
    """

    minutes: int
    outcome: str
    viewers: list[tuple[int, Progress, str | None]]
    replies: int


posts = st.lists(
    st.builds(
        Post,
        st.integers(-60, 12 * 24 * 60),
        st.sampled_from(["sent", "phone", "seen", "failed", "waiting", "theirs"]),
        st.lists(
            st.tuples(
                st.integers(1, 5),
                st.sampled_from([Progress.DELIVERED, Progress.READ]),
                st.sampled_from([None, "", "💚"]),
            ),
            max_size=4,
        ),
        st.integers(0, 2),
    ),
    max_size=8,
)
questions = {
    "told": posts,
    "zone": st.sampled_from(ZONES),
    "days": st.integers(1, 10),
    "now_ms": st.integers(0, YEAR_MINUTES).map(lambda at: NOON_MS + at * MINUTE_MS),
}


def record(
    tx: Transaction, instance_id: InstanceId, number: int, at_ms: int, post: Post
) -> None:
    theirs = post.outcome == "theirs"
    wire_id = f"W{number}"
    made = tx.record_status(
        instance_id,
        new_status(
            number,
            author=person(1) if theirs else None,
            wire_id=wire_id if post.outcome in ("phone", "seen", "theirs") else None,
            by_api=not theirs and post.outcome != "phone",
            posted_ms=at_ms,
            sent_ms=at_ms if post.outcome == "phone" else None,
        ),
    )
    assert made is not None
    if theirs:
        return
    tx.add_recipients(instance_id, made.no, [person(8), person(9)])
    if post.outcome == "failed":
        tx.mark_failed(instance_id, made.no, Failure(FailureReason.REFUSED, "no"), at_ms)
    if post.outcome == "sent":
        tx.mark_sent(instance_id, made.no, wire_id, at_ms)
    receipts = [
        Receipt(wire_id, person(viewer), Progress.READ if reaction else kind, at_ms, reaction)
        for viewer, kind, reaction in post.viewers
    ]
    tx.record_receipts(instance_id, receipts, at_ms)
    for one in range(post.replies):
        reply = Reply(
            wire_id=wire_id,
            viewer=person(1),
            reply_id=f"R{one}",
            kind=ReplyKind.TEXT,
            at_ms=at_ms,
        )
        tx.record_reply(instance_id, reply, at_ms)


def counted(tx: Transaction, instance_id: InstanceId, zone: str) -> Any:
    """One by one, from the rows: what belongs to each date, and to each hour."""
    days: dict[str, Counter[str]] = {}
    for status in tx.statuses(instance_id, outgoing=True, since_ms=0):
        if status.progress < Progress.SENT:
            continue
        local = datetime.fromtimestamp(status.posted_ms / 1000, ZoneInfo(zone))
        rows = tx.recipients(status)
        sums = {
            "posted": 1,
            "recipients": len(rows),
            "delivered": sum(one.progress >= Progress.DELIVERED for one in rows),
            "read": sum(one.progress is Progress.READ for one in rows),
            "reactions": sum(bool(one.row.reaction and one.row.reaction.emoji) for one in rows),
            "replies": len(tx.replies(status)),
        }
        days.setdefault(local.date().isoformat(), Counter()).update(sums)
        days.setdefault(f"hour {local.hour} of {local.date()}", Counter()).update(sums)
    return days


def check(session: Session, told: list[Post], zone: str, days: int, now_ms: int) -> None:
    instance_id = InstanceId(next(_instances))
    tx = Transaction(session)
    with transaction(session):
        tx.create_instance(new_instance(id=instance_id))
        for number, post in enumerate(told, 1):
            record(tx, instance_id, number, now_ms - post.minutes * MINUTE_MS, post)
        calendar = Calendar(zone, days, now_ms)
        posted = tx.posted(
            instance_id, since_ms=calendar.since_ms, before_ms=calendar.before_ms
        )
        summary = calendar.summary(posted)
        naive = counted(tx, instance_id, zone)
    dates = [day.date for day in summary.days]
    assert len(dates) == days
    for day in summary.days:
        sums = msgspec.structs.asdict(day)
        wanted = naive.get(sums.pop("date"), Counter())
        assert sums == {name: wanted[name] for name in sums}
    for hour in summary.by_hour:
        parts = [naive.get(f"hour {hour.hour} of {date}", Counter()) for date in dates]
        assert hour.posted == sum(one["posted"] for one in parts)
        assert hour.read == sum(one["read"] for one in parts)


@settings(max_examples=100, deadline=None)
@given(**questions)
def test_a_day_is_the_sum_of_its_rows(sqlite: Session, **asked: Any) -> None:
    check(sqlite, **asked)


@pytest.mark.postgres
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(**questions)
def test_the_same_on_postgres(postgres: Session, **asked: Any) -> None:
    check(postgres, **asked)
