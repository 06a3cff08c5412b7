"""Pages put together are the whole list, each item once, whatever the size of a page."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statusgate.domain.contact import Contact
from statusgate.domain.ids import InstanceId
from statusgate.domain.outbox import Draft, Outgoing, Phase
from statusgate.domain.receipt import Progress, Receipt, Recipient, Viewer
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.domain.status import Failure, FailureReason, Kind, Status, Wanted
from statusgate.journal.pages import FIRST, FIRST_QUEUED, NEWEST, queue_place
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.sqlite import SqliteSession
from statusgate.journal.transaction import Transaction
from tests.databases import new_instance, transaction
from tests.factories import new_status, person

T = TypeVar("T")
P = TypeVar("P")
Session = SqliteSession | PostgresSession
_instances = itertools.count(1)


def paged(read: Callable[[P], Sequence[T]], place: Callable[[T], P], first: P) -> list[T]:
    """All pages, one after the other."""
    found: list[T] = []
    after = first
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
            FIRST,
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


class Post(NamedTuple):
    """A status at a time; *author* 0: ours. Person 1 is a contact, person 2 a stranger."""

    author: int
    posted_ms: int
    kind: Kind
    outcome: Progress


times = st.integers(1, 3)
posts = {
    "told": st.lists(
        st.builds(
            Post,
            st.sampled_from([0, 0, 1, 2]),
            times,
            st.sampled_from([Kind.TEXT, Kind.TEXT, Kind.IMAGE]),
            st.sampled_from(list(Progress)),
        ),
        min_size=4,
        max_size=10,
    ),
    "outgoing": st.booleans(),
    "author": st.sampled_from([None, None, 1, 2, 3]),
    "contacts_only": st.booleans(),
    "wanted": st.builds(
        Wanted,
        since_ms=st.integers(0, 2),
        before_ms=st.integers(2, 5),
        kind=st.sampled_from([None, None, Kind.TEXT]),
        progress=st.sampled_from([None, None, *Progress]),
    ),
    "limit": st.integers(1, 4),
}


def post(tx: Transaction, instance_id: InstanceId, number: int, one: Post) -> None:
    made = tx.record_status(
        instance_id,
        new_status(
            number,
            author=person(one.author) if one.author else None,
            wire_id=f"W{number}" if one.author else None,
            posted_ms=one.posted_ms,
            kind=one.kind,
            participants=() if one.author else (person(3).chat_id,),
        ),
    )
    assert made is not None
    if one.author or one.outcome is Progress.PENDING:
        return
    if one.outcome is Progress.FAILED:
        failure = Failure(FailureReason.ENGINE_ERROR, "no")
        tx.mark_failed(instance_id, made.no, failure, 5)
        return
    tx.mark_sent(instance_id, made.no, f"W{number}", 5)
    if one.outcome > Progress.SENT:
        receipt = Receipt(f"W{number}", person(9), one.outcome, 6)
        tx.record_receipts(instance_id, [receipt], 6)


def check_statuses(session: Session, told: list[Post], wanted: Wanted, **asked: Any) -> None:
    instance_id = InstanceId(next(_instances))
    tx = Transaction(session)
    outgoing, limit = asked["outgoing"], asked["limit"]
    contacts_only = asked["contacts_only"] and not outgoing
    author = person(asked["author"]) if asked["author"] and not outgoing else None
    with transaction(session):
        tx.create_instance(new_instance(id=instance_id))
        tx.record_contacts(instance_id, [Contact(address=person(1), contact_name="Anna")])
        for number, one in enumerate(told, 1):
            post(tx, instance_id, number, one)
        found = paged(
            lambda before: tx.page_of_statuses(
                instance_id,
                wanted,
                outgoing=outgoing,
                author=author,
                contacts_only=contacts_only,
                before=before,
                limit=limit,
            ),
            lambda one: (one.posted_ms, one.no),
            NEWEST,
        )
        everything = tx.statuses(
            instance_id,
            outgoing=outgoing,
            since_ms=wanted.since_ms,
            before_ms=wanted.before_ms,
            contacts_only=contacts_only,
        )
    assert found == [
        msgspec.structs.replace(one, participants=())
        for one in everything
        if (author is None or one.author.meets(author))
        and wanted.kind in (None, one.kind)
        and wanted.progress in (None, one.progress)
    ]


@settings(max_examples=200, deadline=None)
@given(**posts)
def test_statuses_page_by_page_are_the_window(sqlite: Session, **asked: Any) -> None:
    check_statuses(sqlite, **asked)


@pytest.mark.postgres
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(**posts)
def test_statuses_on_postgres(postgres: Session, **asked: Any) -> None:
    check_statuses(postgres, **asked)


waiting = {
    "told": st.lists(
        st.tuples(
            times,
            st.none() | times,
            st.sampled_from(list(Phase)),
            st.sampled_from(["queued", "scheduled", "answer"]),
        ),
        min_size=2,
        max_size=8,
    ),
    "since_ms": st.integers(0, 2),
    "limit": st.integers(1, 3),
}


def check_queue(session: Session, told: list[Any], since_ms: int, limit: int) -> None:
    instance_id = InstanceId(next(_instances))
    tx = Transaction(session)
    wanted = Wanted(since_ms=since_ms, before_ms=3)
    with transaction(session):
        tx.create_instance(new_instance(id=instance_id))
        for number, (accepted_ms, send_at_ms, phase, what) in enumerate(told, 1):
            answered = "A" if what == "answer" else None
            one = Outgoing(
                instance_id=instance_id,
                status_id=f"S{9 - number}",
                draft=Draft(text="x", send_at_ms=send_at_ms, answered_id=answered),
                accepted_ms=accepted_ms,
                phase=phase,
            )
            tx.add_outgoing(one)
            if answered:
                tx.enqueue(instance_id, one.status_id, None, 9)
            elif what == "queued" or send_at_ms is None:
                post(tx, instance_id, number, Post(0, 1, Kind.TEXT, Progress.PENDING))
                tx.enqueue(instance_id, one.status_id, number, 9)
        found = paged(
            lambda after: tx.page_of_queue(instance_id, wanted, after=after, limit=limit),
            queue_place,
            FIRST_QUEUED,
        )
        everything = tx.outgoing(instance_id)
    assert found == [
        one
        for one in everything
        if one.phase is not Phase.SENDING
        and not one.is_answer
        and since_ms <= (one.draft.send_at_ms or one.accepted_ms) < 3
    ]


@settings(max_examples=100, deadline=None)
@given(**waiting)
def test_the_queue_page_by_page_is_the_queue(sqlite: Session, **asked: Any) -> None:
    check_queue(sqlite, **asked)


@pytest.mark.postgres
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(**waiting)
def test_the_queue_on_postgres(postgres: Session, **asked: Any) -> None:
    check_queue(postgres, **asked)
