"""From the library's protobufs to our events, in a process of its own.

Importing the library into the test process would start its threads there; so the first test
runs the others, which exist only in that other process.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

_INSIDE = "STATUSGATE_TEST_CONVERT"

if _INSIDE not in os.environ:

    @pytest.mark.e2e
    def test_conversion_in_a_process_of_its_own() -> None:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__),
                *("-o", "filterwarnings=default"),  # the library leaves files open
            ],
            cwd=Path(__file__).parents[2],
            env={**os.environ, _INSIDE: "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

else:
    from hypothesis import given, settings
    from hypothesis import strategies as st
    from neonize.proto import Neonize_pb2 as wire
    from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
        AudioMessage,
        ContextInfo,
        DocumentMessage,
        ExtendedTextMessage,
        ImageMessage,
        Message,
        ProtocolMessage,
        ReactionMessage,
        SenderKeyDistributionMessage,
        StickerMessage,
        VideoMessage,
    )
    from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync
    from neonize.utils.jid import build_jid

    from statusgate.domain.address import Address
    from statusgate.domain.events import (
        GapClosed,
        IdentityLearned,
        StatusDeleted,
        StatusReaction,
        StatusReceipt,
        StatusReceived,
        StatusReply,
        StatusUndecryptable,
    )
    from statusgate.domain.receipt import Progress
    from statusgate.domain.reply import Reply, ReplyKind
    from statusgate.domain.status import Kind
    from statusgate.engines.neonize.convert import Converter, evidence, font_of
    from statusgate.engines.neonize.untrusted import DAY_MS, clean

    OWN = Address(phone="100", lid="900")
    STATUSES = build_jid("status", "broadcast")
    PREVIEW = b"\xff\xd8\xff\xe0" + bytes(96)
    NOW = time.time_ns() // 1_000_000

    def jid(user: str, server: str = "s.whatsapp.net", device: int = 0) -> Any:
        made = build_jid(user, server)
        made.Device = device
        return made

    EMPTY = wire.JID(User="", Device=0, Integrator=0, IsEmpty=True, RawAgent=0, Server="")

    def source(
        sender: Any = None, other: Any = None, chat: Any = STATUSES, mine: bool = False
    ) -> Any:
        return wire.MessageSource(
            Chat=chat,
            Sender=sender or jid("101", device=3),
            SenderAlt=other or EMPTY,
            IsFromMe=mine,
            IsGroup=True,
        )

    def message(body: Any, of: Any = None, wire_id: str = "ID1", at: int = NOW) -> Any:
        info = wire.MessageInfo(
            MessageSource=of or source(), ID=wire_id, Timestamp=at, Pushname="Anna"
        )
        return wire.Message(Info=info, Message=body)

    def receipt(kind: Any, of: Any = None, ids: tuple[str, ...] = ("ID1",)) -> Any:
        return wire.Receipt(
            MessageSource=of or source(), MessageIDs=ids, Timestamp=NOW // 1000, Type=kind
        )

    def only(events: list[Any]) -> Any:
        (found,) = events
        return found

    def shown(events: list[Any]) -> list[Any]:
        """What concerns a status; a gap may close for whatever was read."""
        return [event for event in events if not isinstance(event, GapClosed)]

    # -- statuses

    def test_a_text() -> None:
        text = ExtendedTextMessage(text="hello", backgroundArgb=0xFF102030, font=2)
        got = only(Converter(OWN).message(message(Message(extendedTextMessage=text))))
        assert got == StatusReceived(
            wire_id="ID1",
            author=Address(phone="101"),
            kind=Kind.TEXT,
            text="hello",
            background=0x102030,
            font=2,
            push_name="Anna",
            at_ms=NOW,
        )

    def test_plain_words_have_no_colour() -> None:
        got = only(Converter(OWN).message(message(Message(conversation="plain"))))
        assert (got.kind, got.text, got.background, got.font) == (
            Kind.TEXT,
            "plain",
            None,
            None,
        )

    @pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 6, 10, 127])
    def test_every_font_s_number_is_read(number: int) -> None:
        raw = ExtendedTextMessage(text="x" * 300, backgroundArgb=1).SerializeToString()
        assert font_of(ExtendedTextMessage.FromString(raw + bytes([9 << 3, number]))) == number

    def test_the_first_half_of_a_new_sender_s_first_status_is_nothing() -> None:
        key = SenderKeyDistributionMessage(groupID="x")
        alone = Message(senderKeyDistributionMessage=key)
        both = Message(senderKeyDistributionMessage=key, conversation="content")
        convert = Converter(OWN)
        assert convert.message(message(alone)) == []
        assert only(convert.message(message(both))).text == "content"

    def test_a_file_is_referred_to_by_what_fetching_needs() -> None:
        image = ImageMessage(
            URL="https://mmg.whatsapp.net/x",
            directPath="/x?y",
            mediaKey=bytes(32),
            fileSHA256=b"s" * 32,
            fileEncSHA256=b"e" * 32,
            fileLength=1234,
            mimetype="image/jpeg",
            caption="look",
            JPEGThumbnail=PREVIEW,
        )
        got = only(Converter(OWN).message(message(Message(imageMessage=image))))
        assert (got.kind, got.text, got.thumbnail) == (Kind.IMAGE, "look", PREVIEW)
        assert (got.media.size, got.media.sha256) == (1234, b"s" * 32)
        kept = Message.FromString(got.media.handle).imageMessage
        assert (kept.directPath, kept.mediaKey) == ("/x?y", bytes(32))
        assert not kept.caption
        assert not kept.JPEGThumbnail

    def test_a_file_that_cannot_be_fetched_has_no_reference() -> None:
        broken = Message(audioMessage=AudioMessage(URL="x", backgroundArgb=5))
        got = only(Converter(OWN).message(message(broken)))
        assert got.media is None
        assert got.background == 5

    def test_other_chats_and_kinds_are_nothing() -> None:
        convert = Converter(OWN)
        words = Message(conversation="x")
        assert convert.message(message(words, source(chat=jid("101")))) == []
        assert convert.message(message(words, source(sender=jid("x", "g.us")))) == []
        assert convert.message(message(Message())) == []

    def test_what_the_account_posts_elsewhere_is_its_own() -> None:
        of = source(sender=jid("900", "lid", device=7), mine=True)
        got = only(Converter(OWN).message(message(Message(conversation="x"), of)))
        assert got.from_me
        assert got.author == OWN

    def test_two_addresses_of_one_person_are_told_once() -> None:
        convert = Converter(OWN)
        of = source(sender=jid("901", "lid", device=2), other=jid("101"))
        got: list[Any] = convert.message(message(Message(conversation="x"), of))
        first, second = got
        both = Address(phone="101", lid="901")
        assert isinstance(first, IdentityLearned)
        assert first.address == second.author == both
        assert only(convert.message(message(Message(conversation="y"), of))).author == both

    def test_a_round_video_note_is_a_video() -> None:
        note = VideoMessage(caption="round", seconds=3)
        got = only(Converter(OWN).message(message(Message(ptvMessage=note))))
        assert (got.kind, got.text) == (Kind.VIDEO, "round")

    def test_a_status_tells_in_which_form_its_author_was_named() -> None:
        hidden, phone = jid("555", "lid"), jid("101")
        body = Message(conversation="x")
        for sender, other, by_lid in ((hidden, phone, True), (phone, hidden, False)):
            got: Any = Converter(OWN).message(message(body, source(sender, other)))[-1]
            assert (got.author, got.by_lid) == (Address(phone="101", lid="555"), by_lid)

    # -- reactions

    OUR_PHONE = "100@s.whatsapp.net"

    def like(emoji: str = "💚", at: int = 0, of: Any = None, **key: Any) -> Any:
        """Somebody's reaction to our status OURS, as WhatsApp's own clients write it."""
        body = ReactionMessage(text=emoji, senderTimestampMS=at)
        named = {"remoteJID": "status@broadcast", "participant": OUR_PHONE, "ID": "OURS"} | key
        for field, value in named.items():
            setattr(body.key, field, value)
        return message(Message(reactionMessage=body), of, wire_id="ID2")

    @pytest.mark.parametrize("emoji", ["💚", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", ""])
    def test_a_reaction_to_a_status_of_ours_is_its_viewer_s(emoji: str) -> None:
        got = only(shown(Converter(OWN).message(like(emoji))))
        viewer = Address(phone="101")
        assert got == StatusReaction(wire_id="OURS", viewer=viewer, reaction=emoji, at_ms=NOW)

    @pytest.mark.parametrize("author", ["", OUR_PHONE, "100:7@s.whatsapp.net", "900@lid"])
    def test_the_author_of_a_status_is_named_in_any_form_or_not_at_all(author: str) -> None:
        got = only(shown(Converter(OWN).message(like(participant=author))))
        assert got.wire_id == "OURS"

    @pytest.mark.parametrize(
        "key",
        [
            {"participant": "102@s.whatsapp.net"},
            {"participant": "900@s.whatsapp.net"},
            {"participant": "nonsense"},
            {"fromMe": True, "participant": ""},
            {"remoteJID": "101@s.whatsapp.net"},
            {"remoteJID": "1-2@g.us"},
            {"ID": "a b"},
            {"ID": ""},
        ],
    )
    def test_a_reaction_to_anything_else_is_nothing(key: dict[str, Any]) -> None:
        assert shown(Converter(OWN).message(like(**key))) == []

    def test_reactions_of_our_own_devices_are_nothing() -> None:
        for of in (source(mine=True), source(sender=jid("900", "lid", device=2))):
            assert shown(Converter(OWN).message(like(of=of))) == []

    def test_what_is_too_long_for_an_emoji_is_ignored_and_the_rest_cleaned() -> None:
        convert = Converter(OWN)
        assert shown(convert.message(like("x" * 33))) == []
        assert only(shown(convert.message(like("+\x00\x1b")))).reaction == "+\ufffd\ufffd"

    @pytest.mark.parametrize(
        ("said", "taken"),
        [
            (NOW - 5000, NOW - 5000),
            (NOW + 1000, NOW + 1000),
            (NOW + 1001, NOW),
            (NOW - DAY_MS, NOW - DAY_MS),
            (NOW - DAY_MS - 1, NOW),
            (0, NOW),
            (-5, NOW),
            (2**62, NOW),
        ],
    )
    def test_a_reaction_s_own_time_counts_if_it_can_be_true(said: int, taken: int) -> None:
        assert only(shown(Converter(OWN).message(like(at=said)))).at_ms == taken

    def test_an_encrypted_reaction_cannot_be_read_and_is_no_status() -> None:
        body = Message()
        body.encReactionMessage.targetMessageKey.ID = "OURS"
        assert shown(Converter(OWN).message(message(body, wire_id="ID2"))) == []

    # -- replies among private messages

    def quoting(**changed: Any) -> Any:
        named = {"stanzaID": "OURS", "participant": OUR_PHONE, "remoteJID": "status@broadcast"}
        fields = {name: value for name, value in (named | changed).items() if value}
        return ContextInfo(**fields, quotedMessage=Message(conversation="what we posted"))

    def private(
        sender: Any = None, other: Any = None, chat: Any = None, mine: bool = False
    ) -> Any:
        made = source(sender, other, chat or jid("101"), mine)
        made.IsGroup = False
        return made

    def said(context: Any, text: str = "How much?", of: Any = None) -> Any:
        words = ExtendedTextMessage(text=text, contextInfo=context)
        return message(Message(extendedTextMessage=words), of or private(), wire_id="REPLY1")

    def test_a_private_message_that_quotes_a_status_of_ours_is_a_reply() -> None:
        got = only(Converter(OWN).message(said(quoting())))
        assert got == StatusReply(
            reply=Reply(
                wire_id="OURS",
                viewer=Address(phone="101"),
                reply_id="REPLY1",
                kind=ReplyKind.TEXT,
                text="How much?",
                at_ms=NOW,
            )
        )

    def test_a_reply_under_a_hidden_number_tells_both_addresses() -> None:
        of = private(jid("901", "lid", device=2), jid("101"), chat=jid("901", "lid"))
        got: list[Any] = Converter(OWN).message(said(quoting(participant="900:3@lid"), of=of))
        learned, reply = got
        assert learned.address == reply.reply.viewer == Address(phone="101", lid="901")

    @pytest.mark.parametrize(
        ("field", "content", "kind", "text"),
        [
            ("imageMessage", ImageMessage(caption="look"), ReplyKind.IMAGE, "look"),
            ("videoMessage", VideoMessage(caption="look"), ReplyKind.VIDEO, "look"),
            ("ptvMessage", VideoMessage(), ReplyKind.VIDEO, ""),
            ("audioMessage", AudioMessage(seconds=3), ReplyKind.AUDIO, ""),
            ("documentMessage", DocumentMessage(caption="bill"), ReplyKind.DOCUMENT, "bill"),
            ("stickerMessage", StickerMessage(), ReplyKind.STICKER, ""),
        ],
    )
    def test_of_a_file_in_a_reply_only_its_kind_and_caption_are_kept(
        field: str, content: Any, kind: ReplyKind, text: str
    ) -> None:
        content.contextInfo.CopyFrom(quoting())
        body = Message(**{field: content})
        got = only(Converter(OWN).message(message(body, private()))).reply
        assert (got.kind, got.text, got.wire_id) == (kind, text, "OURS")

    @pytest.mark.parametrize(
        "context",
        [
            ContextInfo(),
            quoting(remoteJID=""),
            quoting(remoteJID="101@s.whatsapp.net"),
            quoting(participant=""),
            quoting(participant="101@s.whatsapp.net"),
            quoting(participant="900@s.whatsapp.net"),
            quoting(stanzaID=""),
            quoting(stanzaID="a b"),
        ],
    )
    def test_a_private_message_that_quotes_no_status_of_ours_is_nothing(context: Any) -> None:
        assert Converter(OWN).message(said(context)) == []

    def test_a_reply_in_a_group_or_from_our_own_devices_is_nothing() -> None:
        group = private(chat=jid("1-2", "g.us"))
        group.IsGroup = True
        for of in (
            group,
            private(chat=jid("1-2", "broadcast")),
            private(mine=True),
            private(sender=jid("900", "lid", device=2)),
        ):
            assert Converter(OWN).message(said(quoting(), of=of)) == []

    def test_no_other_content_of_a_private_message_is_anything() -> None:
        convert = Converter(OWN)
        revoked = revoke().Message
        for body in (Message(conversation="x"), Message(), like().Message, revoked):
            assert convert.message(message(body, private())) == []

    def test_of_a_private_message_that_cannot_be_handled_nothing_is_kept() -> None:
        assert evidence(said(quoting())) == evidence(said(ContextInfo())) == b""
        assert evidence(like()) == like().SerializePartialToString()

    def test_a_reply_s_text_is_cut_and_cleaned() -> None:
        got = only(Converter(OWN).message(said(quoting(), "\x00" + "x" * 10_000))).reply
        assert got.text == "\ufffd" + "x" * 4095

    # -- deletions

    def revoke(wire_id: str = "ID1", mine: bool = True, participant: str = "") -> Any:
        body = ProtocolMessage(type=ProtocolMessage.REVOKE)
        body.key.ID = wire_id
        body.key.fromMe = mine
        body.key.remoteJID = "status@broadcast"
        if participant:
            body.key.participant = participant
        return message(Message(protocolMessage=body), wire_id="ID2")

    def test_an_author_withdraws_a_status() -> None:
        got = only(shown(Converter(OWN).message(revoke())))
        assert got == StatusDeleted(wire_id="ID1", author=Address(phone="101"), at_ms=NOW)

    def test_nobody_withdraws_another_s_status() -> None:
        convert = Converter(OWN)
        assert (
            shown(convert.message(revoke(mine=False, participant="102@s.whatsapp.net"))) == []
        )
        assert shown(convert.message(revoke(mine=False))) == []
        own_named = revoke(mine=False, participant="101:4@s.whatsapp.net")
        assert only(shown(convert.message(own_named))).author == Address(phone="101")

    @pytest.mark.parametrize(
        "kind",
        [
            number
            for number in ProtocolMessage.Type.values()
            if number != ProtocolMessage.REVOKE
        ],
    )
    def test_no_other_protocol_message_does_anything(kind: int) -> None:
        event = revoke()
        event.Message.protocolMessage.type = kind
        assert shown(Converter(OWN).message(event)) == []

    # -- receipts

    @pytest.mark.parametrize(
        ("kind", "progress"),
        [
            (wire.Receipt.DELIVERED, Progress.DELIVERED),
            (wire.Receipt.INACTIVE, Progress.DELIVERED),
            (wire.Receipt.READ, Progress.READ),
            (wire.Receipt.PLAYED, Progress.READ),
        ],
    )
    def test_receipts_are_deliveries_and_views(kind: int, progress: Progress) -> None:
        got = only(Converter(OWN).receipt(receipt(kind, ids=("ID1", "ID2"))))
        assert got == StatusReceipt(
            wire_ids=("ID1", "ID2"),
            viewer=Address(phone="101"),
            kind=progress,
            at_ms=NOW // 1000 * 1000,
        )

    @pytest.mark.parametrize(
        "kind",
        [
            wire.Receipt.SENDER,
            wire.Receipt.RETRY,
            wire.Receipt.READ_SELF,
            wire.Receipt.PLAYED_SELF,
            wire.Receipt.SERVER_ERROR,
            wire.Receipt.PEER_MSG,
            wire.Receipt.HISTORY_SYNC,
        ],
    )
    def test_other_receipts_are_nothing(kind: int) -> None:
        assert Converter(OWN).receipt(receipt(kind)) == []

    def test_own_devices_and_other_chats_are_no_viewers() -> None:
        convert = Converter(OWN)
        for of in (
            source(mine=True),
            source(sender=jid("100", device=2)),
            source(sender=jid("900", "lid", device=2)),
            source(chat=jid("101")),
        ):
            assert convert.receipt(receipt(wire.Receipt.READ, of)) == []

    def test_many_ids_make_several_events() -> None:
        ids = tuple(f"ID{n}" for n in range(1200))
        got = Converter(OWN).receipt(receipt(wire.Receipt.READ, ids=ids))
        assert [one for event in got for one in event.wire_ids] == list(ids)  # type: ignore[union-attr]
        assert len(got) == 3

    # -- the rest

    def unreadable(mode: int) -> Any:
        return wire.UndecryptableMessage(
            Info=message(Message()).Info, IsUnavailable=False, DecryptFailMode=mode
        )

    def test_an_unreadable_status_is_a_gap() -> None:
        event = unreadable(wire.UndecryptableMessage.DECRYPT_FAIL_SHOW)
        got = only(Converter(OWN).undecryptable(event))
        assert got == StatusUndecryptable(wire_id="ID1", author=Address(phone="101"), at_ms=NOW)

    def test_what_a_client_hides_when_it_cannot_read_it_is_no_gap() -> None:
        event = unreadable(wire.UndecryptableMessage.DECRYPT_FAIL_HIDE)
        assert Converter(OWN).undecryptable(event) == []

    def test_reading_what_is_no_status_closes_its_gap() -> None:
        closed = GapClosed(wire_id="ID2", author=Address(phone="101"), at_ms=NOW)
        assert closed in Converter(OWN).message(revoke())
        like = Message(reactionMessage=ReactionMessage(text="+"))
        assert Converter(OWN).message(message(like, wire_id="ID2")) == [closed]

    def test_history_brings_the_statuses_of_the_last_day() -> None:
        data = HistorySync(syncType=HistorySync.INITIAL_STATUS_V3)

        def add(wire_id: str, age_ms: int, participant: str, mine: bool = False) -> None:
            old = data.statusV3Messages.add()
            old.key.remoteJID = "status@broadcast"
            old.key.ID = wire_id
            old.key.fromMe = mine
            old.participant = participant
            old.messageTimestamp = (NOW - age_ms) // 1000
            old.message.conversation = wire_id

        add("NEW", 1000, "101@s.whatsapp.net")
        add("OLD", DAY_MS + 60_000, "101@s.whatsapp.net")
        add("FUTURE", -3 * DAY_MS, "101@s.whatsapp.net")
        add("MINE", 5000, "", mine=True)
        add("NOBODY", 5000, "x@g.us")
        add("bad id", 5000, "101@s.whatsapp.net")
        got = [only(events) for events in Converter(OWN).history(wire.HistorySync(Data=data))]
        assert [(one.wire_id, one.author, one.from_me) for one in got] == [
            ("NEW", Address(phone="101"), False),
            ("MINE", OWN, True),
        ]
        data.syncType = HistorySync.RECENT
        assert list(Converter(OWN).history(wire.HistorySync(Data=data))) == []

    # -- hostility

    def test_texts_are_cut_and_cleaned() -> None:
        assert clean("a\x00b\x1b[0m\u202e\r\nc\td") == "a\ufffdb\ufffd[0m\u202e\ufffd\nc\td"
        assert len(clean("x" * 100_000)) == 4096

    @pytest.mark.parametrize("wire_id", ["", "a b", "x" * 129, "a\n", "é", "\x00"])
    def test_ids_that_are_none_are_ignored(wire_id: str) -> None:
        convert = Converter(OWN)
        assert convert.message(message(Message(conversation="x"), wire_id=wire_id)) == []
        assert convert.receipt(receipt(wire.Receipt.READ, ids=(wire_id,))) == []
        assert shown(convert.message(revoke(wire_id))) == []

    @pytest.mark.parametrize("at", [0, -5, NOW + 2 * DAY_MS, 2**62])
    def test_impossible_times_become_now(at: int) -> None:
        got = only(Converter(OWN).message(message(Message(conversation="x"), at=at)))
        assert abs(got.at_ms - NOW) < 60_000

    @pytest.mark.parametrize("preview", [PREVIEW + bytes(70_000), b"<svg>", b"\xff\xd8"])
    def test_a_preview_that_is_large_or_no_jpeg_is_left_out(preview: bytes) -> None:
        image = ImageMessage(JPEGThumbnail=preview, caption="c" * 10_000)
        got = only(Converter(OWN).message(message(Message(imageMessage=image))))
        assert got.thumbnail == b""
        assert len(got.text) == 4096

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from([9, 100, 1000]), st.integers(0, 2**64 - 1))))
    def test_the_font_is_found_among_whatever_fields_there_are(
        fields: list[tuple[int, int]],
    ) -> None:
        raw = b"".join(varint(number << 3) + varint(value) for number, value in fields)
        found = font_of(ExtendedTextMessage.FromString(raw))
        assert found is None or 0 <= found < 256

    def varint(value: int) -> bytes:
        head = bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
        return head + (varint(value >> 7) if value > 0x7F else b"")
