"""Exports: everything once, in order, in pages of any size, whatever happens meanwhile."""

import asyncio
import csv
import json
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statusgate.domain.address import Address
from statusgate.domain.clock import SystemClock
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.history import exporting
from statusgate.history.exporting import Exports
from statusgate.journal import Journal, Transaction, open_journal
from statusgate.journal.journal import READERS
from statusgate.wire.requests import ExportRequest
from tests.databases import Account, new_instance
from tests.factories import INSTANCE, new_status, person

KINDS = ("statuses", "receipts", "reactions", "replies")
STATUSES = 5
VIEWERS = 7
NOW_MS = SystemClock().now_ms()
HEARTS = ("💚", "👍", "")


def hidden(number: int) -> Address:
    """Somebody of whom only the LID is known."""
    return Address(lid=f"5{number:07d}")


def fill(tx: Transaction) -> None:
    """Statuses of ours and of others, some at the same time, with what belongs to them."""
    for number in range(STATUSES):
        at_ms = NOW_MS - 60_000 + number // 2
        tx.record_status(
            INSTANCE, new_status(number, author=None, posted_ms=at_ms, sent_ms=at_ms)
        )
        tx.record_status(
            INSTANCE, new_status(100 + number, author=person(number), posted_ms=at_ms)
        )
    for number in range(STATUSES - 1):  # the last one has nobody
        wire_id = new_status(number).wire_id or ""
        viewers = [
            person(viewer) if viewer % 2 else hidden(viewer) for viewer in range(VIEWERS)
        ]
        receipts = [
            Receipt(wire_id, viewer, Progress.READ, NOW_MS + no // 4, HEARTS[no % 3])
            if no % 2
            else Receipt(wire_id, viewer, Progress.DELIVERED, NOW_MS + no)
            for no, viewer in enumerate(viewers)
        ]
        tx.record_receipts(INSTANCE, receipts, NOW_MS)
        for no, viewer in enumerate(viewers):
            reply = Reply(
                wire_id=wire_id,
                viewer=viewer,
                reply_id=f"R{no}",
                kind=ReplyKind.TEXT,
                text=f"text {no}",
                at_ms=NOW_MS + no // 2,
            )
            tx.record_reply(INSTANCE, reply, NOW_MS)


def exports(journal: Journal, *, contacts_only: bool = False) -> Exports:
    return Exports(
        journal,
        SystemClock(),
        public_url="https://example.org",
        retention_days=30,
        contacts_only=contacts_only,
    )


async def pieces(journal: Journal, what: str, **more: Any) -> AsyncIterator[bytes]:
    request = ExportRequest(what=what, format="jsonl", **more)  # type: ignore[arg-type]
    async for piece in exports(journal).pages(new_instance(), request):
        yield piece


async def rows(journal: Journal, what: str, **more: Any) -> list[Any]:
    raw = b"".join([piece async for piece in pieces(journal, what, **more)])
    return [json.loads(line) for line in raw.splitlines()]


@pytest.fixture
async def filled(account: Account) -> Journal:
    await account.write(fill)
    return account.journal


@pytest.mark.parametrize("what", KINDS)
async def test_pages_of_any_size_make_the_same_export(
    filled: Journal, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    whole = await rows(filled, what)
    many = {
        "statuses": 2 * STATUSES,
        "receipts": (STATUSES - 1) * VIEWERS,
        "reactions": (STATUSES - 1) * 2,
        "replies": (STATUSES - 1) * VIEWERS,
    }
    assert len(whole) == many[what]
    assert [row["postedAt"] for row in whole] == sorted(row["postedAt"] for row in whole)
    for page, look in ((1, 1), (2, 3), (VIEWERS, 2)):
        monkeypatch.setattr(exporting, "PAGE", page)
        monkeypatch.setattr(exporting, "LOOK", look)
        again = await rows(filled, what)
        assert len(again) == len(whole)
        assert sorted(map(str, again)) == sorted(map(str, whole))
        assert [row["idMessage"] for row in again] == [row["idMessage"] for row in whole]


async def test_the_oldest_reply_to_a_status_comes_first(filled: Journal) -> None:
    replies = await rows(filled, "replies")
    of_one = [row for row in replies if row["idMessage"] == replies[0]["idMessage"]]
    assert [row["replyId"] for row in of_one] == [f"R{number}" for number in range(VIEWERS)]


async def test_an_export_goes_on_from_the_time_of_any_row(filled: Journal) -> None:
    for what in KINDS:
        whole = await rows(filled, what)
        for cut in range(len(whole)):
            rest = await rows(filled, what, since=whole[cut]["postedAt"])
            assert rest[-len(whole) + cut :] == whole[cut:]


async def test_only_statuses_of_the_time_asked_for_count(filled: Journal) -> None:
    at = (NOW_MS - 60_000) // 1000
    for what in KINDS:
        whole = await rows(filled, what)
        assert await rows(filled, what, minutes=600) == whole  # this file was read long ago
        assert await rows(filled, what, since=at + 1) == [
            row for row in whole if row["postedAt"] > at
        ]
        assert await rows(filled, what, since=0, until=at) == []
        assert await rows(filled, what, until=at + 3) == whole


async def test_what_the_retention_no_longer_covers_is_left_out(account: Account) -> None:
    day = 86_400_000

    def work(tx: Transaction) -> None:
        for number, days in enumerate((31, 29)):
            status = new_status(number, author=None, posted_ms=NOW_MS - days * day)
            tx.record_status(INSTANCE, status)

    await account.write(work)
    assert len(await rows(account.journal, "statuses", since=0)) == 1
    assert len(await rows(account.journal, "statuses", minutes=10**9)) == 1
    assert await rows(account.journal, "statuses") == []


async def test_incoming_statuses_are_those_that_the_journal_shows(filled: Journal) -> None:
    request = ExportRequest(format="csv")
    export = exports(filled, contacts_only=True).pages(new_instance(), request)
    text = b"".join([piece async for piece in export]).decode()
    found = list(csv.DictReader(text.splitlines()))
    assert len(found) == STATUSES
    assert {row["type"] for row in found} == {"outgoing"}


async def test_the_account_is_no_recipient_of_its_own(filled: Journal) -> None:
    me = new_instance(lid=hidden(2).lid)  # learned after the receipt came
    assert hidden(2).chat_id in {row["participant"] for row in await rows(filled, "receipts")}
    request = ExportRequest(what="receipts")
    export = b"".join([piece async for piece in exports(filled).pages(me, request)])
    assert hidden(2).chat_id not in export.decode()
    assert hidden(4).chat_id in export.decode()


async def test_a_page_of_nothing_but_the_header_is_an_export_too(account: Account) -> None:
    for what in KINDS:
        assert await rows(account.journal, what) == []
        request = ExportRequest(what=what)  # type: ignore[arg-type]
        found = [one async for one in exports(account.journal).pages(new_instance(), request)]
        assert len(found) == 1
        assert found[0].startswith(b"postedAt,")
        assert found[0].endswith(b"\r\n")


async def test_exports_and_other_reads_do_not_wait_for_each_other(lasting_url: str) -> None:
    journal, leave = open_journal(lasting_url), threading.Event()

    def stay(_: Transaction) -> None:
        leave.wait(60)

    try:
        reads = [asyncio.create_task(journal.read(stay)) for _ in range(READERS)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(journal.scan(lambda _: "scanned"), 30) == "scanned"
        leave.set()
        await asyncio.gather(*reads)
        leave.clear()
        scan = asyncio.create_task(journal.scan(stay))
        await asyncio.sleep(0)
        assert await asyncio.wait_for(journal.read(lambda _: "read"), 30) == "read"
        leave.set()
        await scan
    finally:
        leave.set()
        await journal.close()


class Meanwhile:
    """What happens between two pages."""

    def __init__(self, journal: Journal, steps: list[int]) -> None:
        self._journal = journal
        self._steps = iter(steps)
        self.same: dict[str, str] = {}
        """who turned out to be whom"""

    async def step(self) -> None:
        number = next(self._steps, None)
        if number is None:
            return
        lid, phone = hidden(number), person(50 + number)

        def work(tx: Transaction) -> None:
            tx.learn_identity(INSTANCE, Address(phone=phone.phone, lid=lid.lid))
            tx.record_status(INSTANCE, new_status(300 + number, author=None, posted_ms=NOW_MS))
            again = Receipt(
                new_status(number % 3).wire_id or "", phone, Progress.READ, NOW_MS, "👍"
            )
            tx.record_receipts(INSTANCE, [again], NOW_MS)
            if number == VIEWERS - 1:
                tx.record_deletion(INSTANCE, new_status(1).wire_id or "", None, NOW_MS)

        await self._journal.write(INSTANCE, work)
        self.same[lid.chat_id] = phone.chat_id


def facts(lines: Iterable[Any]) -> set[tuple[str, str, str]]:
    """What rows are about: a status, a person, and which reply."""
    return {(one["idMessage"], one["participant"], one.get("replyId", "")) for one in lines}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    what=st.sampled_from(["receipts", "reactions", "replies"]),
    people=st.permutations(range(VIEWERS)),
    steps=st.lists(st.integers(0, VIEWERS - 1), unique=True),
    page=st.integers(1, 4),
)
def test_nothing_is_missed_while_people_and_statuses_change(
    what: str, people: list[int], steps: list[int], page: int
) -> None:
    """Phones and LIDs of the same people are met in any order, and learned to be the same."""

    async def scenario() -> None:
        journal = open_journal("sqlite:///:memory:")
        try:
            await journal.write(None, lambda tx: tx.create_instance(new_instance()))

            def work(tx: Transaction) -> None:
                for number in people:
                    tx.record_name(INSTANCE, person(50 + number), "met")
                fill(tx)

            await journal.write(INSTANCE, work)
            before = facts(await rows(journal, what))
            meanwhile, found = Meanwhile(journal, steps), list[Any]()
            async for piece in pieces(journal, what):
                found += map(json.loads, piece.splitlines())
                await meanwhile.step()
            kept = {one["idMessage"] for one in await rows(journal, "statuses")}
            for status, who, reply in before:
                either = {(status, who, reply), (status, meanwhile.same.get(who, who), reply)}
                assert status not in kept or either & facts(found)
        finally:
            await journal.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "PAGE", page)
        patch.setattr(exporting, "LOOK", 1)
        asyncio.run(scenario())
