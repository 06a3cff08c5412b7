"""The offline queue, copies, failures to decrypt, and the rules which engines must keep."""

from __future__ import annotations

import os

import pytest

from tests.waiting import until
from tests.whatsapp.client import FakeWhatsApp, people
from tests.whatsapp.engines import RawEngine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rules")]


def acked(fake: FakeWhatsApp, device: str, message_id: str) -> int:
    """How many copies of this message the device has acknowledged."""
    records = fake.history(device=device)
    numbers = {
        each["number"]
        for each in records
        if each["event"] == "queued" and each["id"] == message_id
    }
    return sum(each["event"] == "acked" and each["number"] in numbers for each in records)


def test_statuses_wait_for_an_engine_that_is_off(
    fake: FakeWhatsApp, author: RawEngine, third: RawEngine
) -> None:
    author.know(third.person)
    third.message(author.post("before"))
    third.stop()
    until(lambda: not fake.connected(third.jid))
    sent = [author.post(f"while off {n}") for n in range(5)]
    fake.receipts(third.jid, "SOME", people(610_000, 3), "read")
    assert (fake.device(third.jid) or {})["waiting"] == 8
    before = len(fake.history())
    third.restart()
    for each in sent:
        third.message(each)
    assert third.texts() == [f"while off {n}" for n in range(5)]
    preview = third.wait("OfflineSyncPreviewEv")["data"]
    assert (preview["Total"], preview["Message"], preview["Receipts"]) == (8, 5, 3)
    assert third.wait("OfflineSyncCompletedEv")["data"]["Count"] == 8
    until(lambda: (fake.device(third.jid) or {})["waiting"] == 0)
    resent = fake.history(before, "sent", third.jid)
    assert [each["offline"] for each in resent[:8]] == [True] * 8
    assert [each["id"] for each in resent[:5]] == sent


def test_what_a_killed_engine_left_unacknowledged_comes_again(
    fake: FakeWhatsApp, author: RawEngine, third: RawEngine
) -> None:
    author.know(third.person)
    third.message(author.post("before"))
    third.kill()
    sent = author.post("meanwhile")
    third.restart()
    third.message(sent)
    until(lambda: acked(fake, third.jid, sent) == 1)


def test_a_copy_raises_no_event_but_is_acknowledged(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    author.know(viewer.person)
    viewer.message(author.post("the sender key is known now"))
    fake.fault("duplicate", viewer.jid, copies=3)
    sent = author.post("three copies")
    viewer.message(sent)
    until(lambda: acked(fake, viewer.jid, sent) == 3)
    content = [
        event
        for event in viewer.found("MessageEv", lambda data: data["Info"]["ID"] == sent)
        if "extendedTextMessage" in event["data"]["Message"]
    ]
    assert len(content) == 1


def test_statuses_in_another_order_all_arrive(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    author.know(viewer.person)
    fake.fault("reorder", viewer.jid, count=4, seed=3)
    sent = [author.post(f"shuffled {n}") for n in range(4)]
    for each in sent:
        viewer.message(each)
    shown = [text for text in viewer.texts() if text.startswith("shuffled")]
    assert sorted(shown) == [f"shuffled {n}" for n in range(4)]
    assert shown != sorted(shown)


def test_a_status_that_fails_to_decrypt_is_asked_for_again(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    author.know(viewer.person)
    fake.fault("corrupt", viewer.jid, times=1)
    sent = author.post("second try")
    found = viewer.message(sent)
    assert found["Message"]["extendedTextMessage"]["text"] == "second try"
    viewer.wait("UndecryptableMessageEv", lambda data: data["Info"]["ID"] == sent)
    author.receipt(sent, "RETRY", viewer.person.phone)
    again = [post for post in fake.posts() if post["id"] == sent and post["retry_for"]]
    assert [post["recipients"] for post in again] == [[viewer.jid]]


@pytest.mark.parametrize("kind", ["random", "no_sender_key"])
def test_an_unreadable_status_at_the_head_does_not_hold_up_the_rest(
    fake: FakeWhatsApp, author: RawEngine, third: RawEngine, kind: str
) -> None:
    author.know(third.person)
    third.message(author.post("before"))
    third.stop()
    until(lambda: not fake.connected(third.jid))
    sent = author.post("behind the unreadable one")
    bad = f"BAD{os.urandom(4).hex()}"
    (stranger,) = fake.generate_contacts(610_100 + (kind == "random"), 1)
    fake.undecryptable(third.jid, stranger.address(), bad, kind=kind, front=True)  # type: ignore[arg-type]
    third.restart()
    third.wait("ConnectedEv")
    third.message(sent, deadline=2)
    found = third.wait("UndecryptableMessageEv", lambda data: data["Info"]["ID"] == bad)
    assert found["data"].get("IsUnavailable", False) == (kind == "no_sender_key")
    until(lambda: (fake.device(third.jid) or {})["waiting"] == 0)


def test_a_receipt_for_what_was_never_sent_is_a_violation(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    viewer.call("mark_read", ids=["NEVER"], author=author.person.address())
    found = until(lambda: fake.violations(take=True))
    assert [each["rule"] for each in found] == ["receipt_for_unsent"]


def test_a_stanza_without_an_answer_is_a_violation(
    fake: FakeWhatsApp, viewer: RawEngine
) -> None:
    """Engines answer no `<presence>`; so one that waits for an answer stays unanswered."""
    fake.ack_deadline(0.3)
    attrs = {"id": "P1", "from": f"@{viewer.person.address()}", "type": "unavailable"}
    fake.push(viewer.jid, {"tag": "presence", "attrs": attrs})
    found = until(lambda: fake.violations(take=True))
    fake.ack_deadline(10)
    assert [each["rule"] for each in found] == ["missing_ack"]


def test_two_connections_of_one_device_are_a_violation(
    fake: FakeWhatsApp, guest: RawEngine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    guest.stop()
    copy = RawEngine(fake, tmp_path_factory.mktemp("copy"))
    try:
        store = (guest.directory / "store.db").read_bytes()
        (copy.directory / "store.db").write_bytes(store)
        guest.restart()
        guest.wait("ConnectedEv")
        copy.call("connect")
        copy.wait("ConnectedEv")
        guest.wait("StreamReplacedEv")
    finally:
        copy.stop()
    rules = [each["rule"] for each in fake.violations(take=True)]
    assert rules == ["two_connections"]
