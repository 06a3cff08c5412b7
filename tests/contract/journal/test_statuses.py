"""The journal port: statuses from their first to their last day."""

import pytest

from statusgate.domain.address import Address
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.status import Failure, FailureReason, Kind, Status
from statusgate.journal import Transaction
from tests.databases import OWN, Account
from tests.factories import INSTANCE, NOON_MS, new_status, person

REFUSED = Failure(FailureReason.REFUSED, "Refused by WhatsApp (479)")


def record(tx: Transaction, number: int = 1, **changes: object) -> Status:
    made = tx.record_status(INSTANCE, new_status(number, **changes))
    assert made is not None
    return made


def accept(tx: Transaction, number: int = 1) -> Status:
    """A status of ours that waits to be sent."""
    return record(tx, number, author=None, by_api=True, wire_id=None)


async def test_a_status_comes_back_as_it_was_recorded(account: Account) -> None:
    new = new_status(
        1,
        kind=Kind.VIDEO,
        text="Häuser 🏠",
        background=0xFFFFFFFF,
        font=4_000_000_000,
        participants=("7@c.us", "8@lid"),
        mimetype="video/mp4",
        thumbnail=b"\xff\xd8\x00",
        by_lid=True,
    )
    made = await account.write(lambda tx: tx.record_status(INSTANCE, new))
    assert made is not None
    assert made == await account.status(new.status_id)
    assert made == await account.read(lambda record: record.status_by_no(INSTANCE, made.no))
    for field in ("status_id", "wire_id", "author", "kind", "text", "background", "font"):
        assert getattr(made, field) == getattr(new, field)
    for field in ("participants", "posted_ms", "mimetype", "thumbnail", "by_lid"):
        assert getattr(made, field) == getattr(new, field)
    assert (made.outgoing, made.by_api, made.reached) == (False, False, Progress.PENDING)


async def test_a_repeated_status_changes_nothing(account: Account) -> None:
    first = await account.write(record)
    again = await account.write(lambda tx: tx.record_status(INSTANCE, new_status(1, text="x")))
    assert again is None
    assert await account.status(first.status_id) == first


async def test_the_same_id_of_another_author_is_another_status(account: Account) -> None:
    def work(tx: Transaction) -> None:
        record(tx, 1, author=person(1), posted_ms=NOON_MS)
        record(tx, 1, author=person(2), posted_ms=NOON_MS + 9)
        record(tx, 1, author=None, posted_ms=NOON_MS - 9)

    await account.write(work)
    key = new_status(1).status_id
    found = [await account.status(key, author) for author in (None, OWN, person(1), person(2))]
    assert [one and one.author for one in found] == [OWN, OWN, person(1), person(2)]
    await account.write(lambda tx: tx.record_deletion(INSTANCE, key, None, NOON_MS))
    newest = await account.status(key)
    assert newest is not None
    assert newest.author == person(2)
    assert await account.status(key, person(3)) is None


async def test_windows_are_half_open_newest_first_ties_by_acceptance(
    account: Account,
) -> None:
    def work(tx: Transaction) -> None:
        for number, at_ms in ((1, 10), (2, 20), (4, 20), (3, 20), (5, 30)):
            record(tx, number, posted_ms=at_ms)
        record(tx, 6, author=None, posted_ms=20)

    await account.write(work)

    def window(reader: Transaction, since: int, before: int | None, *, out: bool) -> list[int]:
        found = reader.statuses(INSTANCE, outgoing=out, since_ms=since, before_ms=before)
        return [int(one.status_id[4:], 16) for one in found]

    assert await account.read(lambda r: window(r, 10, None, out=False)) == [5, 3, 4, 2, 1]
    assert await account.read(lambda r: window(r, 11, 30, out=False)) == [3, 4, 2]
    assert await account.read(lambda r: window(r, 20, 20, out=False)) == []
    assert await account.read(lambda r: window(r, 0, None, out=True)) == [6]


async def test_only_authors_with_a_contact_name_count_as_contacts(account: Account) -> None:
    def work(tx: Transaction) -> None:
        record(tx, 1, author=person(1))
        record(tx, 2, author=person(2))
        record(tx, 3, author=person(3))
        tx.name_contact(INSTANCE, person(1), "Anna K")
        tx.name_contact(INSTANCE, person(2), "")
        tx.record_name(INSTANCE, person(1), "Anna")

    await account.write(work)
    found = await account.read(
        lambda reader: reader.statuses(INSTANCE, outgoing=False, since_ms=0, contacts_only=True)
    )
    assert [(one.author, one.author_name, one.author_contact_name) for one in found] == [
        (person(1), "Anna", "Anna K")
    ]


