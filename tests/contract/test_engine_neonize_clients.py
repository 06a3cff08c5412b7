"""The real engine among clients that do things differently, on our own WhatsApp server."""

import asyncio
import base64
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from yarl import URL

from statusgate.domain.address import Address
from statusgate.domain.errors import EngineRejected, EngineUnavailable, MediaUnavailable
from statusgate.domain.events import (
    ContactsChanged,
    GapClosed,
    IdentityLearned,
    StatusReaction,
    StatusReceipt,
    StatusReceived,
    StatusReply,
    StatusUndecryptable,
)
from statusgate.domain.post import Quoted, StatusAnswer, StatusPost
from statusgate.domain.reply import ReplyKind
from statusgate.domain.status import Kind
from tests.contract.test_engine_neonize_support import (
    FAST,
    Account,
    account,
    by_phone,
    crowd,
    strangers,
    text,
    whole,
)
from tests.waiting import eventually
from tests.whatsapp.client import Addressing, FakeWhatsApp, Person
from tests.whatsapp.engines import RawEngine

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("lawful"),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def friend(
    fake: FakeWhatsApp, anna: Account, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RawEngine]:
    """A contact with a bare client, which can send whatever the protocol allows."""
    made = await _client(fake, tmp_path_factory.mktemp("friend"), strangers(1)[0], 1)
    await asyncio.to_thread(made.know, anna.person)
    yield made
    await asyncio.to_thread(made.stop)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def phone(
    fake: FakeWhatsApp, anna: Account, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RawEngine]:
    """The phone of the account under test."""
    made = await _client(fake, tmp_path_factory.mktemp("phone"), anna.person, 2)
    yield made
    await asyncio.to_thread(made.stop)


async def _client(fake: FakeWhatsApp, folder: Path, person: Any, device: int) -> RawEngine:
    made = RawEngine(fake, folder)
    await asyncio.to_thread(made.pair, person, device)
    return made


async def call(client: RawEngine, operation: str, **params: Any) -> str:
    """Have a client do something; the id of what it sent, if anything."""
    answer = await asyncio.to_thread(client.call, operation, **params)
    return str(answer["id"]) if answer else ""


# -- contacts


async def test_names_from_the_phone_s_address_book_come_and_change_at_once(
    fake: FakeWhatsApp, anna: Account, phone: RawEngine
) -> None:
    saved = strangers(1)[0]
    fake.account(saved)
    key = fake.app_state_key(anna.person)
    fake.rename(anna.person, [(saved.address(), saved.address("lid"), "Saved")])
    await call(
        phone,
        "share_app_state_key",
        user=anna.person.phone,
        key_id=key["id"],
        key=key["key"],
    )
    await _named(anna, saved.phone, "Saved")
    await anna.expect(IdentityLearned, address=whole(saved))
    fake.rename(anna.person, [(saved.address(), saved.address("lid"), "Renamed")])
    await _named(anna, saved.phone, "Renamed")


async def _named(anna: Account, phone: str, name: str) -> None:
    await eventually(
        lambda: any(
            contact.contact_name == name and contact.address.phone == phone
            for news in anna.all_of(ContactsChanged)
            for contact in news.contacts
        ),
        f"the contact {name}",
        10,
    )


async def test_a_viewer_named_by_lid_is_known_as_the_recipient_named_by_phone(
    fake: FakeWhatsApp, anna: Account
) -> None:
    (viewer,) = crowd(fake, 1)
    sent = await anna.engine.post_status(text("seen"), [by_phone(viewer)])
    await anna.expect(IdentityLearned, address=whole(viewer))
    fake.receipts(anna.device, sent.wire_id, [viewer], "read", by="lid", both=False)
    await anna.expect(StatusReceipt)


async def test_a_view_names_the_author_as_the_status_did(
    fake: FakeWhatsApp, anna: Account, friend: RawEngine
) -> None:
    """The server checks that: see the rule `receipt_in_another_form`."""
    person = anna.person
    await asyncio.to_thread(friend.know, person, by="lid")
    sent = await call(friend, "post_text", text="by hidden number")
    await asyncio.to_thread(friend.know, person)
    got = await anna.expect(StatusReceived, wire_id=sent)
    assert got.by_lid
    await anna.engine.mark_viewed(sent, Address(lid=got.author.lid))
    await asyncio.to_thread(friend.receipt, sent, "READ", person.lid)


