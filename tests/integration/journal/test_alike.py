"""SQLite and PostgreSQL answer alike, whatever they are asked."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.errors import MediaUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import State
from statusgate.domain.media import MediaRef, StoredFile
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.domain.status import Failure, FailureReason, Kind
from statusgate.journal.postgres import PostgresSession
from statusgate.journal.sqlite import SqliteSession
from statusgate.journal.transaction import Transaction
from tests.databases import fresh_schema, new_instance, record_in, transaction
from tests.factories import NOON_MS, new_status

pytestmark = pytest.mark.postgres

_instances = itertools.count(1)
Pair = list[tuple[SqliteSession | PostgresSession, Transaction]]
TEXTS = [
    "",
    "plain",
    "\x00",
    "\ud800x",
    "Ünïcode 🏠",
    "%s %(a)s :b --",
    "'; DROP",
    "\\u0000",
    "a\nb",
]


class Script:
    """A random sequence of calls, the same for each database."""

    def __init__(self, seed: int, instance_id: InstanceId) -> None:
        self._random = random.Random(seed)
        self._id = instance_id

    def address(self) -> Address:
        number = self._random.randrange(4)
        phone, lid = f"7{number}", f"9{self._random.choice([number, number, number, 0])}"
        return self._random.choice([Address(phone), Address(lid=lid), Address(phone, lid)])

    def text(self) -> str:
        return self._random.choice(TEXTS)

    def step(self, record: Transaction) -> Any:
        return getattr(self, self._random.choice(STEPS))(record)

    def post(self, record: Transaction) -> Any:
        number = self._random.randrange(6)
        return record.record_status(
            self._id,
            new_status(
                number,
                status_id=f"S{number}{self.text()}",
                author=self._random.choice([None, self.address()]),
                wire_id=self._random.choice([None, f"W{number}"]),
                kind=self._random.choice(list(Kind)),
                text=self.text(),
                background=self._random.choice([None, 0, 2**32 - 1, 2**70]),
                font=self._random.choice([None, 0, 2**32 - 1]),
                participants=(self.text(),),
                posted_ms=NOON_MS + self._random.randrange(3),
                thumbnail=self._random.choice([b"", b"\x00\xff"]),
            ),
        )

    def sent(self, record: Transaction) -> Any:
        no = self._random.randrange(1, 8)
        return record.mark_sent(self._id, no, f"W{self._random.randrange(6)}", NOON_MS + 5)

    def failed(self, record: Transaction) -> Any:
        failure = Failure(self._random.choice(list(FailureReason)), self.text())
        return record.mark_failed(self._id, self._random.randrange(1, 8), failure, NOON_MS + 4)

    def audience(self, record: Transaction) -> Any:
        no = self._random.randrange(1, 8)
        return record.add_recipients(self._id, no, [self.address() for _ in range(3)])

    def receipts(self, record: Transaction) -> Any:
        told = [
            Receipt(
                f"W{self._random.randrange(6)}",
                self.address(),
                self._random.choice([Progress.DELIVERED, Progress.READ]),
                self._random.choice([1, 2, 3, 2**66, -(2**66)]),
                self._random.choice([None, "", "💚", self.text()]),
            )
            for _ in range(self._random.randrange(6))
        ]
        return record.record_receipts(self._id, told, NOON_MS + self._random.randrange(9))

    def reply(self, record: Transaction) -> Any:
        reply = Reply(
            wire_id=f"W{self._random.randrange(6)}",
            viewer=self.address(),
            reply_id=f"R{self._random.randrange(3)}{self.text()}",
            kind=self._random.choice(list(ReplyKind)),
            text=self.text(),
            at_ms=self._random.choice([1, 2, 2**66]),
        )
        return record.record_reply(self._id, reply, NOON_MS + self._random.randrange(9))

    def delete(self, record: Transaction) -> Any:
        author = self._random.choice([None, self.address()])
        return record.record_deletion(
            self._id, f"W{self._random.randrange(6)}", author, NOON_MS
        )

    def gap(self, record: Transaction) -> Any:
        return record.record_gap(self._id, f"G{self.text()}", self.address(), NOON_MS)

    def contacts(self, record: Transaction) -> Any:
        told = [
            Contact(
                address=self.address(),
                name=self._random.choice([None, self.text()]),
                contact_name=self._random.choice([None, self.text()]),
            )
            for _ in range(3)
        ]
        return record.record_contacts(self._id, told)

    def names(self, record: Transaction) -> Any:
        address = self.address()
        return (
            record.record_name(self._id, address, self.text()),
            record.name_contact(self._id, self.address(), self.text()),
        )

    def identity(self, record: Transaction) -> Any:
        return record.learn_identity(self._id, self.address())

    def files(self, record: Transaction) -> Any:
        no = self._random.randrange(1, 8)
        record.want_download(
            self._id, no, MediaRef(handle=b"\x00", mimetype=self.text(), size=2**62), NOON_MS
        )
        record.postpone_download(self._id, no, NOON_MS + 1, counted=self._random.random() < 0.5)
        if self._random.random() < 0.5:
            return record.due_downloads(self._id, NOON_MS + 5, 3)
        file = StoredFile(
            key=f"k{self._random.randrange(9)}",
            extension="jpg",
            mimetype=self.text(),
            size=1,
            created_ms=NOON_MS,
            expires_ms=self._random.choice([None, NOON_MS + 1]),
        )
        record.add_file(self._id, msgspec.structs.replace(file, key=f"u{file.key}"))
        record.add_file(self._id, file)
        try:
            return record.attach_file(self._id, no, file, self._random.choice([None, b"\x01"]))
        except MediaUnavailable as error:  # its record has ended
            return str(error)

    def state(self, record: Transaction) -> Any:
        instance = record.instance(self._id)
        assert instance is not None
        changed = msgspec.structs.replace(instance, state=self._random.choice(list(State)))
        record.record_state(changed, NOON_MS)
        record.advance_cursor(self._id, self._random.randrange(50))
        return record.state_history(self._id, 3), record.cursor(self._id)

    def expire(self, record: Transaction) -> Any:
        return record.expire(
            NOON_MS + self._random.randrange(3), 0, self._random.randrange(1, 9)
        )

    def look(self, record: Transaction) -> Any:
        ours = record.statuses(self._id, outgoing=True, since_ms=0)
        theirs = record.statuses(
            self._id, outgoing=False, since_ms=0, contacts_only=self._random.random() < 0.5
        )
        return (
            ours,
            theirs,
            [record.recipients(status) for status in ours],
            [record.reactions(status) for status in ours],
            [record.replies(status) for status in ours],
            [record.reply_times(status) for status in ours],
            record.contacts(self._id),
            record.contact(self._id, self.address()),
            record.status(self._id, f"S{self._random.randrange(6)}plain", self.address()),
            record.file(self._id, f"k{self._random.randrange(9)}", NOON_MS),
        )


STEPS = [
    name
    for name, member in vars(Script).items()
    if callable(member) and name not in ("__init__", "address", "text", "step")
]


@pytest.fixture(scope="module")
def pair(postgres_server: str) -> Iterator[Pair]:
    """The two databases side by side."""
    made = [record_in("sqlite:///:memory:"), record_in(fresh_schema(postgres_server))]
    yield made
    for session, _ in made:
        session.close()


def answers(
    pair: Pair, number: int, seed: int, instance_id: InstanceId, steps: int
) -> list[Any]:
    session, record = pair[number]
    script = Script(seed, instance_id)
    found = []
    with transaction(session):
        record.create_instance(new_instance(id=instance_id))
        for _ in range(steps):
            found.append(script.step(record))
        found.append(script.look(record))
        # Retention looks over all instances: leave it nothing for the scripts to come.
        record.save_instance(new_instance(id=instance_id, deleted_ms=0))
        while record.purge_instance(instance_id, 100)[0]:
            pass
    return found


def compare(pair: Pair, scripts: int) -> None:
    for seed in range(scripts):
        instance_id = InstanceId(next(_instances))
        one, other = (answers(pair, number, seed, instance_id, 30) for number in (0, 1))
        for step, (mine, yours) in enumerate(zip(one, other, strict=True)):
            assert mine == yours, f"seed {seed}, step {step}"


def test_a_hundred_scripts_have_equal_answers(pair: Pair) -> None:
    compare(pair, 100)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_scripts_have_equal_answers(pair: Pair) -> None:
    compare(pair, 10_000)