async def test_a_status_of_ours_lives_from_pending_to_read(account: Account) -> None:
    seen: list[tuple[Progress, int]] = []

    def step(status: Status | None) -> None:
        assert status is not None
        seen.append((status.progress, status.last_action_ms - NOON_MS))

    made = await account.write(accept)
    step(made)
    step(await account.write(lambda tx: tx.mark_sent(INSTANCE, made.no, "W", NOON_MS + 10)))
    await account.receive(Receipt("W", person(5), Progress.DELIVERED, NOON_MS + 20))
    step(await account.status(made.status_id))
    await account.receive(Receipt("W", person(5), Progress.READ, NOON_MS + 30))
    step(await account.status(made.status_id))
    assert seen == [
        (Progress.PENDING, 1),
        (Progress.SENT, 10),
        (Progress.DELIVERED, 20),
        (Progress.READ, 30),
    ]


async def test_an_acknowledgement_counts_once(account: Account) -> None:
    made = await account.write(accept)
    first = await account.write(lambda tx: tx.mark_sent(INSTANCE, made.no, "W", NOON_MS + 10))
    again = await account.write(lambda tx: tx.mark_sent(INSTANCE, made.no, "V", NOON_MS + 20))
    failed = await account.write(lambda tx: tx.mark_failed(INSTANCE, made.no, REFUSED, NOON_MS))
    assert first is not None
    assert first.wire_id == "W"
    assert first == again == failed


async def test_a_failure_keeps_its_reason(account: Account) -> None:
    made = await account.write(accept)
    failed = await account.write(
        lambda tx: tx.mark_failed(INSTANCE, made.no, REFUSED, NOON_MS + 7)
    )
    other = Failure(FailureReason.ENGINE_ERROR, "later")
    again = await account.write(
        lambda tx: tx.mark_failed(INSTANCE, made.no, other, NOON_MS + 8)
    )
    assert failed is not None
    assert (failed.progress, failed.failed_ms, failed.failure) == (
        Progress.FAILED,
        NOON_MS + 7,
        REFUSED,
    )
    assert again == failed


async def test_a_status_thought_failed_may_turn_out_sent(account: Account) -> None:
    made = await account.write(accept)
    await account.write(lambda tx: tx.mark_failed(INSTANCE, made.no, REFUSED, NOON_MS + 7))
    sent = await account.write(lambda tx: tx.mark_sent(INSTANCE, made.no, "W", NOON_MS + 9))
    assert sent is not None
    assert (sent.progress, sent.failure, sent.failed_ms) == (Progress.SENT, None, None)


async def test_marking_what_is_gone_reports_it(account: Account) -> None:
    assert await account.write(lambda tx: tx.mark_sent(INSTANCE, 99, "W", NOON_MS)) is None
    assert await account.write(lambda tx: tx.mark_failed(INSTANCE, 99, REFUSED, 1)) is None


async def test_our_own_status_coming_back_early_is_taken_for_ours(account: Account) -> None:
    made = await account.write(accept)
    await account.write(lambda tx: record(tx, 2, author=None, wire_id="W", status_id="W"))
    await account.receive(Receipt("W", person(5), Progress.READ, NOON_MS + 3))
    sent = await account.write(lambda tx: tx.mark_sent(INSTANCE, made.no, "W", NOON_MS + 9))
    assert sent is not None
    assert (sent.by_api, sent.reached, sent.last_receipt_ms) == (
        True,
        Progress.READ,
        NOON_MS + 3,
    )
    assert await account.status("W") is None
    assert [row.address for row in await account.recipients(made.status_id)] == [person(5)]
    late = await account.write(
        lambda tx: tx.record_status(
            INSTANCE, new_status(2, author=None, wire_id="W", status_id="W")
        )
    )
    assert late is None


async def test_a_status_of_the_phone_may_be_acknowledged_too(account: Account) -> None:
    made = await account.write(lambda tx: record(tx, 1, author=None, wire_id="W"))
    await account.receive(Receipt("W", person(5), Progress.READ, NOON_MS + 3))
    sent = await account.write(lambda tx: tx.mark_sent(INSTANCE, made.no, "W", NOON_MS + 9))
    assert sent is not None
    assert (sent.sent_ms, sent.last_receipt_ms) == (NOON_MS + 9, NOON_MS + 3)
    assert len(await account.recipients(made.status_id)) == 1


async def test_what_others_posted_is_neither_sent_nor_failed(account: Account) -> None:
    made = await account.write(record)

    def work(tx: Transaction) -> list[Status | None]:
        tx.add_recipients(INSTANCE, made.no, [person(5)])
        return [
            tx.mark_sent(INSTANCE, made.no, "W", NOON_MS),
            tx.mark_failed(INSTANCE, made.no, REFUSED, NOON_MS),
        ]

    assert await account.write(work) == [made, made]


async def test_a_deleted_status_does_not_come_back(account: Account) -> None:
    made = await account.write(record)
    gone = await account.write(
        lambda tx: tx.record_deletion(INSTANCE, made.status_id, person(1), NOON_MS)
    )
    assert gone == made
    assert await account.status(made.status_id) is None
    assert await account.write(lambda tx: tx.record_status(INSTANCE, new_status(1))) is None
    repeated = await account.write(
        lambda tx: tx.record_deletion(INSTANCE, made.status_id, person(1), NOON_MS)
    )
    assert repeated is None