# -- what cannot be read


async def test_what_a_client_would_hide_is_no_gap(
    fake: FakeWhatsApp, anna: Account, friend: RawEngine
) -> None:
    anna.heard.clear()
    fake.undecryptable(anna.device, friend.jid, "3EB0HIDDEN", hide=True)
    fake.undecryptable(anna.device, friend.jid, "3EB0SHOWN")
    shown = await anna.expect(StatusUndecryptable)
    assert shown.wire_id == "3EB0SHOWN"

    def log() -> str:
        return "".join(log.read_text() for log in anna.logs())

    await eventually(lambda: "3EB0SHOWN" in log(), "the library's warning in the log")
    assert friend.person.phone not in log()


async def test_a_retry_that_succeeds_closes_its_gap_whatever_it_contains(
    fake: FakeWhatsApp, anna: Account, friend: RawEngine
) -> None:
    sent = await anna.engine.post_status(text("likeable"), [by_phone(friend.person)])
    anna.heard.clear()
    fake.fault("corrupt", anna.device, times=1)
    like = await call(
        friend, "react", user=anna.person.phone, message_id=sent.wire_id, emoji="+"
    )
    gap = await anna.expect(StatusUndecryptable, wire_id=like)
    closed = await anna.expect(GapClosed, wire_id=like)
    assert closed.author.meets(gap.author)


# -- what people make of statuses


async def test_a_like_and_its_withdrawal_are_its_viewer_s(
    anna: Account, friend: RawEngine
) -> None:
    sent = await anna.engine.post_status(text("likeable"), [by_phone(friend.person)])
    for emoji in ("💚", ""):
        person = anna.person.phone
        await call(friend, "react", user=person, message_id=sent.wire_id, emoji=emoji)
        got = await anna.expect(StatusReaction, wire_id=sent.wire_id, reaction=emoji)
        assert got.viewer == whole(friend.person)


async def test_of_private_messages_nothing_is_kept_but_replies_to_our_statuses(
    anna: Account, friend: RawEngine
) -> None:
    sent = await anna.engine.post_status(text("for sale"), [by_phone(friend.person)])
    anna.acknowledging = False  # or the spool would forget what was recorded
    person = anna.person.phone
    await call(friend, "write", user=person, text="between us alone")
    await call(
        friend, "write", user=person, text="how much?", quoting=sent.wire_id, fading=True
    )
    reply = (await anna.expect(StatusReply)).reply
    assert (reply.wire_id, reply.viewer) == (sent.wire_id, whole(friend.person))
    assert (reply.kind, reply.text) == (ReplyKind.TEXT, "how much?")
    files = [path for path in anna.folder.rglob("*") if path.is_file()]
    kept = b"".join(path.read_bytes() for path in files)
    assert b"how much?" in kept
    assert b"between us alone" not in kept
    anna.acknowledging = True


# -- what we make of statuses


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def bystander(fake: FakeWhatsApp, anna: Account, friend: RawEngine) -> Person:
    """Another contact of the account under test, and its friend as well."""
    made = strangers(1)[0]
    fake.account(made)
    anna.know(friend.person, made)

    async def reached() -> bool:
        sent = await anna.engine.post_status(text("who is there?"), None)
        return made.phone in {one.phone for one in sent.recipients}

    await eventually(reached, "the name of the bystander")
    return made


