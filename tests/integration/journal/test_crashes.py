"""A machine of random steps on a file: crashes and restarts in between lose nothing."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from statusgate.domain.receipt import Progress, Receipt, Row, row_of
from statusgate.journal.sqlite import SqliteSession
from statusgate.journal.transaction import Transaction
from tests.databases import new_instance, record_in, transaction
from tests.factories import INSTANCE, NOON_MS, new_status, person

numbers = st.integers(1, 5)
names = st.sampled_from(["", "Anna", "Коля", "\x00"])
kinds = st.sampled_from([Progress.DELIVERED, Progress.READ])
emojis = st.none() | st.sampled_from(["", "💚", "👍"])


class Crashes(RuleBasedStateMachine):
    """The model keeps what was committed; the file must hold exactly that."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.session: SqliteSession
        self.record: Transaction
        self.open()
        with transaction(self.session):
            self.record.create_instance(new_instance())
        self.statuses: dict[int, dict[int, Row]] = {}
        self.deleted: set[int] = set()
        self.early: dict[tuple[int, int], Row] = {}
        self.books: dict[int, str] = {}
        self.cursor = 0

    def open(self) -> None:
        session, record = record_in(f"sqlite:///{self.folder}/journal.db")
        assert isinstance(session, SqliteSession)
        self.session, self.record = session, record

    def teardown(self) -> None:
        self.session.close()
        shutil.rmtree(self.folder)

    @rule(number=numbers)
    def post(self, number: int) -> None:
        with transaction(self.session):
            self.record.record_status(
                INSTANCE, new_status(number, author=None, wire_id=f"W{number}")
            )
        if number not in self.deleted and number not in self.statuses:
            self.statuses[number] = {
                viewer: self.early.pop((number, viewer))
                for (status, viewer) in list(self.early)
                if status == number
            }

    @rule(number=numbers, viewer=numbers, kind=kinds, at_ms=st.integers(1, 9), emoji=emojis)
    def see(
        self, number: int, viewer: int, kind: Progress, at_ms: int, emoji: str | None
    ) -> None:
        receipt = Receipt(f"W{number}", person(viewer), kind, at_ms, emoji)
        with transaction(self.session):
            self.record.record_receipts(INSTANCE, [receipt], NOON_MS)
        row = row_of(kind, at_ms, emoji)
        if number in self.statuses:
            rows = self.statuses[number]
            rows[viewer] = rows.get(viewer, row).joined(row)
        else:
            key = (number, viewer)
            self.early[key] = self.early.get(key, row).joined(row)

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        with transaction(self.session):
            self.record.record_deletion(INSTANCE, f"W{number}", None, NOON_MS)
        self.deleted.add(number)
        self.statuses.pop(number, None)

    @rule(number=numbers, name=names)
    def name(self, number: int, name: str) -> None:
        with transaction(self.session):
            self.record.name_contact(INSTANCE, person(number), name)
        self.books.setdefault(number, "")
        self.books[number] = name.replace("\x00", "\ufffd")

    @rule(seq=st.integers(1, 50))
    def advance(self, seq: int) -> None:
        with transaction(self.session):
            self.record.advance_cursor(INSTANCE, seq)
        self.cursor = max(self.cursor, seq)

    @rule()
    def restart(self) -> None:
        self.session.close()
        self.open()

    @rule(number=numbers, viewer=numbers)
    def crash(self, number: int, viewer: int) -> None:
        """The process ends in the middle of a transaction."""
        steps: list[Callable[[], Any]] = [
            lambda: self.record.record_status(INSTANCE, new_status(90 + number, author=None)),
            lambda: self.record.record_receipts(
                INSTANCE, [Receipt("W1", person(viewer + 50), Progress.READ, 1)], NOON_MS
            ),
            lambda: self.record.record_deletion(INSTANCE, "W2", None, NOON_MS),
            lambda: self.record.advance_cursor(INSTANCE, 99),
        ]
        self.session.begin()
        for step in steps[:number]:
            step()
        self.restart()

    @invariant()
    def the_file_holds_what_was_committed(self) -> None:
        with transaction(self.session):
            statuses = self.record.statuses(INSTANCE, outgoing=True, since_ms=0)
            found = {
                int(status.status_id[4:], 16): {
                    int(row.address.phone[4:]): row.row
                    for row in self.record.recipients(status)
                }
                for status in statuses
            }
            contacts = self.record.contacts(INSTANCE)
            cursor = self.record.cursor(INSTANCE)
        assert found == self.statuses
        assert cursor == self.cursor
        assert [int(one.address.phone[4:]) for one in contacts] == list(self.books)
        assert [one.contact_name for one in contacts] == list(self.books.values())


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
