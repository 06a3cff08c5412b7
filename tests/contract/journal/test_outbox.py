"""The outbox on every kind of database: what is promised in ``ports``."""

from functools import partial
from typing import Any

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId
from statusgate.domain.media import StoredFile
from statusgate.domain.outbox import (
    Draft,
    LeftOut,
    Method,
    Outgoing,
    Phase,
    Prepared,
    Publication,
)
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.status import Kind, Status
from statusgate.journal import Transaction
from tests.databases import Account, new_instance
from tests.factories import INSTANCE, NOON_MS, new_status, person

OTHER = InstanceId(1101000099)
FILE = StoredFile(
    key="0f3c9b7e-52a4-4f08-b1de-6a1d1c9be2a7",
    extension="jpg",
    mimetype="image/jpeg",
    size=9,
    created_ms=NOON_MS,
)
PREPARED = Prepared(
    file=FILE, seconds=3, width=4, height=5, thumbnail=b"\xff\xd8", waveform=b"\x00\x64"
)
PICTURE = Draft(
    method=Method.MEDIA,
    kind=Kind.IMAGE,
    text="caption",
    url="https://example.org/a.png",
    file_name="a.png",
    participants=("79000000001@c.us", "79000000001@c.us", "5@lid"),
)


def outgoing(number: int, **changes: Any) -> Outgoing:
    values: dict[str, Any] = {
        "instance_id": INSTANCE,
        "status_id": f"OUT{number}",
        "draft": Draft(text=f"text {number}", background=0x123456, font=2),
        "accepted_ms": NOON_MS + number,
        "phase": Phase.READY,
    }
    return Outgoing(**(values | changes))


def prepare(tx: Transaction) -> tuple[bool, Status | None]:
    """The file of the first one is on record, stored, and kept."""
    tx.add_file(INSTANCE, msgspec.structs.replace(FILE, expires_ms=NOON_MS + 99))
    return tx.prepare_outgoing(INSTANCE, "OUT1", PREPARED)


def join(tx: Transaction, one: Outgoing) -> Status:
    status = tx.record_status(
        INSTANCE, new_status(status_id=one.status_id, wire_id=None, author=None, by_api=True)
    )
    assert status is not None
    tx.enqueue(INSTANCE, one.status_id, status.no, NOON_MS + 86_400_000)
    return status


async def add(account: Account, *ones: Outgoing, queued: bool = True) -> list[Status]:
    def work(tx: Transaction) -> list[Status]:
        for one in ones:
            tx.add_outgoing(one)
        return [join(tx, one) for one in ones] if queued else []

    return await account.write(work)


async def test_what_goes_in_comes_out(account: Account) -> None:
    await add(account, outgoing(1, draft=PICTURE, phase=Phase.FETCHING))
    found = await account.read(lambda tx: tx.outgoing_one(INSTANCE, "OUT1"))
    assert found is not None
    assert found.draft == PICTURE
    assert (found.phase, found.queue_no, found.prepared) == (Phase.FETCHING, 1, None)
    assert found.expires_ms == NOON_MS + 86_400_000
    assert await account.read(lambda tx: tx.outgoing_one(OTHER, "OUT1")) is None


async def test_an_answer_has_its_place_in_the_queue_and_no_status(account: Account) -> None:
    draft = Draft(
        method=Method.REACTION, text="💚", participants=("79000000001@c.us",), answered_id="A1"
    )

    def answer(tx: Transaction) -> None:
        tx.add_outgoing(outgoing(2, draft=draft))
        tx.enqueue(INSTANCE, "OUT2", None, NOON_MS + 86_400_000)

    await add(account, outgoing(1))
    await account.write(answer)
    first, second = await account.read(lambda tx: tx.outgoing(INSTANCE))
    assert (first.is_answer, second.is_answer, second.is_scheduled) == (False, True, False)
    assert (second.draft, second.queue_no, second.status_no) == (draft, 2, None)
    assert await account.read(lambda tx: tx.count_outgoing(INSTANCE)) == 2
    assert await account.read(lambda tx: tx.outgoing_due(INSTANCE, 2**62, 10)) == []
    assert await account.write(lambda tx: tx.forget_outgoing(INSTANCE, "OUT2"))


