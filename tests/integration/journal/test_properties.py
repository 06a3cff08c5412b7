"""Facts in any order, repeated, early — the record is the same, and what it should be.

People are met by phone, by LID or by both; that the halves belong together may be learned at
any time. A small model says what must come out.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress, Receipt, Row, row_of
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.domain.status import Counts
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.sqlite import SqliteSession
from statusgate.journal.transaction import Transaction
from tests.databases import fresh_schema, new_instance, record_in, transaction
from tests.factories import NOON_MS, new_status

_instances = itertools.count(1)


class Seen(NamedTuple):
    """Somebody got, saw or reacted to one of our statuses."""

    status: int
    viewer: Address
    kind: Progress
    at_ms: int
    reaction: str | None = None

    def receipt(self) -> Receipt:
        return Receipt(f"W{self.status}", self.viewer, self.kind, self.at_ms, self.reaction)


class Replied(NamedTuple):
    """Somebody answered one of our statuses."""

    status: int
    viewer: Address
    number: int

    def reply(self) -> Reply:
        return Reply(
            wire_id=f"W{self.status}",
            viewer=self.viewer,
            reply_id=f"R{self.number}",
            kind=ReplyKind.TEXT,
            text=f"text {self.number}",
            at_ms=self.number,
        )


class Posted(NamedTuple):
    """A status: ours (author None) or somebody's."""

    status: int
    author: Address | None


class Deleted(NamedTuple):
    status: int
    author: Address | None


class SamePerson(NamedTuple):
    address: Address


Fact = Seen | Replied | Posted | Deleted | SamePerson

numbers = st.integers(1, 3)
both = numbers.map(lambda no: Address(f"7{no}", f"9{no}"))
addresses = st.one_of(
    numbers.map(lambda no: Address(phone=f"7{no}")),
    numbers.map(lambda no: Address(lid=f"9{no}")),
    both,
)
facts = st.lists(
    st.one_of(
        st.builds(
            Seen,
            numbers,
            addresses,
            st.sampled_from([Progress.DELIVERED, Progress.READ]),
            st.integers(1, 9),
            st.none(),
        ),
        st.builds(
            Seen,
            numbers,
            addresses,
            st.just(Progress.READ),
            st.integers(1, 9),
            st.sampled_from(["", "💚", "👍"]),
        ),
        st.builds(Replied, numbers, addresses, numbers),
        st.builds(Posted, numbers, st.none() | addresses),
        st.builds(Deleted, numbers, st.none() | addresses),
        st.builds(SamePerson, both),
    ),
    max_size=16,
)


def tell(record: Transaction, instance_id: InstanceId, fact: Fact) -> None:
    match fact:
        case Seen():
            record.record_receipts(instance_id, [fact.receipt()], NOON_MS)
        case Replied():
            record.record_reply(instance_id, fact.reply(), NOON_MS)
        case Posted(status, author):
            record.record_status(
                instance_id,
                new_status(status, author=author, wire_id=f"W{status}", status_id=f"W{status}"),
            )
        case Deleted(status, author):
            record.record_deletion(instance_id, f"W{status}", author, NOON_MS)
        case SamePerson(address):
            record.learn_identity(instance_id, address)


def observed(record: Transaction, instance_id: InstanceId) -> object:
    """All that a caller could see."""
    ours = record.statuses(instance_id, outgoing=True, since_ms=0)
    theirs = record.statuses(instance_id, outgoing=False, since_ms=0)
    return (
        [
            (
                one.status_id,
                one.reached,
                one.last_receipt_ms,
                [(row.address, row.row, row.at_ms) for row in record.recipients(one)],
                sorted(
                    ((reply.reply_id, reply.viewer) for reply in record.replies(one)), key=str
                ),
                one.counts,
            )
            for one in ours
        ],
        sorted((one.status_id, one.author.chat_id, one.author.lid) for one in theirs),
    )


