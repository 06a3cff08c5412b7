"""What happened on an account becomes the record: engine events, gates, repeats, identities."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from statusgate.accounts.receiving import record_batch
from statusgate.changes.changes import Changes
from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.events import (
    ContactsChanged,
    EngineEvent,
    EngineState,
    IdentityLearned,
    Paired,
    Sequenced,
    StateChanged,
    StatusDeleted,
    StatusReceipt,
    StatusReceived,
    StatusUndecryptable,
)
from statusgate.domain.instance import Instance, State
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind, Status
from statusgate.journal import Journal, open_journal
from tests.factories import INSTANCE, NOON_MS, person

ME = Address(phone="70000000001")
ANNA, BORIS = person(1), person(2)


class Account:
    """An instance whose engine events we make."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.seq = 0

    async def set_up(self) -> None:
        wanted = Instance(
            id=INSTANCE,
            token_digest=bytes(32),
            created_ms=NOON_MS,
        )
        await self.journal.write(INSTANCE, lambda tx: tx.create_instance(wanted))
        await self.tell(
            Paired(me=ME, device=3, push_name="Nikolai", at_ms=NOON_MS),
            StateChanged(state=EngineState.OPEN, at_ms=NOON_MS),
        )

    async def tell(self, *events: EngineEvent) -> Changes:
        self.seq += 1
        return await self.again(*events)

    async def again(self, *events: EngineEvent) -> Changes:
        """The same sequence number once more, as after a crash before the acknowledgement."""

        def work(tx: Any) -> Changes:
            changes = Changes()
            batch = [Sequenced(self.seq, events)]
            record_batch(tx, changes, INSTANCE, batch, NOON_MS)
            return changes

        return await self.journal.write(INSTANCE, work)

    async def settings(self, **changes: bool) -> None:
        def work(tx: Any) -> None:
            instance = tx.instance(INSTANCE)
            tx.save_instance(
                msgspec.structs.replace(
                    instance, settings=msgspec.structs.replace(instance.settings, **changes)
                )
            )

        await self.journal.write(INSTANCE, work)

    async def status(self, status_id: str) -> Status | None:
        return await self.journal.read(lambda tx: tx.status(INSTANCE, status_id))

    async def rows(self, status_id: str) -> dict[str, tuple[str, int]]:
        def work(tx: Any) -> dict[str, tuple[str, int]]:
            status = tx.status(INSTANCE, status_id)
            return {
                row.address.chat_id: (row.progress.name, row.at_ms)
                for row in (tx.recipients(status) if status else [])
            }

        return await self.journal.read(work)


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    journal = open_journal("sqlite:///:memory:")
    account = Account(journal)
    await account.set_up()
    yield account
    await journal.close()


def posted(wire_id: str = "A1", author: Address = ANNA, **more: Any) -> StatusReceived:
    values: dict[str, Any] = {"kind": Kind.TEXT, "text": "Hello", "at_ms": NOON_MS} | more
    return StatusReceived(wire_id=wire_id, author=author, **values)


def viewed(
    wire_id: str = "B1",
    viewer: Address = ANNA,
    kind: Progress = Progress.READ,
    at_ms: int = NOON_MS + 60_000,
) -> StatusReceipt:
    return StatusReceipt(wire_ids=(wire_id,), viewer=viewer, kind=kind, at_ms=at_ms)


async def test_pairing_and_opening_make_the_instance_authorized(account: Account) -> None:
    instance = await account.journal.read(lambda tx: tx.instance(INSTANCE))
    assert instance is not None
    assert (instance.state, instance.wid, instance.device) == (
        State.AUTHORIZED,
        "70000000001@c.us",
        3,
    )
    history = await account.journal.read(lambda tx: tx.state_history(INSTANCE, 10))
    assert [line.state for line in history] == [State.AUTHORIZED]


async def test_a_status_is_journaled_with_its_authors_name(account: Account) -> None:
    changes = await account.tell(posted(push_name="Anna"))
    (status,) = changes.statuses.values()
    assert (status.author_name, status.outgoing, status.text) == ("Anna", False, "Hello")


async def test_a_repeat_of_a_batch_changes_nothing(account: Account) -> None:
    await account.tell(posted())
    assert (await account.again(posted())).statuses == {}


async def test_the_same_status_told_twice_is_one(account: Account) -> None:
    await account.tell(posted())
    assert (await account.tell(posted(text="other"))).statuses == {}
    status = await account.status("A1")
    assert status is not None
    assert status.text == "Hello"


async def test_a_phone_posted_status_is_outgoing_and_sent(account: Account) -> None:
    await account.tell(posted("B1", ME, from_me=True))
    status = await account.status("B1")
    assert status is not None
    assert (status.outgoing, status.by_api, status.progress) == (True, False, Progress.SENT)


