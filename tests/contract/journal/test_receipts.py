"""The journal port: receipts and the rows they raise (contract 3.1 and 3.7)."""

from statusgate.domain.address import Address
from statusgate.domain.receipt import Progress, Receipt, ReceiptChange, Row
from statusgate.domain.status import Failure, FailureReason, Status
from statusgate.journal import Transaction
from tests.databases import OWN, Account
from tests.factories import INSTANCE, NOON_MS, new_status, person

DAY_MS = 24 * 3600 * 1000


def delivered(who: Address, at_ms: int, wire_id: str = "W") -> Receipt:
    return Receipt(wire_id, who, Progress.DELIVERED, at_ms)


def read(who: Address, at_ms: int, wire_id: str = "W") -> Receipt:
    return Receipt(wire_id, who, Progress.READ, at_ms)


async def posted(account: Account, *audience: Address) -> Status:
    """A status of ours, sent as W at noon + 10."""

    def work(tx: Transaction) -> Status:
        made = tx.record_status(
            INSTANCE, new_status(1, author=None, by_api=True, wire_id=None, posted_ms=NOON_MS)
        )
        assert made is not None
        tx.add_recipients(INSTANCE, made.no, audience)
        sent = tx.mark_sent(INSTANCE, made.no, "W", NOON_MS + 10)
        assert sent is not None
        return sent

    return await account.write(work)


async def rows(account: Account) -> list[tuple[str, Progress, int]]:
    found = await account.recipients(new_status(1).status_id)
    return [(one.address.chat_id, one.progress, one.at_ms - NOON_MS) for one in found]


async def test_rows_start_from_what_became_of_their_status(account: Account) -> None:
    def accept(tx: Transaction) -> int:
        made = tx.record_status(INSTANCE, new_status(1, author=None, wire_id=None))
        assert made is not None
        tx.add_recipients(INSTANCE, made.no, [person(1)])
        return made.no

    no = await account.write(accept)
    seen = [await rows(account)]
    failure = Failure(FailureReason.ENGINE_ERROR, "no")
    await account.write(lambda tx: tx.mark_failed(INSTANCE, no, failure, NOON_MS + 5))
    seen.append(await rows(account))
    await account.write(lambda tx: tx.mark_sent(INSTANCE, no, "W", NOON_MS + 9))
    seen.append(await rows(account))
    who = person(1).chat_id
    assert seen == [
        [(who, Progress.PENDING, 1)],
        [(who, Progress.FAILED, 5)],
        [(who, Progress.SENT, 9)],
    ]


async def test_rows_are_newest_first_then_by_participant(account: Account) -> None:
    await posted(account, person(3), person(1), person(2))
    await account.receive(delivered(person(5), NOON_MS + 20), read(person(4), NOON_MS + 20))
    assert await rows(account) == [
        (person(4).chat_id, Progress.READ, 20),
        (person(5).chat_id, Progress.DELIVERED, 20),
        (person(1).chat_id, Progress.SENT, 10),
        (person(2).chat_id, Progress.SENT, 10),
        (person(3).chat_id, Progress.SENT, 10),
    ]


async def test_a_receipt_names_what_it_changed(account: Account) -> None:
    status = await posted(account, person(1))
    changes = await account.receive(delivered(person(1), 50))
    assert changes == [
        ReceiptChange(
            status_no=status.no,
            status_id=status.status_id,
            by_api=True,
            viewer=person(1),
            row=Row(delivered_ms=50),
            raised_to=Progress.DELIVERED,
            raised_status=True,
        )
    ]


async def test_a_repeated_receipt_changes_nothing(account: Account) -> None:
    await posted(account)
    first = await account.receive(read(person(1), 50), read(person(1), 50))
    assert [change.raised_to for change in first] == [Progress.READ]
    assert await account.receive(read(person(1), 50), read(person(1), 60)) == []


async def test_of_each_kind_the_earliest_time_counts(account: Account) -> None:
    await posted(account)
    await account.receive(read(person(1), NOON_MS + 50))
    changes = await account.receive(read(person(1), NOON_MS + 40))
    assert [(one.row, one.raised_to) for one in changes] == [(Row(read_ms=NOON_MS + 40), None)]
    assert await rows(account) == [(person(1).chat_id, Progress.READ, 40)]


async def test_a_late_delivery_does_not_move_a_read_row(account: Account) -> None:
    await posted(account)
    await account.receive(read(person(1), NOON_MS + 50))
    changes = await account.receive(delivered(person(1), NOON_MS + 60))
    assert [change.raised_to for change in changes] == [None]
    assert await rows(account) == [(person(1).chat_id, Progress.READ, 50)]


async def test_the_last_action_is_the_newest_recorded_receipt(account: Account) -> None:
    status = await posted(account)
    seen = []
    for receipt in (
        read(person(1), NOON_MS + 90),
        read(person(2), NOON_MS + 70),
        read(person(1), NOON_MS + 60),  # the time that was the newest is taken back
        delivered(person(2), NOON_MS + 80),
    ):
        await account.receive(receipt)
        now = await account.status(status.status_id)
        assert now is not None
        seen.append(now.last_action_ms - NOON_MS)
    assert seen == [90, 90, 70, 80]


async def test_early_receipts_wait_for_their_status(account: Account) -> None:
    assert await account.receive(read(person(1), NOON_MS + 5)) == []
    assert await account.receive(delivered(person(1), NOON_MS + 4)) == []
    assert await account.receive(read(person(1), NOON_MS + 6)) == []
    status = await posted(account, person(1))
    assert (status.reached, status.last_receipt_ms) == (Progress.READ, NOON_MS + 5)
    assert await rows(account) == [(person(1).chat_id, Progress.READ, 5)]
    found = await account.recipients(status.status_id)
    assert found[0].row == Row(NOON_MS + 4, NOON_MS + 5)