def expected(told: Sequence[Fact]) -> object:
    """The model: people are sets of halves, everything else follows."""
    people = people_of(told)
    gone = {(one.status, who(people, one.author)) for one in told if isinstance(one, Deleted)}
    posted = {(one.status, who(people, one.author)) for one in told if isinstance(one, Posted)}
    ours = []
    for status, _ in sorted(key for key in posted - gone if key[1] is None):
        rows: dict[Address, Row] = {}
        for fact in told:
            if isinstance(fact, Seen) and fact.status == status:
                viewer = who(people, fact.viewer)
                assert viewer is not None
                row = row_of(fact.kind, fact.at_ms, fact.reaction)
                rows[viewer] = rows.get(viewer, row).joined(row)
        reached = max((row.progress for row in rows.values()), default=Progress.PENDING)
        last_ms = max((row.newest_ms() or 0 for row in rows.values()), default=None)
        told_rows = sorted(
            (
                (viewer, row, row.read_ms or row.delivered_ms or 0)
                for viewer, row in rows.items()
            ),
            key=lambda one: (-one[2], one[0].chat_id),
        )
        replies = {
            (f"R{one.number}", who(people, one.viewer))
            for one in told
            if isinstance(one, Replied) and one.status == status
        }
        counts = Counts(
            recipients=len(rows),
            delivered=len(rows),
            read=sum(row.progress is Progress.READ for row in rows.values()),
            reactions=sum(bool(row.reaction and row.reaction.emoji) for row in rows.values()),
            replies=len(replies),
        )
        ours.append(
            (f"W{status}", reached, last_ms, told_rows, sorted(replies, key=str), counts)
        )
    theirs = [
        (f"W{status}", author.chat_id, author.lid)
        for status, author in posted - gone
        if author is not None
    ]
    return ours[::-1], sorted(theirs)


def people_of(told: Sequence[Fact]) -> set[Address]:
    """Addresses with both halves that somebody told."""
    found = set()
    for fact in told:
        for part in fact:
            if isinstance(part, Address) and part.phone and part.lid:
                found.add(part)
    return found


def who(people: set[Address], half: Address | None) -> Address | None:
    if half is None:
        return None
    return next((person for person in people if person.meets(half)), half)


def run(
    session: SqliteSession | PostgresSession, record: Transaction, told: Sequence[Fact]
) -> object:
    instance_id = InstanceId(next(_instances))
    with transaction(session):
        record.create_instance(new_instance(id=instance_id))
        for fact in told:
            tell(record, instance_id, fact)
        return observed(record, instance_id)


memory, memory_record = record_in("sqlite:///:memory:")


@settings(max_examples=300, deadline=None)
@given(facts)
def test_the_record_is_what_the_facts_make_it(told: list[Fact]) -> None:
    assert run(memory, memory_record, told) == expected(told)


@settings(max_examples=500, deadline=None)
@given(facts, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(told: list[Fact], random: object) -> None:
    shuffled = told + told[: len(told) // 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert run(memory, memory_record, shuffled) == expected(told)


@settings(max_examples=100, deadline=None)
@given(facts)
def test_a_batch_is_as_good_as_one_by_one(told: list[Fact]) -> None:
    instance_id = InstanceId(next(_instances))
    seen = [fact for fact in told if isinstance(fact, Seen)]
    rest = [fact for fact in told if not isinstance(fact, Seen)]
    receipts = [one.receipt() for one in seen]
    with transaction(memory):
        memory_record.create_instance(new_instance(id=instance_id))
        for fact in rest:
            tell(memory_record, instance_id, fact)
        memory_record.record_receipts(instance_id, receipts, NOON_MS)
        assert observed(memory_record, instance_id) == expected(told)
        assert memory_record.record_receipts(instance_id, receipts, NOON_MS) == []


@pytest.fixture(scope="module")
def postgres(postgres_server: str) -> Iterator[PostgresSession]:
    session, _ = record_in(fresh_schema(postgres_server))
    assert isinstance(session, PostgresSession)
    yield session
    session.close()


@pytest.mark.postgres
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(told=facts)
def test_the_same_on_postgres(postgres: PostgresSession, told: list[Fact]) -> None:
    assert run(postgres, Transaction(postgres), told) == expected(told)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None)
@given(facts, st.randoms(use_true_random=False))
def test_ten_thousand_orders(told: list[Fact], random: object) -> None:
    shuffled = told + told
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert run(memory, memory_record, shuffled) == expected(told)
