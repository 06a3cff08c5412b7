"""The gateway and Baileys, an independent client, on our WhatsApp server: both directions."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from interop.baileys import Baileys
from statusgate.domain.ids import InstanceId
from statusgate.domain.reply import Reply
from statusgate.journal import Transaction
from tests.acceptance.test_four_kinds import FILES, KINDS, SAMPLES, publish, received
from tests.acceptance.test_whole_gateway import Account, Running, make_account
from tests.waiting import until
from tests.whatsapp.client import Addressing, FakeWhatsApp, Person, people

FONTS = {"SERIF": 1, "NORICAN_REGULAR": 2, "OSWALD_HEAVY": 5}


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWhatsApp]:
    with FakeWhatsApp(tmp_path_factory.mktemp("whatsapp")) as server:
        server.quick_pairing()
        yield server


@pytest.fixture(autouse=True)
def lawful(fake: FakeWhatsApp) -> Iterator[None]:
    """Neither client breaks a rule of the protocol in any of these exchanges."""
    yield
    fake.require_lawful()


@pytest.fixture(scope="session")
def other(fake: FakeWhatsApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Baileys]:
    """A contact of the gateway's account."""
    yield from _paired(Baileys(fake, tmp_path_factory.mktemp("other")), people(2, 1)[0], 1)


