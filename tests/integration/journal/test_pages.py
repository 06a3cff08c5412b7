"""Pages put together are the whole list, each item once, whatever the size of a page."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress, Receipt, Recipient, Viewer
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.domain.status import Failure, FailureReason, Status
from statusgate.journal.pages import FIRST, Place
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.sqlite import SqliteSession
from statusgate.journal.transaction import Transaction
from tests.databases import fresh_schema, new_instance, record_in, transaction
from tests.factories import new_status, person

T = TypeVar("T")
Session = SqliteSession | PostgresSession
_instances = itertools.count(1)


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Session]:
    session, _ = record_in("sqlite:///:memory:")
    yield session
    session.close()


@pytest.fixture(scope="module")
def postgres(postgres_server: str) -> Iterator[Session]:
    session, _ = record_in(fresh_schema(postgres_server))
    yield session
    session.close()


def paged(read: Callable[[Place], Sequence[T]], place: Callable[[T], Place]) -> list[T]:
    """All pages, one after the other."""
    found: list[T] = []
    after = FIRST
    while part := read(after):
        found += part
        after = place(part[-1])
    return found


people = st.integers(1, 9)
crowds = {
    "audience": st.sets(people),
    "outcome": st.sampled_from(["sent", "waiting", "failed"]),
    "refused": st.sets(people, max_size=3),
    "receipts": st.lists(
        st.tuples(
            people,
            st.sampled_from([Progress.DELIVERED, Progress.READ]),
            st.integers(1, 12),
            st.sampled_from([None, None, "", "💚"]),
        ),
        max_size=12,
    ),
    "replies": st.lists(st.tuples(people, st.integers(1, 12)), max_size=6),
    "shown": st.sets(st.sampled_from(list(Progress)), min_size=1),
    "limit": st.integers(1, 5),
}


def crowd(tx: Transaction, instance_id: InstanceId, **asked: Any) -> Status:
    """A status of ours with everything that people did with it."""
    status = tx.record_status(
        instance_id, new_status(author=None, by_api=True, wire_id=None, posted_ms=3)
    )
    assert status is not None
    tx.add_recipients(instance_id, status.no, [person(one) for one in asked["audience"]])
    tx.refuse(instance_id, status.no, [(person(one), 479) for one in asked["refused"]])
    if asked["outcome"] == "failed":
        failure = Failure(FailureReason.ENGINE_ERROR, "no")
        tx.mark_failed(instance_id, status.no, failure, 5)
    if asked["outcome"] == "sent":
        tx.mark_sent(instance_id, status.no, "W", 5)
    receipts = [
        Receipt("W", person(who), Progress.READ if emoji is not None else kind, at, emoji)
        for who, kind, at, emoji in asked["receipts"]
    ]
    tx.record_receipts(instance_id, receipts, 9)
    for number, (who, at) in enumerate(asked["replies"]):
        reply = Reply(
            wire_id="W",
            viewer=person(who),
            reply_id=f"R{number}",
            kind=ReplyKind.TEXT,
            at_ms=at,
        )
        tx.record_reply(instance_id, reply, 9)
    found = tx.status_by_no(instance_id, status.no)
    assert found is not None
    return found


def as_recipient(viewer: Viewer) -> Recipient:
    fields = {name: getattr(viewer, name) for name in Recipient.__struct_fields__}
    return Recipient(**fields)


def check_viewers(session: Session, **asked: Any) -> None:
    instance_id = InstanceId(next(_instances))
    tx = Transaction(session)
    with transaction(session):
        tx.create_instance(new_instance(id=instance_id))
        status = crowd(tx, instance_id, **asked)
        shown = sorted(asked["shown"])
        found = paged(
            lambda after: tx.viewers(status, shown, after=after, limit=asked["limit"]),
            lambda one: (one.at_ms, one.no),
        )
        rows = tx.recipients(status)
        replies = tx.replies(status)
    wanted = {one.address: one for one in rows if one.progress in shown}
    assert {one.address: as_recipient(one) for one in found} == wanted
    assert len(found) == len(wanted)
    assert [one.at_ms for one in found] == sorted((one.at_ms for one in found), reverse=True)
    for one in found:
        times = [reply.at_ms for reply in replies if reply.viewer == one.address]
        assert one.replied_ms == max(times, default=None)


@settings(max_examples=150, deadline=None)
@given(**crowds)
def test_viewers_page_by_page_are_the_recipients(sqlite: Session, **asked: Any) -> None:
    check_viewers(sqlite, **asked)


@pytest.mark.postgres
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(**crowds)
def test_viewers_on_postgres(postgres: Session, **asked: Any) -> None:
    check_viewers(postgres, **asked)
