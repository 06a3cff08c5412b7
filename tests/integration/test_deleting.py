"""From whom a status is taken back."""

from collections.abc import Sequence
from typing import Any

from statusgate.accounts.receiving import record_batch
from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.events import (
    ContactsChanged,
    EngineEvent,
    Sequenced,
    StatusReceipt,
    StatusReceived,
)
from statusgate.domain.instance import State
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind
from statusgate.journal import Journal, open_journal
from statusgate.publishing.deleting import Deleting
from tests.clocks import VirtualClock
from tests.databases import new_instance
from tests.factories import INSTANCE, NOON_MS, person

ANNA, BORIS, VERA = person(1), person(2), person(3)


class Account:
    """An account whose engine remembers from whom a status was revoked."""

    def __init__(self) -> None:
        self.revoked: set[Address] = set()

    def live_engine(self, _instance: Any) -> Any:
        return self

    async def delete_status(self, _wire_id: str, audience: Sequence[Address]) -> None:
        self.revoked = set(audience)


async def _revoked_from(*events: EngineEvent) -> set[Address]:
    """Whom the engine is told when a status of the phone, after *events*, is deleted."""
    journal = open_journal("sqlite:///:memory:")
    try:
        instance = new_instance(state=State.AUTHORIZED)
        await journal.write(None, lambda tx: tx.create_instance(instance))
        known = ContactsChanged(
            contacts=(
                Contact(address=ANNA, contact_name="Anna"),
                Contact(address=BORIS, contact_name="Boris"),
                Contact(address=VERA, contact_name=""),
            ),
            at_ms=NOON_MS,
        )
        posted = StatusReceived(
            wire_id="W1", author=instance.me, from_me=True, kind=Kind.TEXT, at_ms=NOON_MS
        )
        await _tell(journal, known, posted, *events)
        account = Account()
        accounts: Any = account
        publisher = ChangePublisher(journal)
        deleting = Deleting(journal, publisher, accounts, VirtualClock())
        await deleting.delete(instance, "W1")
        return account.revoked
    finally:
        await journal.close()


async def _tell(journal: Journal, *events: EngineEvent) -> None:
    batch = [Sequenced(1, events)]
    await journal.write(
        INSTANCE, lambda tx: record_batch(tx, Changes(), INSTANCE, batch, NOON_MS)
    )


async def test_a_status_of_the_phone_is_revoked_from_those_who_are_known_to_have_it() -> None:
    seen = StatusReceipt(wire_ids=("W1",), viewer=VERA, kind=Progress.READ, at_ms=NOON_MS)
    assert await _revoked_from(seen) == {VERA}


async def test_a_status_of_the_phone_that_nobody_is_known_to_have_is_revoked_from_all() -> None:
    assert await _revoked_from() == {ANNA, BORIS}