@pytest.fixture(scope="session")
def mine(
    fake: FakeWhatsApp, other: Baileys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """The gateway's account."""
    folder = tmp_path_factory.mktemp("gateway")
    with Running(fake, folder) as running:
        account = make_account(running, people(1, 1)[0])
        account.link(fake, [other.person])
        until(lambda: account.contacts().get(_chat(other.person)), "the contact")
        account.client.account.setSettings({"delaySendMessagesMilliseconds": 500})
        yield account


@pytest.fixture(scope="session")
def phone(
    fake: FakeWhatsApp, mine: Account, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Baileys]:
    """The phone of the gateway's account, played by another companion of it."""
    yield from _paired(Baileys(fake, tmp_path_factory.mktemp("phone")), mine.person, 2)


def _paired(client: Baileys, person: Person, device: int) -> Iterator[Baileys]:
    try:
        client.pair(person, device, f"Push {person.phone}")
        yield client
    finally:
        client.stop()


# -- what the gateway posts


@pytest.mark.parametrize("font", FONTS)
def test_baileys_reads_our_text_with_its_colour_and_font(
    mine: Account, other: Baileys, font: str
) -> None:
    told = mine.client.statuses.sendTextStatus(f"Hello {font}", "#1e6e8C", font).data
    got = other.got(_sent(mine, told["idMessage"]))["message"]["extendedTextMessage"]
    assert (got["text"], got["backgroundArgb"]) == (f"Hello {font}", 0xFF1E6E8C)
    assert got["font"] == FONTS[font]


@pytest.mark.parametrize("kind", FILES)
def test_baileys_fetches_our_file_byte_for_byte(
    mine: Account, other: Baileys, kind: str
) -> None:
    caption = "" if kind == "voice" else f"Our {kind}"
    item = publish(mine, kind, caption)
    wire_id = _sent(mine, item["idMessage"])
    message = other.got(wire_id)["message"][KINDS[kind]]
    assert message.get("caption", "") == caption
    data = base64.b64decode(other.call("download", id=wire_id))
    assert data == requests.get(item["downloadUrl"], timeout=20).content
    assert message["fileLength"] == len(data)


def test_a_deletion_of_ours_reaches_baileys(mine: Account, other: Baileys) -> None:
    status_id = mine.post("Soon gone")
    wire_id = _sent(mine, status_id)
    other.got(wire_id)
    assert mine.client.statuses.deleteStatus(status_id).code == 200
    until(lambda: _revokes(other, wire_id), "the revoke at Baileys")


def test_baileys_asks_again_for_what_it_cannot_read_and_gets_it(
    fake: FakeWhatsApp, mine: Account, other: Baileys
) -> None:
    fake.fault("corrupt", other.jid, times=1)
    status_id = mine.post("Said twice")
    got = other.got(_sent(mine, status_id))
    assert got["message"]["extendedTextMessage"]["text"] == "Said twice"


def test_baileys_catches_up_with_what_was_posted_meanwhile(
    mine: Account, other: Baileys
) -> None:
    other.stop()
    status_id = mine.post("While you were away")
    other.restart()
    other.wait("ConnectedEv")
    assert other.got(_sent(mine, status_id))["message"]


# -- receipts of Baileys


@pytest.mark.parametrize("kind", ["read", "played"])
def test_a_view_by_baileys_is_recorded(mine: Account, other: Baileys, kind: str) -> None:
    status_id = mine.post(f"Seen: {kind}")
    wire_id = _sent(mine, status_id)
    other.got(wire_id)
    until(lambda: _view(mine, other, status_id) == "delivered", "delivery")
    other.call("view", ids=[wire_id], type=kind)
    until(lambda: _view(mine, other, status_id) == "read", "the view")


def test_one_receipt_for_several_statuses_counts_for_each(
    mine: Account, other: Baileys
) -> None:
    posted = [mine.post(f"One of three, {n}") for n in range(3)]
    ids = [_sent(mine, status_id) for status_id in posted]
    for wire_id in ids:
        other.got(wire_id)
    other.call("view", ids=ids)
    for status_id in posted:
        until(lambda one=status_id: _view(mine, other, one) == "read", "the view")  # type: ignore[misc]


# -- what Baileys makes of our statuses


def test_a_like_by_baileys_is_recorded_until_it_is_taken_back(
    mine: Account, other: Baileys
) -> None:
    status_id = mine.post("Like this")
    wire_id = _sent(mine, status_id)
    other.got(wire_id)
    author = mine.person.address()
    for emoji, shown in (("💚", "💚"), ("👍", "👍"), ("", None)):
        other.send("react", mine.person, id=wire_id, author=author, emoji=emoji)
        until(
            lambda emoji=shown: mine.row(other.person, status_id)["reaction"] == emoji,  # type: ignore[misc]
            f"the reaction {shown}",
        )
    assert _view(mine, other, status_id) == "read"


@pytest.mark.parametrize("by", ["pn", "lid"])
def test_a_reply_by_baileys_is_recorded_and_what_else_it_writes_is_not(
    mine: Account, other: Baileys, by: Addressing
) -> None:
    status_id = mine.post("Answer this")
    wire_id = _sent(mine, status_id)
    other.got(wire_id)
    other.send("write", mine.person, by=by, text="Between us")
    other.send("reply", mine.person, by=by, id=wire_id, text="How much?")
    until(lambda: mine.row(other.person, status_id)["repliedAt"], "the reply")
    assert [reply.text for reply in _replies(mine, status_id)] == ["How much?"]


# -- what Baileys posts


@pytest.mark.parametrize("font", FONTS)
def test_a_text_of_baileys_comes_with_its_colour_and_font(
    mine: Account, other: Baileys, font: str
) -> None:
    other.send(
        "post_text", mine.person, text=f"Hi {font}", background="#0A0B0C", font=FONTS[font]
    )
    item = received(mine, f"Hi {font}", "extendedTextMessage")
    assert item["extendedTextMessage"] == {
        "text": f"Hi {font}",
        "backgroundColor": "#0A0B0C",
        "font": font,
    }
    assert item["senderId"] == _chat(other.person)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_baileys_is_fetched_byte_for_byte(
    mine: Account, other: Baileys, kind: str
) -> None:
    content = (SAMPLES / FILES[kind]).read_bytes()
    kinds: dict[str, dict[str, Any]] = {
        "image": {"caption": "Their image"},
        "video": {"caption": "Their video", "seconds": 3},
        "voice": {"seconds": 2, "background": "#445566"},
    }
    details = kinds[kind]
    data = base64.b64encode(content).decode()
    other.send(f"post_{kind}", mine.person, data=data, **details)
    item = received(mine, details.get("caption", ""), KINDS[kind])
    assert requests.get(item["downloadUrl"], timeout=20).content == content


def test_a_round_video_note_of_baileys_is_a_video(mine: Account, other: Baileys) -> None:
    content = (SAMPLES / FILES["video"]).read_bytes()
    data = base64.b64encode(content).decode()
    posted = other.send("post_video", mine.person, data=data, seconds=3, note=True)

    def look() -> dict[str, Any] | None:
        found = [one for one in mine.incoming() if one["idMessage"] == posted]
        return found[0] if found and found[0].get("downloadUrl") else None

    item = until(look, "the video")
    assert item["typeMessage"] == KINDS["video"]
    assert requests.get(item["downloadUrl"], timeout=20).content == content


def test_a_deletion_by_baileys_is_followed_and_a_forged_one_is_not(
    fake: FakeWhatsApp, mine: Account, other: Baileys, phone: Baileys
) -> None:
    first = other.send("post_text", mine.person, text="To be withdrawn")
    second = other.send("post_text", mine.person, text="To stay")
    until(lambda: {first, second} <= _ids(mine), "both statuses")
    author = other.person.address()
    phone.send("forge_revoke", mine.person, id=second, author=author)
    other.send("revoke", mine.person, id=first)
    until(lambda: first not in _ids(mine), "the deletion")
    assert second in _ids(mine)


def test_our_view_reaches_baileys(mine: Account, other: Baileys) -> None:
    posted = other.send("post_text", mine.person, text="Look at this")
    until(lambda: posted in _ids(mine), "the status")
    mine.view(posted)
    until(lambda: _viewed(other, posted), "the view at Baileys")


def test_a_like_that_cannot_be_read_is_no_gap(
    fake: FakeWhatsApp, mine: Account, other: Baileys
) -> None:
    before = _gaps(mine)
    status_id = mine.post("Like this")
    other.got(_sent(mine, status_id))
    fake.fault("corrupt", _device(mine), times=1)
    other.send(
        "react",
        mine.person,
        id=_sent(mine, status_id),
        author=mine.person.address(),
        emoji="+",
    )
    after = other.send("post_text", mine.person, text="After the like")
    until(lambda: after in _ids(mine), "what came after the like")
    assert _gaps(mine) == before


# -- what we make of its statuses


@pytest.mark.parametrize("by", ["pn", "lid"])
def test_our_reaction_and_its_withdrawal_reach_baileys(
    mine: Account, other: Baileys, by: Addressing
) -> None:
    posted = other.send("post_text", mine.person, by=by, text="Anybody?")
    until(lambda: posted in _ids(mine), "the status")
    author = _chat(other.person)
    for emoji in ("💚", ""):
        mine.ask("POST", "sendStatusReaction", posted, chatId=author, reaction=emoji)
        until(lambda text=emoji: _reaction(other, posted) == text, f"the reaction {emoji}")  # type: ignore[misc]


def test_our_reply_reaches_baileys_with_what_it_answers(mine: Account, other: Baileys) -> None:
    posted = other.send("post_text", mine.person, text="For sale")
    until(lambda: posted in _ids(mine), "the status")
    author = _chat(other.person)
    mine.ask("POST", "sendStatusReply", posted, chatId=author, message="Still there?")
    context = until(lambda: _quoted(other, "Still there?"), "the reply")
    assert (context["stanzaId"], context["remoteJid"]) == (posted, "status@broadcast")
    assert context["participant"] == other.person.address()
    assert context["quotedMessage"]["extendedTextMessage"]["text"] == "For sale"


# -- the own phone


def test_what_baileys_posts_as_our_phone_is_ours(
    mine: Account, other: Baileys, phone: Baileys
) -> None:
    posted = phone.send("post_text", mine.person, other.person, text="From my phone")
    until(lambda: posted in {one["idMessage"] for one in mine.outgoing()}, "the status")
    other.got(posted)
    other.call("view", ids=[posted])
    until(lambda: _view(mine, other, posted) == "read", "the view")
    phone.send("revoke", mine.person, other.person, id=posted)
    until(lambda: posted not in {one["idMessage"] for one in mine.outgoing()}, "the deletion")


def test_names_from_the_phone_s_address_book_arrive(
    fake: FakeWhatsApp, mine: Account, phone: Baileys
) -> None:
    (saved,) = people(50, 1)
    fake.account(saved)
    key = fake.app_state_key(mine.person)
    fake.rename(mine.person, [(saved.address(), saved.address("lid"), "Saved")])
    user = mine.person.phone
    phone.call("share_app_state_key", user=user, key_id=key["id"], key=key["key"])
    until(lambda: mine.contacts().get(_chat(saved)) == "Saved", "the name", 20)
    fake.rename(mine.person, [(saved.address(), None, "Renamed")])
    until(lambda: mine.contacts().get(_chat(saved)) == "Renamed", "the new name", 10)


# -- hidden numbers


def test_a_contact_met_by_lid_is_the_contact_saved_by_phone(
    fake: FakeWhatsApp, mine: Account, other: Baileys
) -> None:
    fake.fault("without_pn", other.jid)
    posted = other.send("post_text", mine.person, by="lid", text="By hidden number")
    until(lambda: posted in _ids(mine), "the status")
    mine.view(posted)
    until(lambda: _viewed(other, posted), "the view at Baileys")


def test_a_post_that_must_name_people_by_lid_arrives_and_its_view_counts_once(
    fake: FakeWhatsApp, mine: Account, other: Baileys
) -> None:
    fake.fault("require", _device(mine), addressing="lid")
    status_id = mine.post("By hidden number")
    wire_id = _sent(mine, status_id)
    other.got(wire_id)
    other.call("view", ids=[wire_id])
    until(lambda: _view(mine, other, status_id) == "read", "the view")
    assert not [chat for chat in mine.viewers(status_id) if chat.endswith("@lid")]


# -- helpers


def _chat(person: Person) -> str:
    return f"{person.phone}@c.us"


def _device(account: Account) -> str:
    return account.person.device(1)


def _ids(account: Account) -> set[str]:
    return {item["idMessage"] for item in account.incoming()}


def _view(account: Account, viewer: Baileys, status_id: str) -> str | None:
    return account.viewers(status_id).get(_chat(viewer.person))


def _replies(account: Account, status_id: str) -> list[Reply]:
    def read(tx: Transaction) -> list[Reply]:
        status = tx.status(InstanceId(account.id), status_id)
        return tx.replies(status) if status else []

    found: list[Reply] = account.running.run(lambda gateway: gateway.journal.read(read))
    return found


def _sent(account: Account, status_id: str) -> str:
    """WhatsApp's id of a status of ours, once it is out."""
    account.until_sent(status_id)
    found = account.running.run(
        lambda gateway: gateway.journal.read(
            lambda tx: tx.status(InstanceId(account.id), status_id)
        )
    )
    return str(found.wire_id)


def _revokes(client: Baileys, wire_id: str) -> bool:
    return any(
        (message.get("protocolMessage") or {}).get("key", {}).get("id") == wire_id
        for message in _messages(client)
    )


def _messages(client: Baileys) -> list[dict[str, Any]]:
    told = [event["data"] for event in list(client.events) if event["event"] == "MessageEv"]
    return [one["message"] for one in told if one["message"]]


def _reaction(client: Baileys, status_id: str) -> str | None:
    """The latest reaction that it got for a status of its own."""
    found = [
        message["reactionMessage"]
        for message in _messages(client)
        if "reactionMessage" in message
    ]
    texts = [one["text"] for one in found if one["key"]["id"] == status_id]
    return texts[-1] if texts else None


def _quoted(client: Baileys, text: str) -> dict[str, Any] | None:
    """What a message with these words refers to."""
    found = [message.get("extendedTextMessage") or {} for message in _messages(client)]
    return next((one["contextInfo"] for one in found if one.get("text") == text), None)


def _viewed(client: Baileys, message_id: str) -> bool:
    return any(
        event["event"] == "Receipt"
        and event["data"]["id"] == message_id
        and event["data"].get("readTimestamp")
        for event in list(client.events)
    )


def _gaps(account: Account) -> float:
    text = requests.get(f"{account.running.url}/metrics", timeout=10).text
    lines = [line for line in text.splitlines() if line.startswith("statusgate_status_gaps")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if "_created" not in line)