async def test_early_receipts_wait_for_a_status_of_the_phone_too(account: Account) -> None:
    await account.receive(read(person(1), 5))
    made = await account.write(
        lambda tx: tx.record_status(INSTANCE, new_status(1, author=None, wire_id="W"))
    )
    assert made is not None
    assert made.reached is Progress.READ


async def test_early_receipts_wait_a_day_and_no_longer(account: Account) -> None:
    await account.receive(read(person(1), 5), now_ms=NOON_MS)
    await account.receive(read(person(2), 5, "V"), now_ms=NOON_MS)
    kept = await account.write(lambda tx: tx.expire(NOON_MS + DAY_MS, DAY_MS, 10))
    gone = await account.write(lambda tx: tx.expire(NOON_MS + DAY_MS + 1, DAY_MS, 10))
    assert (kept[0], gone[0]) == (0, 2)
    status = await posted(account)
    assert status.reached is Progress.PENDING


async def test_the_account_itself_never_has_a_row(account: Account) -> None:
    both = Address(OWN.phone, OWN.lid)
    await posted(account, OWN, Address(phone=OWN.phone), person(1))
    receipts = [read(who, 5) for who in (both, Address(lid=OWN.lid), Address(phone=OWN.phone))]
    assert await account.receive(*receipts) == []
    assert [row[0] for row in await rows(account)] == [person(1).chat_id]


async def test_rows_are_added_once(account: Account) -> None:
    status = await posted(account, person(1), person(1))
    await account.receive(read(person(1), NOON_MS + 20))
    await account.write(
        lambda tx: tx.add_recipients(INSTANCE, status.no, [person(1), person(2)])
    )
    assert await rows(account) == [
        (person(1).chat_id, Progress.READ, 20),
        (person(2).chat_id, Progress.SENT, 10),
    ]


async def test_a_status_that_is_gone_gets_no_rows(account: Account) -> None:
    status = await posted(account)
    await account.write(lambda tx: tx.record_deletion(INSTANCE, "W", None, 0))
    await account.write(lambda tx: tx.add_recipients(INSTANCE, status.no, [person(1)]))
    assert await account.read(lambda reader: reader.recipients(status)) == []


async def test_an_incoming_status_has_no_rows_and_takes_no_receipts(account: Account) -> None:
    made = await account.write(
        lambda tx: tx.record_status(INSTANCE, new_status(1, wire_id="W"))
    )
    assert made is not None
    assert await account.receive(read(person(5), 5)) == []
    assert await account.read(lambda reader: reader.recipients(made)) == []


async def test_a_viewer_becomes_known_but_no_contact(account: Account) -> None:
    await posted(account)
    await account.receive(read(person(9), 5))
    found = await account.read(lambda reader: reader.contact(INSTANCE, person(9)))
    assert found is not None
    assert found.address == person(9)
    assert await account.read(lambda reader: reader.contacts(INSTANCE)) == []


async def test_a_row_shows_the_phone_once_it_is_known(account: Account) -> None:
    await posted(account)
    lid, both = Address(lid="42"), Address("7900", "42")
    await account.receive(delivered(lid, NOON_MS + 20))
    assert [row[0] for row in await rows(account)] == ["42@lid"]
    assert await account.write(lambda tx: tx.learn_identity(INSTANCE, both))
    changes = await account.receive(read(lid, NOON_MS + 30))
    assert [change.viewer for change in changes] == [both]
    assert await rows(account) == [("7900@c.us", Progress.READ, 30)]


async def test_the_rows_of_one_person_merge(account: Account) -> None:
    status = await posted(account, Address(phone="7900"))
    phone, lid, both = Address(phone="7900"), Address(lid="42"), Address("7900", "42")
    await account.receive(
        delivered(phone, NOON_MS + 40), read(phone, NOON_MS + 90), read(lid, NOON_MS + 50)
    )
    assert len(await rows(account)) == 2
    assert await account.write(lambda tx: tx.learn_identity(INSTANCE, both))
    assert await rows(account) == [("7900@c.us", Progress.READ, 50)]
    now = await account.status(status.status_id)
    assert now is not None
    assert now.last_receipt_ms == NOON_MS + 50
    assert not await account.write(lambda tx: tx.learn_identity(INSTANCE, both))


async def test_early_receipts_of_one_person_merge_too(account: Account) -> None:
    await account.receive(read(Address(phone="7900"), 9), read(Address(lid="42"), 7))
    await account.write(lambda tx: tx.learn_identity(INSTANCE, Address("7900", "42")))
    status = await posted(account)
    assert status.last_receipt_ms == 7
    assert len(await rows(account)) == 1


async def test_one_batch_may_hold_many_statuses_viewers_and_kinds(account: Account) -> None:
    def record(tx: Transaction) -> None:
        for number in range(20):
            tx.record_status(INSTANCE, new_status(number, author=None, wire_id=f"W{number}"))

    await account.write(record)
    batch = [
        Receipt(f"W{number}", person(viewer), kind, NOON_MS + viewer + kind)
        for number in range(20)
        for viewer in range(30)
        for kind in (Progress.DELIVERED, Progress.READ)
    ]
    changes = await account.receive(*batch)
    assert len(changes) == 600
    assert {change.raised_to for change in changes} == {Progress.READ}
    assert await account.receive(*reversed(batch)) == []


async def test_huge_times_are_cut_and_not_refused(account: Account) -> None:
    await posted(account)
    changes = await account.receive(read(person(1), 2**70), delivered(person(1), -(2**70)))
    assert len(changes) == 1