@pytest.mark.parametrize("by", ["pn", "lid"])
async def test_our_reaction_reaches_the_author_of_a_status_alone(
    fake: FakeWhatsApp, anna: Account, friend: RawEngine, bystander: Person, by: Addressing
) -> None:
    posted = await _posted_to(anna, friend, by)
    author = friend.person
    for emoji in ("💚", ""):
        answer = StatusAnswer(
            key=f"LIKE{by}{emoji}",
            wire_id=posted,
            author=whole(author),
            by_lid=by == "lid",
            reaction=emoji,
        )
        sent = await anna.engine.answer_status(answer)
        assert await anna.engine.answer_status(answer) == sent
        event = await asyncio.to_thread(friend.message, sent.wire_id)
        reaction = event["Message"]["reactionMessage"]
        assert reaction.get("text", "") == emoji
        assert reaction["key"] == {
            "remoteJID": "status@broadcast",
            "fromMe": False,
            "ID": posted,
            "participant": author.address(by),
        }
        assert _reached(fake, anna, sent.wire_id) == {author.phone, anna.person.phone}
    everybody = await anna.engine.post_status(text("for all"), None)
    assert {author.phone, bystander.phone} <= _reached(fake, anna, everybody.wire_id)


async def test_our_reply_is_a_private_message_that_quotes_the_status(
    fake: FakeWhatsApp, anna: Account, friend: RawEngine, bystander: Person
) -> None:
    posted = await _posted_to(anna, friend)
    answer = StatusAnswer(
        key="REPLY",
        wire_id=posted,
        author=by_phone(friend.person),
        text="how much?",
        quoted=Quoted(kind=Kind.IMAGE, text="for sale", thumbnail=b"\xff\xd8\xff"),
    )
    sent = await anna.engine.answer_status(answer)
    assert await anna.engine.answer_status(answer) == sent
    event = await asyncio.to_thread(friend.message, sent.wire_id)
    assert event["Info"]["MessageSource"]["Chat"]["User"] == anna.person.lid
    assert event["Message"]["extendedTextMessage"] == {
        "text": "how much?",
        "contextInfo": {
            "stanzaID": posted,
            "participant": friend.person.address(),
            "remoteJID": "status@broadcast",
            "quotedMessage": {"imageMessage": {"caption": "for sale", "JPEGThumbnail": "/9j/"}},
        },
    }
    assert _reached(fake, anna, sent.wire_id) == {
        friend.person.phone,
        anna.person.phone,
    }
    tags = {
        child["tag"]
        for record in fake.history(event="received", device=anna.device)
        if record["node"]["tag"] == "message" and record["node"]["attrs"]["id"] == sent.wire_id
        for child in record["node"]["children"]
    }
    assert "participants" in tags
    assert "bot" not in tags


@pytest.mark.parametrize("kind", ["whitelist of two", "whitelist of another", "blacklist"])
async def test_a_reaction_that_privacy_lets_reach_others_or_nobody_is_not_sent(
    fake: FakeWhatsApp, anna: Account, friend: RawEngine, bystander: Person, kind: str
) -> None:
    author = friend.person
    privacy: tuple[Any, list[Person]] = {
        "whitelist of two": ("whitelist", [author, bystander]),
        "whitelist of another": ("whitelist", [bystander]),
        "blacklist": ("blacklist", [author]),
    }[kind]
    fake.account(anna.person, privacy=privacy[0], listed=[one.address() for one in privacy[1]])
    before = len(fake.posts(device=anna.device))
    answer = StatusAnswer(key=kind, wire_id="3EB0", author=by_phone(author), reaction="💚")
    with pytest.raises(EngineRejected, match="status privacy"):
        await anna.engine.answer_status(answer)
    assert len(fake.posts(device=anna.device)) == before
    fake.account(anna.person, privacy="contacts")


async def test_a_list_of_the_author_alone_lets_a_reaction_pass(
    fake: FakeWhatsApp, anna: Account, friend: RawEngine, bystander: Person
) -> None:
    author = friend.person
    fake.account(anna.person, privacy="whitelist", listed=[author.address()])
    answer = StatusAnswer(key="LISTED", wire_id="3EB0", author=by_phone(author), reaction="💚")
    sent = await anna.engine.answer_status(answer)
    fake.account(anna.person, privacy="contacts")
    assert _reached(fake, anna, sent.wire_id) == {author.phone, anna.person.phone}


