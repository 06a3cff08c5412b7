"""Receipts of viewers without engines, in every form in which they may come."""

from __future__ import annotations

import pytest

from tests.waiting import until
from tests.whatsapp.client import Addressing, FakeWhatsApp, people
from tests.whatsapp.engines import RawEngine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rules")]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("", "DELIVERED"),
        ("inactive", "INACTIVE"),
        ("read", "READ"),
        ("played", "PLAYED"),
        ("sender", "SENDER"),
        ("read-self", "READ_SELF"),
    ],
)
def test_every_kind_of_receipt_reaches_the_author(
    fake: FakeWhatsApp, author: RawEngine, kind: str, shown: str
) -> None:
    (person,) = people(600_000, 1)
    fake.receipts(author.jid, f"ID-{shown}", [person], kind, at=1_700_000_000)  # type: ignore[arg-type]
    found = author.receipt(f"ID-{shown}", shown, person.phone)
    assert found["Timestamp"] == "1700000000"


@pytest.mark.parametrize("by", ["pn", "lid"])
@pytest.mark.parametrize("both", [True, False])
def test_a_viewer_is_told_by_one_address_or_by_both(
    fake: FakeWhatsApp, author: RawEngine, by: Addressing, both: bool
) -> None:
    (person,) = people(600_100, 1)
    identifier = f"BY-{by}-{both}"
    fake.receipts(author.jid, identifier, [person], "read", by=by, both=both)
    first, second = (person.phone, person.lid) if by == "pn" else (person.lid, person.phone)
    source = author.receipt(identifier, "READ", first)["MessageSource"]
    assert source["SenderAlt"]["User"] == (second if both else "")


def test_one_receipt_may_name_many_statuses(fake: FakeWhatsApp, author: RawEngine) -> None:
    fake.receipts(author.jid, ["MANY-1", "MANY-2", "MANY-3"], people(600_200, 1), "read")
    assert author.receipt("MANY-2", "READ")["MessageIDs"] == ["MANY-1", "MANY-2", "MANY-3"]


def test_one_stanza_may_hold_many_viewers(fake: FakeWhatsApp, author: RawEngine) -> None:
    viewers = people(600_300, 20)
    assert fake.receipts(author.jid, "GROUPED", viewers, "read", grouped=True) == 20
    for person in viewers:
        author.receipt("GROUPED", "READ", person.phone)


def test_ten_thousand_viewers_at_once(fake: FakeWhatsApp, author: RawEngine) -> None:
    viewers = people(700_000, 10_000)
    assert fake.receipts(author.jid, "BURST", viewers, "read") == 10_000

    def seen() -> bool:
        found = author.found("ReceiptEv", lambda data: "BURST" in data["MessageIDs"])
        users = {each["data"]["MessageSource"]["Sender"]["User"] for each in found}
        return users == {person.phone for person in viewers}

    until(lambda: (fake.device(author.jid) or {})["waiting"] == 0, "all acknowledged")
    until(seen, "all seen")


def test_receipts_may_overtake_the_answer_to_the_post(
    fake: FakeWhatsApp, author: RawEngine
) -> None:
    author.know()
    (person,) = people(600_400, 1)
    fake.fault("early_receipt", author.jid, times=1, viewers=[person.address()], kind="read")
    before = len(fake.history())
    sent = author.post("early")
    author.receipt(sent, "READ", person.phone)
    events = [
        record["event"]
        for record in fake.history(before)
        if record["event"] == "sent" or record.get("node", {}).get("tag") == "message"
    ]
    assert events[:2] == ["received", "sent"]


def test_receipts_come_twice_and_shuffled(fake: FakeWhatsApp, author: RawEngine) -> None:
    (person,) = people(600_500, 1)
    fake.fault("duplicate", author.jid, copies=3)
    fake.receipts(author.jid, "TWICE", [person], "read")
    until(
        lambda: len(author.found("ReceiptEv", lambda data: "TWICE" in data["MessageIDs"])) == 3
    )
    fake.clear_faults()
    fake.fault("reorder", author.jid, count=6, seed=1)
    for n in range(6):
        fake.receipts(author.jid, f"ORDER-{n}", [person], "read")

    def order() -> list[str]:
        found = author.found("ReceiptEv", lambda data: "ORDER" in data["MessageIDs"][0])
        return [each["data"]["MessageIDs"][0] for each in found]

    until(lambda: len(order()) == 6)
    assert sorted(order()) == [f"ORDER-{n}" for n in range(6)]
    assert order() != sorted(order())


def test_hostile_names_arrive_whole(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    name = "\x00\x1b[31m" + "n" * 1_000_000
    fake.fault("notify", author.jid, text=name)
    author.know(viewer.person)
    assert viewer.message(author.post("hostile name"))["Info"]["Pushname"] == name