async def test_the_queue_keeps_its_order_and_the_schedule_comes_behind(
    account: Account,
) -> None:
    later = [
        outgoing(n, draft=Draft(text="later", send_at_ms=NOON_MS + 10_000 - n)) for n in (7, 8)
    ]
    await add(account, *later, queued=False)
    await add(account, outgoing(3), outgoing(1), outgoing(2))

    def ids(tx: Any) -> list[str]:
        return [one.status_id for one in tx.outgoing(INSTANCE)]

    assert await account.read(ids) == ["OUT3", "OUT1", "OUT2", "OUT8", "OUT7"]
    head = await account.read(lambda tx: tx.next_outgoing(INSTANCE))
    assert head is not None
    assert head.status_id == "OUT3"
    assert await account.read(lambda tx: tx.next_send_at_ms()) == NOON_MS + 9_992
    now_ms = NOON_MS + 9_992
    assert await account.read(lambda tx: tx.instances_due(now_ms - 1)) == []
    assert await account.read(lambda tx: tx.instances_due(now_ms)) == [INSTANCE]
    due = await account.read(lambda tx: tx.outgoing_due(INSTANCE, now_ms, 10))
    assert due == ["OUT8"]
    await account.write(lambda tx: join(tx, later[1]).no)
    assert await account.read(ids) == ["OUT3", "OUT1", "OUT2", "OUT8", "OUT7"]
    assert await account.read(lambda tx: tx.outgoing_due(INSTANCE, now_ms, 10)) == []
    assert await account.read(lambda tx: tx.instances_with_outgoing()) == [INSTANCE]


async def test_a_place_is_never_given_twice(account: Account) -> None:
    await add(account, outgoing(1))
    await account.write(lambda tx: tx.forget_outgoing(INSTANCE, "OUT1"))
    await add(account, outgoing(2))
    head = await account.read(lambda tx: tx.next_outgoing(INSTANCE))
    assert head is not None
    assert head.queue_no == 2


async def test_what_the_engine_has_is_not_counted(account: Account) -> None:
    await add(account, outgoing(1), outgoing(2))
    assert await account.write(lambda tx: tx.set_phase(INSTANCE, "OUT1", Phase.SENDING))
    assert await account.read(lambda tx: tx.count_outgoing(INSTANCE)) == 1
    assert not await account.write(lambda tx: tx.set_phase(INSTANCE, "NO", Phase.SENDING))


async def test_a_file_belongs_to_its_status(account: Account) -> None:
    await add(account, outgoing(1, draft=PICTURE, phase=Phase.FETCHING))
    waiting = await account.read(lambda tx: tx.outgoing_to_prepare(INSTANCE, NOON_MS + 1, 5))
    assert [one.status_id for one in waiting] == ["OUT1"]
    assert await account.read(lambda tx: tx.instances_to_prepare(NOON_MS + 1)) == [INSTANCE]
    await account.write(lambda tx: tx.postpone_outgoing(INSTANCE, "OUT1", NOON_MS + 50))
    assert (
        await account.read(lambda tx: tx.outgoing_to_prepare(INSTANCE, NOON_MS + 49, 5)) == []
    )
    kept, status = await account.write(prepare)
    assert kept
    assert status is not None
    assert status.file == FILE
    assert status.thumbnail == PREPARED.thumbnail
    found = await account.read(lambda tx: tx.outgoing_one(INSTANCE, "OUT1"))
    assert found is not None
    assert (found.prepared, found.phase) == (PREPARED, Phase.READY)
    again = await account.write(prepare)
    assert again == (False, None)
    assert await account.read(lambda tx: tx.file(INSTANCE, FILE.key, NOON_MS)) == FILE


async def test_the_file_of_a_scheduled_one_ends_with_it(account: Account) -> None:
    draft = msgspec.structs.replace(PICTURE, send_at_ms=NOON_MS + 99_000)
    await add(account, outgoing(1, draft=draft, phase=Phase.FETCHING), queued=False)
    kept, status = await account.write(prepare)
    assert (kept, status) == (True, None)
    assert await account.read(lambda tx: tx.file(INSTANCE, FILE.key, NOON_MS)) == FILE
    assert await account.write(lambda tx: tx.forget_outgoing(INSTANCE, "OUT1"))
    assert await account.read(lambda tx: tx.file(INSTANCE, FILE.key, NOON_MS)) is None
    assert not await account.write(lambda tx: tx.forget_outgoing(INSTANCE, "OUT1"))