async def test_no_reaction_is_sent_while_names_arrive_that_would_add_recipients(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    me, author = strangers(2)
    fake.account(author)
    timing = msgspec.structs.replace(FAST, audience=1.0)
    async with account(fake, tmp_path, me, timing=timing) as mine:
        fake.fault("unanswered", mine.device, query="w:sync:app:state")
        fake.rename(me, [(author.address(), None, "Author")])
        await eventually(lambda: _asked_for(fake, mine, "w:sync:app:state"), "the question")
        answer = StatusAnswer(
            key="EARLY", wire_id="3EB0", author=by_phone(author), reaction="💚"
        )
        with pytest.raises(EngineUnavailable, match="arriving"):
            await mine.engine.answer_status(answer)
        assert fake.posts(device=mine.device) == []


def _asked_for(fake: FakeWhatsApp, by: Account, namespace: str) -> bool:
    received = fake.history(event="received", device=by.device)
    return any(record["node"]["attrs"].get("xmlns") == namespace for record in received)


async def test_a_reply_to_somebody_whom_whatsapp_does_not_know_is_refused(
    anna: Account,
) -> None:
    nobody = strangers(1)[0]
    answer = StatusAnswer(key="NOBODY", wire_id="3EB0", author=by_phone(nobody), text="hello?")
    with pytest.raises(EngineRejected, match="does not know"):
        await anna.engine.answer_status(answer)


async def _posted_to(anna: Account, friend: RawEngine, by: Addressing = "pn") -> str:
    """A status of the friend that the account has got; its id."""
    await asyncio.to_thread(friend.know, anna.person, by=by)
    posted = await call(friend, "post_text", text="for sale")
    await asyncio.to_thread(friend.know, anna.person)
    await anna.expect(StatusReceived, wire_id=posted)
    return posted


def _reached(fake: FakeWhatsApp, sender: Account, message_id: str) -> set[str]:
    """The phones of those to whose devices a message went; it must have gone out once."""
    (post,) = [one for one in fake.posts(device=sender.device) if one["id"] == message_id]
    users = {re.split("[:@]", address)[0] for address in post["recipients"]}
    return {f"79{user[-9:]}" for user in users}  # both numbers of a made-up person end alike


# -- what is posted


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.IMAGE])
async def test_our_statuses_carry_what_other_clients_give_theirs(
    anna: Account, friend: RawEngine, kind: Kind, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(os.urandom(1000))
    post = StatusPost(
        key=f"FIELDS{kind}",
        kind=kind,
        text="words",
        media_path=str(tmp_path / "file"),
        mimetype="image/jpeg",
    )
    sent = await anna.engine.post_status(post, [by_phone(friend.person)])
    event = await asyncio.to_thread(friend.message, sent.wire_id)
    message = event["Message"]
    secret = base64.b64decode(message["messageContextInfo"]["messageSecret"])
    assert len(secret) == 32
    if kind is Kind.IMAGE:
        stamped = int(message["imageMessage"]["mediaKeyTimestamp"])
        assert sent.sent_ms is not None
        assert abs(stamped - sent.sent_ms // 1000) < 300


# -- what comes


async def test_a_round_video_note_is_a_video(
    anna: Account, friend: RawEngine, tmp_path: Path
) -> None:
    content = os.urandom(2000)
    encoded = base64.b64encode(content).decode()
    sent = await call(friend, "post_video_note", data=encoded, seconds=3)
    got = await anna.expect(StatusReceived, wire_id=sent)
    assert got.kind is Kind.VIDEO
    assert got.media is not None
    await anna.engine.download(got.media, tmp_path / "note", 2000)
    assert (tmp_path / "note").read_bytes() == content


async def test_an_image_that_does_not_tell_its_length_is_fetched(
    anna: Account, friend: RawEngine, tmp_path: Path
) -> None:
    content = os.urandom(2000)
    encoded = base64.b64encode(content).decode()
    preview = base64.b64encode(b"<svg onload='alert(1)'>").decode()
    sent = await call(friend, "post_bare_image", data=encoded, thumbnail=preview)
    got = await anna.expect(StatusReceived, wire_id=sent)
    assert got.thumbnail == b""
    assert got.media is not None
    await anna.engine.download(got.media, tmp_path / "image", 2000)
    assert (tmp_path / "image").read_bytes() == content


# -- files


async def test_a_file_that_does_not_end_costs_neither_memory_nor_traffic(
    fake: FakeWhatsApp, anna: Account, friend: RawEngine, tmp_path: Path
) -> None:
    encoded = base64.b64encode(os.urandom(1000)).decode()
    sent = await call(friend, "post_image", data=encoded, caption="large")
    got = await anna.expect(StatusReceived, wire_id=sent)
    assert got.media is not None
    await anna.engine.download(got.media, tmp_path / "first", 1000)  # what is loaded once
    before = _peak_kb(anna)
    fake.fault("media", times=1, method="GET", grow=400 << 20)
    with pytest.raises(MediaUnavailable, match="longer") as told:
        await anna.engine.download(got.media, tmp_path / "file", 4 << 20)
    assert told.value.final
    assert _peak_kb(anna) - before < 20 * 1024
    record = (await eventually(lambda: fake.history(event="grown"), "the end of the transfer"))[
        -1
    ]
    assert record["taken"] < 100 << 20
    assert not list(tmp_path.glob("file*"))


def _peak_kb(account: Account) -> int:
    """The most memory that the account's worker ever had."""
    status = Path(f"/proc/{account.engine.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


@pytest.mark.parametrize(
    ("fault", "final"),
    [
        ({"status": 404}, True),
        ({"status": 500}, False),
        ({"status": 302, "location": "https://example.org/"}, False),
        ({"cut": 300}, False),
        ({"flip": 700}, True),
    ],
    ids=str,
)
async def test_a_file_that_is_not_the_one_that_was_sent_is_not_kept(
    fake: FakeWhatsApp,
    anna: Account,
    friend: RawEngine,
    tmp_path: Path,
    fault: dict[str, Any],
    final: bool,
) -> None:
    encoded = base64.b64encode(os.urandom(1000)).decode()
    sent = await call(friend, "post_image", data=encoded, caption="spoiled")
    got = await anna.expect(StatusReceived, wire_id=sent)
    assert got.media is not None
    fake.fault("media", times=1, method="GET", **fault)
    with pytest.raises(MediaUnavailable) as told:
        await anna.engine.download(got.media, tmp_path / "file", 1000)
    assert told.value.final is final
    assert not list(tmp_path.glob("file*"))
    await anna.engine.download(got.media, tmp_path / "file", 1000)


@pytest.mark.parametrize("login", ["", "user:p%40ss@"], ids=["open", "with password"])
async def test_files_come_through_a_socks_proxy(
    fake: FakeWhatsApp, friend: RawEngine, tmp_path: Path, login: str
) -> None:
    async with socks_proxy(fake, login) as url:
        person = strangers(1)[0]
        async with account(fake, tmp_path, person, proxy=url) as guest:
            await asyncio.to_thread(friend.know, person)
            content = os.urandom(100_000)
            encoded = base64.b64encode(content).decode()
            sent = await call(friend, "post_image", data=encoded, caption="")
            got = await guest.expect(StatusReceived, wire_id=sent)
            assert got.media is not None
            await guest.engine.download(got.media, tmp_path / "file", 100_000)
            assert (tmp_path / "file").read_bytes() == content


@asynccontextmanager
async def socks_proxy(fake: FakeWhatsApp, login: str) -> AsyncIterator[str]:
    """A SOCKS5 proxy in front of the fake server's; yields its URL."""
    relays: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        relays.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await relay(reader, writer)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        method = 2 if login else 0
        writer.write(bytes((5, method if method in offered else 255)))
        if login:
            for wanted in (b"user", b"p@ss"):
                head = await reader.readexactly(2 if wanted == b"user" else 1)
                assert await reader.readexactly(head[-1]) == wanted
            writer.write(b"\x01\x00")
        *_, length = await reader.readexactly(5)
        host = (await reader.readexactly(length)).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        inner = URL(fake.proxy)
        there, away = await asyncio.open_connection(inner.host, inner.port)
        try:
            away.write(f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode())
            await there.readuntil(b"\r\n\r\n")
            writer.write(b"\x05\x00\x00\x01" + bytes(6))
            await asyncio.gather(pipe(reader, away), pipe(there, writer))
        finally:
            away.close()

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"socks5://{login}127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in relays:
            task.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
