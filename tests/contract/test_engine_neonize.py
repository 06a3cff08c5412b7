"""The real engine end to end: the unmodified library on our own WhatsApp server."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.errors import EngineUnavailable, MediaUnavailable
from statusgate.domain.events import (
    ContactsChanged,
    EngineState,
    LinkingEnded,
    Paired,
    QrCode,
    StatusDeleted,
    StatusReceipt,
    StatusReceived,
)
from statusgate.domain.post import Skipped, StatusPost
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind
from tests.contract.test_engine_neonize_support import (
    FAST,
    Account,
    account,
    both_sizes,
    by_phone,
    strangers,
    text,
    whole,
)
from tests.waiting import eventually
from tests.whatsapp.client import FakeWhatsApp

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("lawful"),
]

PREVIEW = b"\xff\xd8\xff\xe0 a small picture"


@pytest_asyncio.fixture(loop_scope="module")
async def friends(anna: Account, boris: Account) -> AsyncIterator[tuple[Account, Account]]:
    """Two accounts that have each other in their address books, and heard nothing yet."""
    anna.know(boris.person)
    boris.know(anna.person)
    await eventually(lambda: anna.knows() and boris.knows())
    anna.heard.clear()
    boris.heard.clear()
    yield anna, boris


# -- linking


async def test_pairing_by_qr_code_links_the_account(fake: FakeWhatsApp, tmp_path: Path) -> None:
    me, friend = strangers(2)
    fake.quick_pairing(False)  # as many keys as the library sends by itself
    async with account(fake, tmp_path, me, knows=[friend], linked=False) as mine:
        await mine.pair()
        fake.quick_pairing()
        paired = await mine.expect(Paired)
        assert paired.me == whole(me)
        assert paired.device == 1
        state = await mine.expect_state(EngineState.OPEN)
        assert state.me == whole(me)
        assert mine.states() == [EngineState.CONNECTING, EngineState.OPEN]
        news = await mine.expect(ContactsChanged)
        name = f"Name {friend.phone[-3:]}"
        assert news.contacts == (Contact(address=by_phone(friend), contact_name=name),)
        assert mine.numbers == sorted(set(mine.numbers))


async def test_the_folder_is_private_and_the_log_keeps_numbers_to_itself(
    anna: Account,
) -> None:
    assert stat.S_IMODE(anna.folder.stat().st_mode) == 0o700
    for path in anna.folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert anna.logs()
    for log in anna.logs():
        assert stat.S_IMODE(log.stat().st_mode) & 0o077 == 0, log
        assert anna.person.phone not in log.read_text()


@both_sizes
async def test_a_restart_needs_no_new_pairing(fake: FakeWhatsApp, tmp_path: Path) -> None:
    async with account(fake, tmp_path, strangers(1)[0]) as mine:
        before = mine.numbers[-1]
        await mine.restart()
        await mine.expect_state(EngineState.OPEN)
        assert not mine.all_of(QrCode)
        assert not mine.all_of(Paired)
        assert min(mine.numbers[mine.numbers.index(before) + 1 :]) > before


async def test_an_abandoned_code_is_followed_by_a_new_one(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    timing = msgspec.structs.replace(FAST, linking=1.0)
    person = strangers(1)[0]
    async with account(fake, tmp_path, person, linked=False, timing=timing) as mine:
        await mine.engine.begin_linking()
        first = await mine.expect(QrCode)
        await mine.expect(LinkingEnded)
        mine.heard.clear()
        await mine.engine.begin_linking()
        second = await mine.expect(QrCode, 10)
        assert second.payload != first.payload


async def test_the_same_code_is_told_again_while_it_is_valid(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    async with account(fake, tmp_path, strangers(1)[0], linked=False) as mine:
        await mine.engine.begin_linking()
        await mine.expect(QrCode)
        await mine.engine.begin_linking()
        await eventually(lambda: len(mine.all_of(QrCode)) == 2)
        first, second = mine.all_of(QrCode)
        assert first == second


@both_sizes
async def test_pairing_by_code(fake: FakeWhatsApp, tmp_path: Path) -> None:
    me = strangers(1)[0]
    async with account(fake, tmp_path, me, linked=False) as mine:
        code = await mine.engine.request_pairing_code(me.phone)
        assert len(code) == 8
        await asyncio.to_thread(fake.enter_code, f"{code[:4]}-{code[4:]}", me)
        await mine.expect(Paired, me=whole(me))
        await mine.expect_state(EngineState.OPEN)


@both_sizes
async def test_logging_out_unlinks_the_device(fake: FakeWhatsApp, tmp_path: Path) -> None:
    async with account(fake, tmp_path, strangers(1)[0]) as mine:
        await mine.engine.logout()
        await mine.expect_state(EngineState.LOGGED_OUT)
        assert fake.device(mine.device) is None
        assert mine.engine.pid is None
        await mine.engine.logout()  # nothing to do, no error
        await mine.restart()
        await eventually(lambda: mine.engine.pid is None)
        mine.heard.clear()
        await mine.pair()


async def test_logging_out_while_linking_ends_that(fake: FakeWhatsApp, tmp_path: Path) -> None:
    async with account(fake, tmp_path, strangers(1)[0], linked=False) as mine:
        await mine.engine.begin_linking()
        await mine.expect(QrCode)
        await mine.engine.logout()
        assert mine.engine.pid is None


async def test_linking_a_linked_account_is_refused(anna: Account) -> None:
    with pytest.raises(EngineUnavailable, match="linked already"):
        await anna.engine.begin_linking()


# -- posting


@both_sizes
async def test_a_text_arrives_as_it_was_posted_and_receipts_come_back(
    friends: tuple[Account, Account],
) -> None:
    anna, boris = friends
    words = "Привет 🌍\nשלום"
    post = text(words, background=0x1A2B3C, font=5)
    sent = await anna.engine.post_status(post, None)
    assert sent.recipients == (by_phone(boris.person),) or sent.recipients == (
        whole(boris.person),
    )
    assert sent.skipped == ()
    assert sent.sent_ms is not None

    got = await boris.expect(StatusReceived, wire_id=sent.wire_id)
    assert (got.kind, got.text, got.background, got.font) == (Kind.TEXT, words, 0x1A2B3C, 5)
    assert got.author == whole(anna.person)
    assert not got.from_me
    assert abs(got.at_ms - sent.sent_ms) <= 2000

    delivered = await anna.expect_receipt(Progress.DELIVERED)
    assert delivered.wire_ids == (sent.wire_id,)
    assert delivered.viewer.meets(whole(boris.person))
    assert abs(delivered.at_ms - sent.sent_ms) <= 5000
    await boris.engine.mark_viewed(sent.wire_id, got.author)
    read = await anna.expect_receipt(Progress.READ)
    assert read.wire_ids == (sent.wire_id,)


async def test_fonts_that_newer_phones_lack_can_be_replaced(
    fake: FakeWhatsApp, tmp_path: Path, anna: Account
) -> None:
    async with account(fake, tmp_path, strangers(1)[0], legacy_fonts="map") as mine:
        anna.know(mine.person)
        post = text("old letters", font=5)
        sent = await mine.engine.post_status(post, [by_phone(anna.person)])
        assert (await anna.expect(StatusReceived, wire_id=sent.wire_id)).font == 9


async def test_a_key_is_posted_once(friends: tuple[Account, Account]) -> None:
    anna, boris = friends
    post = text("only once")
    first = await anna.engine.post_status(post, None)
    again = await anna.engine.post_status(post, None)
    assert again == first
    await boris.expect(StatusReceived, wire_id=first.wire_id)
    assert len(boris.all_of(StatusReceived)) == 1
    assert (
        len([one for one in anna.fake.posts(device=anna.device) if one["id"] == first.wire_id])
        == 1
    )


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.VIDEO, Kind.AUDIO])
async def test_files_arrive_byte_for_byte(
    friends: tuple[Account, Account], kind: Kind, tmp_path: Path
) -> None:
    anna, boris = friends
    content = os.urandom(50_000)
    (tmp_path / "file").write_bytes(content)
    mimetype = {
        Kind.IMAGE: "image/jpeg",
        Kind.VIDEO: "video/mp4",
        Kind.AUDIO: "audio/ogg; codecs=opus",
    }[kind]
    post = StatusPost(
        key=f"FILE{kind}",
        kind=kind,
        text="" if kind is Kind.AUDIO else "caption",
        background=0x445566 if kind is Kind.AUDIO else None,
        media_path=str(tmp_path / "file"),
        mimetype=mimetype,
        seconds=7,
        width=64,
        height=48,
        thumbnail=PREVIEW,
        waveform=bytes(64),
    )
    sent = await anna.engine.post_status(post, None)
    got = await boris.expect(StatusReceived, wire_id=sent.wire_id)
    assert got.kind is kind
    assert got.text == post.text
    assert got.background == post.background
    assert got.thumbnail == (b"" if kind is Kind.AUDIO else PREVIEW)
    assert got.media is not None
    assert got.media.mimetype == mimetype
    assert got.media.size == len(content)
    assert got.media.sha256 == sha256(content).digest()
    await boris.engine.download(got.media, tmp_path / "copy", 50_000)
    assert (tmp_path / "copy").read_bytes() == content

    with pytest.raises(MediaUnavailable) as too_large:
        await boris.engine.download(got.media, tmp_path / "more", 49_999)
    assert too_large.value.final
    anna.fake.fault("media", times=1, status=404, method="GET")
    with pytest.raises(MediaUnavailable) as gone:
        await boris.engine.download(got.media, tmp_path / "more", 50_000)
    assert gone.value.final
    anna.fake.fault("media", flip=True, method="GET")
    with pytest.raises(MediaUnavailable):
        await boris.engine.download(got.media, tmp_path / "more", 50_000)
    assert not (tmp_path / "more").exists()


# -- who gets it


async def test_a_chosen_audience_alone_gets_the_status(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    me, chosen, other, unknown = strangers(4)
    for person in (chosen, other, unknown):
        fake.account(person)
    async with account(fake, tmp_path, me, knows=[chosen, other]) as mine:
        await mine.expect(ContactsChanged)
        sent = await mine.engine.post_status(
            text("for two"), [by_phone(chosen), by_phone(unknown)]
        )
        assert _phones(sent.recipients) == {chosen.phone, unknown.phone}
        assert _reached(fake, mine) == {chosen.phone, unknown.phone}
        everybody = await mine.engine.post_status(text("for all"), None)
        assert _phones(everybody.recipients) == {chosen.phone, other.phone}
        assert _reached(fake, mine) == {chosen.phone, other.phone}
        assert len(mine.all_of(ContactsChanged)) == 1


async def test_the_privacy_of_the_account_is_respected(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    me, one, two = strangers(3)
    for person in (one, two):
        fake.account(person)
    fake.account(me, privacy="blacklist", listed=[two.address()])
    async with account(fake, tmp_path, me, knows=[one, two]) as mine:
        sent = await mine.engine.post_status(text("not for two"), None)
        assert _phones(sent.recipients) == {one.phone}
        assert sent.skipped == (Skipped(sent.skipped[0].address, "privacy"),)
        assert _reached(fake, mine) == {one.phone}
        told = await mine.engine.privacy()
        assert told.kind == "blacklist"
        assert told.excluded([whole(one), whole(two)]) == [whole(two)]
        fake.account(me, privacy="whitelist", listed=[two.address()])
        sent = await mine.engine.post_status(text("only for two"), None)
        assert _phones(sent.recipients) == {two.phone}
        assert _phones(skipped.address for skipped in sent.skipped) == {one.phone}
        assert _reached(fake, mine) == {two.phone}


# -- what others do


async def test_what_the_phone_posts_and_deletes_is_told(
    fake: FakeWhatsApp, tmp_path: Path, anna: Account
) -> None:
    async with account(fake, tmp_path, anna.person, device=2) as phone:
        sent = await phone.engine.post_status(text("from the phone"), [])
        got = await anna.expect(StatusReceived, wire_id=sent.wire_id)
        assert got.from_me
        assert got.author == whole(anna.person)
        await phone.engine.delete_status(sent.wire_id, [])
        gone = await anna.expect(StatusDeleted, wire_id=sent.wire_id)
        assert gone.from_me
        assert not [
            receipt
            for receipt in phone.all_of(StatusReceipt)
            if receipt.viewer.meets(whole(anna.person))
        ]


async def test_a_deletion_reaches_those_who_got_the_status(
    friends: tuple[Account, Account],
) -> None:
    anna, boris = friends
    sent = await boris.engine.post_status(text("soon gone"), None)
    await anna.expect(StatusReceived, wire_id=sent.wire_id)
    await boris.engine.delete_status(sent.wire_id, sent.recipients)
    gone = await anna.expect(StatusDeleted, wire_id=sent.wire_id)
    assert gone.author == whole(boris.person)
    assert not gone.from_me


async def test_a_stranger_cannot_delete_in_the_name_of_another(
    fake: FakeWhatsApp, tmp_path: Path, friends: tuple[Account, Account]
) -> None:
    anna, boris = friends
    sent = await boris.engine.post_status(text("stays"), None)
    await anna.expect(StatusReceived, wire_id=sent.wire_id)
    async with account(fake, tmp_path, strangers(1)[0], knows=[anna.person]) as stranger:
        await stranger.engine.delete_status(sent.wire_id, [by_phone(anna.person)])
        forged = await anna.expect(StatusDeleted, wire_id=sent.wire_id)
        assert forged.author == whole(stranger.person)  # nobody's status: the id is boris's


async def test_looking_up_people(anna: Account, boris: Account) -> None:
    for known in (by_phone(boris.person), Address(lid=boris.person.lid)):
        info = await anna.engine.look_up(known)
        assert info.exists
        assert info.address.meets(whole(boris.person))
    nobody = await anna.engine.look_up(Address(phone="79991234567"))
    assert (nobody.exists, nobody.avatar_url) == (False, "")
    for broken in anna.fake.violations(take=True):  # the server has no pictures
        assert "w:profile:picture" in str(broken)


def _phones(addresses: object) -> set[str]:
    return {address.phone for address in addresses}  # type: ignore[attr-defined]


def _reached(fake: FakeWhatsApp, mine: Account) -> set[str]:
    """The other people to whose devices the last post went."""
    recipients = fake.posts(device=mine.device)[-1]["recipients"]
    return {one.split("@")[0].split(":")[0] for one in recipients} - {mine.person.phone}