async def test_a_status_that_goes_takes_its_place_with_it(account: Account) -> None:
    (status,) = await add(account, outgoing(1))
    await account.write(lambda tx: tx.record_deletion(INSTANCE, "OUT1", None, NOON_MS))
    assert await account.read(lambda tx: tx.next_outgoing(INSTANCE)) is None
    assert await account.read(lambda tx: tx.publication(INSTANCE, status.no)) is None


async def test_a_publication_remembers(account: Account) -> None:
    (status,) = await add(account, outgoing(1))
    first = Publication(
        accepted_ms=NOON_MS,
        send_at_ms=NOON_MS + 5,
        file_name="a.png",
        requested=3,
        resolved=2,
        skipped=(LeftOut("self", 1, ("1@c.us",)),),
    )
    await account.write(lambda tx: tx.record_publication(INSTANCE, status.no, first))
    assert await account.read(lambda tx: tx.publication(INSTANCE, status.no)) == first
    second = msgspec.structs.replace(first, resolved=1, skipped=(), accepted_ms=1)
    await account.write(lambda tx: tx.record_publication(INSTANCE, status.no, second))
    found = await account.read(lambda tx: tx.publication(INSTANCE, status.no))
    assert found == msgspec.structs.replace(second, accepted_ms=NOON_MS)


async def test_rows_come_go_and_are_refused(account: Account) -> None:
    (status,) = await add(account, outgoing(1))
    known = await account.write(lambda tx: tx.name_contact(INSTANCE, person(1), "Anna"))
    nobody = msgspec.structs.replace(known, no=0, address=Address(lid="77"))

    def work(tx: Transaction) -> None:
        tx.add_rows(INSTANCE, status.no, [known, nobody])
        tx.add_recipients(INSTANCE, status.no, [person(2), person(3)])

    await account.write(work)
    people = await account.read(
        lambda tx: tx.known_people(INSTANCE, [person(1), Address(lid="77"), person(9)])
    )
    assert {one.chat_id: who.rank for one, who in people.items()} == {
        person(1).chat_id: 1,
        "77@lid": None,
    }
    await account.write(lambda tx: tx.mark_sent(INSTANCE, status.no, "W1", NOON_MS))
    await account.receive(Receipt("W1", person(2), Progress.DELIVERED, NOON_MS + 1))
    await account.write(
        lambda tx: tx.leave_out(INSTANCE, status.no, [person(2), Address(lid="77"), person(9)])
    )
    await account.write(lambda tx: tx.refuse(INSTANCE, status.no, [(person(3), 479)]))
    rows = {one.address: one for one in await account.recipients("OUT1")}
    assert {one: row.progress for one, row in rows.items()} == {
        person(1): Progress.SENT,
        person(2): Progress.DELIVERED,
        person(3): Progress.FAILED,
    }
    assert rows[person(3)].refused == 479


async def test_the_first_look_counts(account: Account) -> None:
    status = await account.write(lambda tx: tx.record_status(INSTANCE, new_status(1)))
    assert status is not None
    for at_ms in (NOON_MS + 1, NOON_MS + 2):
        seen = await account.write(partial(_mark_viewed, status.no, at_ms))
        assert seen is not None
        assert seen.viewed_ms == NOON_MS + 1


def _mark_viewed(status_no: int, at_ms: int, tx: Transaction) -> Status | None:
    return tx.mark_viewed(INSTANCE, status_no, at_ms)


async def test_a_deleted_instance_leaves_nothing(account: Account) -> None:
    await add(account, outgoing(1))
    await add(account, outgoing(2), queued=False)
    await account.write(lambda tx: tx.save_instance(new_instance(deleted_ms=NOON_MS)))
    while (await account.write(lambda tx: tx.purge_instance(INSTANCE, 2)))[0]:
        pass
    assert await account.read(lambda tx: tx.instances_with_outgoing()) == []
