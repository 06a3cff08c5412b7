"""Statuses from one real engine to another: every field, every byte, and who gets them."""

from __future__ import annotations

import base64
import os

import pytest

from tests.waiting import until
from tests.whatsapp.client import FakeWhatsApp, people
from tests.whatsapp.conftest import NewPerson
from tests.whatsapp.engines import EngineError, RawEngine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rules")]


def recipients(fake: FakeWhatsApp, message_id: str) -> list[str]:
    return next(list(p["recipients"]) for p in fake.posts() if p["id"] == message_id)


def test_a_text_arrives_with_all_its_fields(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    author.know(viewer.person)
    text = "Привет \N{WAVING HAND SIGN} שלום\n" + "x" * 400
    sent = author.post(text, background=0xFF0A0B0C, font=6)
    found = viewer.message(sent)
    shown = found["Message"]["extendedTextMessage"]
    assert (shown["text"], shown["backgroundArgb"]) == (text, 0xFF0A0B0C)
    assert (shown["textArgb"], shown["font"]) == (0xFFFFFFFF, "SYSTEM_BOLD")
    source = found["Info"]["MessageSource"]
    assert source["Sender"]["User"] == author.person.phone
    assert source["SenderAlt"]["User"] == author.person.lid
    assert (source["IsFromMe"], found["Info"]["Pushname"]) == (False, "Author")
    assert recipients(fake, sent) == [
        viewer.person.address(),
        viewer.person.device(1),
        author.person.address(),
    ]
    assert author.receipt(sent, "INACTIVE")["MessageSource"]["Sender"]["Device"] == 1


def test_seen_and_played_reach_the_author(author: RawEngine, viewer: RawEngine) -> None:
    author.know(viewer.person)
    sent = author.post("seen")
    viewer.message(sent)
    for kind in ("READ", "PLAYED"):
        viewer.call("mark_read", ids=[sent], author=author.person.address(), kind=kind)
        found = author.receipt(sent, kind, viewer.person.phone)
        assert found["MessageSource"]["Chat"]["User"] == "status"


def test_an_audience_by_hidden_number_sees_the_author_by_his(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    author.know(viewer.person, by="lid")
    sent = author.post("to a hidden number")
    source = viewer.message(sent)["Info"]["MessageSource"]
    assert source["Sender"]["User"] == author.person.lid
    assert source["SenderAlt"]["User"] == author.person.phone
    assert viewer.person.address("lid") in recipients(fake, sent)
    author.receipt(sent, "INACTIVE", viewer.person.lid)


def test_a_private_message_shows_both_addresses_of_its_sender(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    sent = author.call("write", user=viewer.person.phone, text="between us")["id"]
    source = viewer.message(sent)["Info"]["MessageSource"]
    assert source["Chat"]["User"] == source["Sender"]["User"] == author.person.lid
    assert source["SenderAlt"]["User"] == author.person.phone
    assert not source["IsGroup"]
    addresses = {author.person.address("lid"), viewer.person.address("lid")}
    assert {one for one in recipients(fake, sent) if ":" not in one} == addresses


def test_nobody_else_gets_it(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine, third: RawEngine
) -> None:
    author.know(third.person)
    hidden = author.post("only for the third")
    third.message(hidden)
    author.know(viewer.person)
    viewer.message(author.post("for the viewer"))
    assert viewer.found("MessageEv", lambda data: data["Info"]["ID"] == hidden) == []


@pytest.mark.parametrize(("privacy", "gets_it"), [("whitelist", True), ("blacklist", False)])
def test_the_privacy_list_of_the_phone_decides(
    fake: FakeWhatsApp,
    third: RawEngine,
    viewer: RawEngine,
    new_person: NewPerson,
    privacy: str,
    gets_it: bool,
) -> None:
    other = new_person()
    fake.account(other)
    third.know(viewer.person, other)
    fake.account(third.person, privacy=privacy, listed=[viewer.person.address()])  # type: ignore[arg-type]
    told = recipients(fake, third.post("by privacy"))
    fake.account(third.person, privacy="contacts")
    assert (viewer.person.address() in told, other.address() in told) == (gets_it, not gets_it)


def test_an_image_is_moved_byte_for_byte(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    author.know(viewer.person)
    data = os.urandom(70_000)
    sent = author.post_file("image", data, caption="caption")
    found = viewer.message(sent)
    assert found["Info"]["Type"] == "media"
    assert found["Message"]["imageMessage"]["caption"] == "caption"
    assert base64.b64decode(viewer.call("download", raw=found["raw"])) == data
    fake.fault("media", times=1, method="GET", flip=100)
    with pytest.raises(EngineError):
        viewer.call("download", raw=found["raw"])


def test_a_voice_is_moved_byte_for_byte(author: RawEngine, viewer: RawEngine) -> None:
    author.know(viewer.person)
    data = os.urandom(5000)
    found = viewer.message(author.post_file("voice", data, seconds=5))
    audio = found["Message"]["audioMessage"]
    assert (audio["PTT"], audio["seconds"], found["Info"]["MediaType"]) == (True, 5, "ptt")
    assert base64.b64decode(audio["waveform"]) == bytes(range(64))
    assert base64.b64decode(viewer.call("download", raw=found["raw"])) == data


@pytest.mark.parametrize("status", [404, 410])
def test_an_expired_file_cannot_be_downloaded(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine, status: int
) -> None:
    author.know(viewer.person)
    found = viewer.message(author.post_file("image", b"expired", caption=""))
    fake.fault("media", method="GET", status=status)
    with pytest.raises(EngineError, match=str(status)):
        viewer.call("download", raw=found["raw"])


def test_a_deletion_reaches_the_viewer(author: RawEngine, viewer: RawEngine) -> None:
    author.know(viewer.person)
    sent = author.post("soon gone")
    viewer.message(sent)
    revoke = author.call("revoke", user=author.person.phone, message_id=sent)["id"]
    found = viewer.message(revoke)
    protocol = found["Message"]["protocolMessage"]
    assert (protocol["type"], protocol["key"]["ID"]) == ("REVOKE", sent)
    assert found["Info"]["Edit"] == "7"


@pytest.mark.parametrize("code", [479, 463, 500])
def test_a_refused_post_raises_and_goes_nowhere(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine, code: int
) -> None:
    author.know(viewer.person)
    fake.fault("refuse_post", author.jid, times=1, code=code)
    with pytest.raises(EngineError, match=f"server returned error {code}"):
        author.post("refused")
    assert fake.posts()[-1]["error"] == code
    viewer.message(author.post("the next one is taken"))


def test_a_server_may_insist_on_hidden_numbers(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    fake.fault("require", author.person.address(), addressing="lid")
    author.know(viewer.person)
    with pytest.raises(EngineError, match="479"):
        author.post("by phone number")
    author.know(viewer.person, by="lid")
    viewer.message(author.post("by hidden number"))
    fake.clear_faults()
    fake.fault("require", author.person.address(), addressing="pn")
    with pytest.raises(EngineError, match="479"):
        author.post("by hidden number again")


def test_an_answer_may_come_late_or_without_a_time(
    fake: FakeWhatsApp, author: RawEngine
) -> None:
    author.know()
    fake.fault("ack_no_t", author.jid, times=1)
    assert author.call("post_text", text="no time")["timestamp"] < 0
    fake.fault("ack_delay", author.jid, times=1, ms=600)
    late = author.begin("post_text", text="late")
    with pytest.raises(AssertionError):
        author.result(late, deadline=0.3)
    fake.fault("clock", author.jid, offset_s=-7200)
    found = author.result(late)
    hours = (author.call("post_text", text="x")["timestamp"] - found["timestamp"]) / 3600
    assert round(hours) == -2


def test_a_post_without_an_answer_is_sent_again_after_a_reconnect(
    fake: FakeWhatsApp, third: RawEngine
) -> None:
    """Until then it also keeps every later post waiting."""
    third.know()
    before = len(fake.posts())
    fake.fault("ack_never", third.jid, times=1)
    first = third.begin("post_text", text="no answer")
    until(lambda: fake.posts(before))
    second = third.begin("post_text", text="behind it")
    with pytest.raises(AssertionError, match="no answer"):
        third.result(second, deadline=1.0)
    fake.drop(third.jid, "close")
    ids = [third.result(first)["id"], third.result(second)["id"]]
    assert [post["id"] for post in fake.posts(before, third.jid)] == [ids[0], *ids]


def test_people_without_devices_or_keys_are_left_out(
    fake: FakeWhatsApp, third: RawEngine, new_person: NewPerson
) -> None:
    one, other = new_person(), new_person()
    fake.account(one)
    fake.account(other)
    third.know(one)
    fake.fault("no_prekeys", one.address())
    assert one.address() not in recipients(fake, third.post("no keys"))
    third.know(other)
    fake.fault("usync_empty", third.jid)
    assert other.address() not in recipients(fake, third.post("no devices"))


def test_people_are_found_by_number(
    fake: FakeWhatsApp, author: RawEngine, new_person: NewPerson
) -> None:
    other = new_person()
    fake.account(other)
    assert author.call("lid_of", phone=other.phone) == ""
    author.call("user_info", phone=other.phone)
    assert author.call("lid_of", phone=other.phone) == other.lid
    found = author.call("on_whatsapp", phones=[other.phone, "79111111111"])
    assert [each.get("IsIn", False) for each in found] == [True, False]


def test_a_thousand_contacts_without_engines_are_posted_to_in_seconds(
    fake: FakeWhatsApp, third: RawEngine
) -> None:
    contacts = fake.generate_contacts(500_000, 1000)
    third.know(*contacts)
    sent = str(third.call("post_text", text="to all", deadline=30)["id"])
    told = recipients(fake, sent)
    assert {person.address() for person in people(500_000, 1000)} <= set(told)


def test_a_companion_that_comes_later_gets_what_is_posted_then(
    fake: FakeWhatsApp, author: RawEngine, third: RawEngine, second: RawEngine
) -> None:
    author.know(third.person)
    third.message(author.post("for one companion"))
    second.pair(third.person, device=2)
    second.message(author.post("for two companions"))
    second.call("logout")
    until(lambda: fake.device(third.person.device(2)) is None)
    sent = author.post("for one again")
    third.message(sent)
    assert third.person.device(2) not in recipients(fake, sent)