async def test_receipts_raise_the_row_and_the_status(account: Account) -> None:
    await account.tell(posted("B1", ME, from_me=True))
    changes = await account.tell(
        viewed(kind=Progress.DELIVERED, at_ms=NOON_MS + 5_000), viewed(), viewed(viewer=BORIS)
    )
    assert len(changes.receipts) == 2
    (status,) = changes.statuses.values()
    assert (status.progress, status.last_action_ms) == (Progress.READ, NOON_MS + 60_000)
    assert await account.rows("B1") == {
        ANNA.chat_id: ("READ", NOON_MS + 60_000),
        BORIS.chat_id: ("READ", NOON_MS + 60_000),
    }


async def test_a_receipt_before_its_status_is_applied_when_it_comes(account: Account) -> None:
    await account.tell(viewed())
    changes = await account.tell(posted("B1", ME, from_me=True))
    (status,) = changes.statuses.values()
    assert status.progress is Progress.READ


async def test_outgoing_webhook_off_records_neither_receipts_nor_phone_posts(
    account: Account,
) -> None:
    await account.tell(posted("B1", ME, from_me=True))
    await account.settings(outgoing_webhook=False)
    await account.tell(viewed(), posted("B2", ME, from_me=True))
    await account.settings(outgoing_webhook=True)
    assert await account.rows("B1") == {}
    assert await account.status("B2") is None


async def test_nothing_is_filled_in_after_outgoing_webhook_was_off(account: Account) -> None:
    await account.settings(outgoing_webhook=False)
    await account.tell(viewed("B1"))
    await account.settings(outgoing_webhook=True)
    await account.tell(posted("B1", ME, from_me=True))
    assert await account.rows("B1") == {}


async def test_the_accounts_own_devices_are_no_viewers(account: Account) -> None:
    await account.tell(posted("B1", ME, from_me=True), viewed(viewer=ME))
    assert await account.rows("B1") == {}


async def test_a_withdrawn_status_is_gone_and_does_not_come_back(account: Account) -> None:
    await account.tell(posted())
    changes = await account.tell(StatusDeleted(wire_id="A1", author=ANNA, at_ms=NOON_MS))
    assert [status.status_id for status in changes.removed] == ["A1"]
    await account.tell(posted())
    assert await account.status("A1") is None


async def test_only_the_author_can_withdraw_a_status(account: Account) -> None:
    await account.tell(posted())
    await account.tell(StatusDeleted(wire_id="A1", author=BORIS, at_ms=NOON_MS))
    assert await account.status("A1") is not None


async def test_a_deletion_that_comes_first_holds(account: Account) -> None:
    await account.tell(StatusDeleted(wire_id="A1", author=ANNA, at_ms=NOON_MS))
    await account.tell(posted())
    assert await account.status("A1") is None


async def test_a_gap_is_recorded_and_what_follows_flows(account: Account) -> None:
    changes = await account.tell(
        StatusUndecryptable(wire_id="X", author=ANNA, at_ms=NOON_MS), posted()
    )
    assert (changes.gaps, len(changes.statuses)) == (1, 1)


async def test_a_viewer_known_by_lid_merges_once_the_phone_is_learned(account: Account) -> None:
    hidden = Address(lid="222000000000001")
    await account.tell(posted("B1", ME, from_me=True), viewed(viewer=hidden))
    assert list(await account.rows("B1")) == ["222000000000001@lid"]
    await account.tell(viewed(kind=Progress.DELIVERED, at_ms=NOON_MS + 1))
    changes = await account.tell(
        IdentityLearned(address=Address(phone=ANNA.phone, lid=hidden.lid), at_ms=NOON_MS)
    )
    assert changes.people_changed
    assert await account.rows("B1") == {ANNA.chat_id: ("READ", NOON_MS + 60_000)}


async def test_contacts_that_did_not_change_are_no_news(account: Account) -> None:
    met = ContactsChanged(
        contacts=(Contact(address=ANNA, name="Anna", contact_name="Anna K"),), at_ms=NOON_MS
    )
    assert (await account.tell(met)).people_changed
    assert not (await account.tell(met)).people_changed


async def test_a_state_that_does_not_change_is_no_news(account: Account) -> None:
    changes = await account.tell(StateChanged(state=EngineState.OPEN, at_ms=NOON_MS))
    assert changes.facts == []


async def test_a_ban_says_until_when(account: Account) -> None:
    changes = await account.tell(
        StateChanged(state=EngineState.BANNED, until_ms=NOON_MS + 9, at_ms=NOON_MS)
    )
    assert changes.instance is not None
    assert changes.instance.state is State.SUSPENDED
    assert changes.instance.suspended_until_ms == NOON_MS + 9


async def test_a_logout_keeps_the_journal_and_hides_the_wid(account: Account) -> None:
    await account.tell(posted("B1", ME, from_me=True))
    changes = await account.tell(StateChanged(state=EngineState.LOGGED_OUT, at_ms=NOON_MS))
    assert changes.instance is not None
    assert changes.instance.wid == ""
    status = await account.status("B1")
    assert status is not None
    assert status.author.chat_id == "70000000001@c.us"
