"""A second real engine as the account's phone: own statuses, own deletions, history."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.whatsapp.client import FakeWhatsApp, people
from tests.whatsapp.engines import RawEngine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rules")]


@pytest.fixture(scope="module")
def phone(
    fake: FakeWhatsApp, author: RawEngine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RawEngine]:
    engine = RawEngine(fake, tmp_path_factory.mktemp("phone"))
    try:
        engine.pair(author.person, device=2)
        yield engine
        engine.call("logout")
    finally:
        engine.stop()


def test_a_status_of_the_own_phone_arrives_as_own(
    author: RawEngine, viewer: RawEngine, phone: RawEngine
) -> None:
    phone.know(viewer.person)
    sent = phone.post("from the phone")
    source = author.message(sent)["Info"]["MessageSource"]
    assert source["IsFromMe"]
    assert (source["Sender"]["User"], source["Sender"]["Device"]) == (author.person.phone, 2)
    viewer.message(sent)
    phone.receipt(sent, "SENDER", author.person.phone)


def test_own_posts_do_not_come_back(
    author: RawEngine, viewer: RawEngine, phone: RawEngine
) -> None:
    author.know(viewer.person)
    sent = author.post("from the gateway")
    phone.message(sent)
    viewer.message(sent)
    assert author.found("MessageEv", lambda data: data["Info"]["ID"] == sent) == []


def test_receipts_for_the_phones_statuses_reach_the_other_companion(
    author: RawEngine, viewer: RawEngine, phone: RawEngine
) -> None:
    phone.know(viewer.person)
    sent = phone.post("who sees it")
    viewer.message(sent)
    viewer.call("mark_read", ids=[sent], author=author.person.address())
    author.receipt(sent, "READ", viewer.person.phone)
    phone.receipt(sent, "READ", viewer.person.phone)


def test_a_deletion_on_the_phone_arrives(
    author: RawEngine, viewer: RawEngine, phone: RawEngine
) -> None:
    phone.know(viewer.person)
    sent = phone.post("deleted on the phone")
    author.message(sent)
    revoke = phone.call("revoke", user=author.person.phone, message_id=sent)["id"]
    protocol = author.message(revoke)["Message"]["protocolMessage"]
    assert (protocol["type"], protocol["key"]["ID"]) == ("REVOKE", sent)


def test_the_phone_tells_of_older_statuses(author: RawEngine, phone: RawEngine) -> None:
    (friend,) = people(630_000, 1)
    phone.call(
        "send_history",
        user=author.person.phone,
        texts=["old one", "older one"],
        author=friend.address(),
    )
    found = author.wait("HistorySyncEv")["data"]["Data"]
    assert found["syncType"] == "INITIAL_STATUS_V3"
    texts = [each["message"]["conversation"] for each in found["statusV3Messages"]]
    assert texts == ["old one", "older one"]