async def test_a_deletion_may_come_before_its_status(account: Account) -> None:
    key = new_status(1).status_id
    await account.write(lambda tx: tx.record_deletion(INSTANCE, key, person(1), NOON_MS))
    assert await account.write(lambda tx: tx.record_status(INSTANCE, new_status(1))) is None
    other = await account.write(
        lambda tx: tx.record_status(INSTANCE, new_status(1, author=person(2)))
    )
    assert other is not None


async def test_a_status_deleted_before_its_acknowledgement_is_gone(account: Account) -> None:
    made = await account.write(accept)
    await account.write(lambda tx: tx.record_deletion(INSTANCE, "W", None, NOON_MS))
    assert await account.write(lambda tx: tx.mark_sent(INSTANCE, made.no, "W", 1)) is None
    assert await account.status(made.status_id) is None


async def test_a_status_that_still_waits_is_deleted_by_our_id(account: Account) -> None:
    made = await account.write(accept)
    gone = await account.write(
        lambda tx: tx.record_deletion(INSTANCE, made.status_id, None, NOON_MS)
    )
    assert gone == made
    assert await account.status(made.status_id) is None


async def test_a_deletion_takes_rows_and_early_receipts_along(account: Account) -> None:
    made = await account.write(lambda tx: record(tx, 1, author=None, wire_id="W"))
    await account.receive(Receipt("W", person(5), Progress.READ, NOON_MS))
    await account.write(lambda tx: tx.record_deletion(INSTANCE, "W", None, NOON_MS))
    assert await account.read(lambda reader: reader.recipients(made)) == []


async def test_numbers_of_statuses_are_never_used_again(account: Account) -> None:
    first = await account.write(record)
    await account.write(
        lambda tx: tx.record_deletion(INSTANCE, first.status_id, person(1), NOON_MS)
    )
    second = await account.write(lambda tx: record(tx, 2))
    assert second.no > first.no


async def test_our_statuses_show_the_number_they_were_sent_from(account: Account) -> None:
    made = await account.write(lambda tx: record(tx, 1, author=None))

    def unlink(tx: Transaction) -> None:
        instance = tx.instances()[0]
        tx.save_instance(type(instance)(id=instance.id, token_digest=b"", created_ms=0))

    await account.write(unlink)
    now = await account.status(made.status_id)
    assert now is not None
    assert now.author.phone == OWN.phone


async def test_a_gap_is_remembered_once_and_not_beside_its_status(account: Account) -> None:
    def work(tx: Transaction) -> None:
        for _ in range(2):
            tx.record_gap(INSTANCE, new_status(1).status_id, person(1), NOON_MS)
        record(tx, 1)
        tx.record_gap(INSTANCE, new_status(1).status_id, person(1), NOON_MS)

    await account.write(work)
    assert await account.write(lambda tx: tx.expire(NOON_MS + 1, 0, 10)) == (0, [])


async def test_a_gap_is_closed_when_it_held_no_status(account: Account) -> None:
    def work(tx: Transaction) -> None:
        tx.record_gap(INSTANCE, "LIKE", person(1), NOON_MS)
        tx.close_gap(INSTANCE, "LIKE", person(2))
        tx.record_gap(INSTANCE, "OTHER", person(1), NOON_MS)

    await account.write(work)
    await account.write(lambda tx: tx.close_gap(INSTANCE, "LIKE", person(1)))
    gone, _ = await account.write(lambda tx: tx.expire(NOON_MS + 1, 0, 10))
    assert gone == 1


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "\udfff", "\\u0000"])
async def test_what_databases_cannot_keep_is_replaced(account: Account, text: str) -> None:
    clean = (
        text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd").replace("\udfff", "\ufffd")
    )

    def work(tx: Transaction) -> None:
        tx.record_status(
            INSTANCE,
            new_status(
                1, text=text, status_id=text, wire_id=text, author=None, participants=(text,)
            ),
        )
        tx.record_receipts(INSTANCE, [Receipt(text, person(5), Progress.READ, NOON_MS)], 0)
        tx.record_receipts(INSTANCE, [Receipt(text + "!", person(5), Progress.READ, 1)], 0)
        tx.record_name(INSTANCE, person(5), text)
        tx.name_contact(INSTANCE, person(5), text)

    await account.write(work)
    status = await account.status(text)
    assert status is not None
    assert (status.text, status.status_id, status.wire_id) == (clean, clean, clean)
    assert status.participants == (clean,)
    assert status.reached is Progress.READ
    contacts = await account.read(lambda reader: reader.contacts(INSTANCE))
    assert [(one.name, one.contact_name) for one in contacts] == [(clean, clean)]


async def test_an_author_may_be_known_by_lid_alone(account: Account) -> None:
    await account.write(lambda tx: record(tx, 1, author=Address(lid="42")))
    found = await account.status(new_status(1).status_id, Address(lid="42"))
    assert found is not None
    assert found.author == Address(lid="42")
