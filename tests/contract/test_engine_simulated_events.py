"""The simulated engine: scripts become events, and posts get their viewers."""

import asyncio
import re
from pathlib import Path

import pytest

from statusgate.domain.address import Address
from statusgate.domain.errors import (
    EngineRejected,
    EngineUnavailable,
    MediaUnavailable,
)
from statusgate.domain.events import (
    EngineState,
    StateChanged,
    StatusDeleted,
    StatusReaction,
    StatusReceipt,
    StatusReceived,
    StatusReply,
)
from statusgate.domain.media import MediaRef
from statusgate.domain.post import StatusAnswer
from statusgate.domain.receipt import Progress
from statusgate.domain.reply import ReplyKind
from statusgate.domain.script import (
    Met,
    Posted,
    Reacted,
    Replied,
    Viewed,
    Withdrawn,
)
from statusgate.domain.status import Kind
from tests.clocks import START_MS
from tests.contract.simulated_house import (
    ANNA,
    BORIS,
    CROWD,
    ME,
    NOW_SECONDS,
    House,
    post,
    receipts_told,
    text_of,
)

# -- events of scripts


async def test_times_in_the_past_are_kept_and_future_ones_held_back(house: House) -> None:
    engine, gateway = await house.start()
    await engine.simulate(
        [
            Posted(author=ANNA, kind=Kind.TEXT, text="past", timestamp=NOW_SECONDS - 90),
            Posted(author=ANNA, kind=Kind.TEXT, text="later", timestamp=NOW_SECONDS + 200),
            Posted(author=ANNA, kind=Kind.TEXT, text="soon", timestamp=NOW_SECONDS + 100),
        ]
    )
    assert [(e.text, e.at_ms) for e in gateway.of(StatusReceived)] == [
        ("past", START_MS - 90_000)
    ]
    await house.clock.advance(99)
    engine, again = await house.restart(engine, gateway)
    await again.until_told()
    assert again.of(StatusReceived) == []
    await house.clock.advance(1)
    await again.until(lambda: again.of(StatusReceived))
    await house.clock.advance(3600)
    await again.until(lambda: len(again.of(StatusReceived)) == 2)
    assert list(map(text_of, again.of(StatusReceived))) == ["soon", "later"]
    assert again.of(StatusReceived)[1].at_ms == START_MS + 200_000


async def test_held_events_survive_a_crash_and_happen_once(house: House) -> None:
    engine, gateway = await house.start()
    await engine.simulate(
        [
            Posted(author=ANNA, kind=Kind.TEXT, text=str(n), timestamp=NOW_SECONDS + n)
            for n in range(1, 6)
        ]
    )
    await house.clock.advance(2)
    await gateway.until(lambda: len(gateway.of(StatusReceived)) == 2)
    crashed = house.crash()
    _, survivor = await house.start(crashed, cursor=gateway.cursor)
    await house.clock.advance(10)
    await survivor.until(lambda: len(survivor.of(StatusReceived)) == 3)
    assert list(map(text_of, survivor.of(StatusReceived))) == ["3", "4", "5"]


async def test_a_script_of_held_events_alone_is_acknowledged_too(house: House) -> None:
    engine, gateway = await house.start()
    async with asyncio.timeout(30):
        await engine.simulate(
            [Posted(author=ANNA, kind=Kind.TEXT, text="x", timestamp=NOW_SECONDS + 9)]
        )
    assert gateway.of(StatusReceived) == []


async def test_held_events_wait_for_a_gateway_that_is_far_behind(house: House) -> None:
    engine, gateway = await house.start()
    await gateway.until_told()
    scheduled = [
        Posted(author=ANNA, kind=Kind.TEXT, text=str(n), timestamp=NOW_SECONDS + 1 + n)
        for n in range(300)
    ]
    await engine.simulate(scheduled)
    gateway.acking = False
    for _ in range(300):
        await house.clock.advance(1)
        await asyncio.sleep(0.001)
    assert len(gateway.of(StatusReceived)) < 300
    gateway.acking = True
    await engine.ack(gateway.cursor)
    await gateway.until(lambda: len(gateway.of(StatusReceived)) == 300)


async def test_who_posted_and_who_withdraws(house: House) -> None:
    engine, gateway = await house.start()
    await engine.simulate(
        [
            Posted(author=ANNA, kind=Kind.TEXT, text="hers", background=0x228B22, font=1),
            Posted(author=None, kind=Kind.TEXT, text="mine", status_id="B1"),
            Posted(author=ME, kind=Kind.TEXT, text="mine too"),
            Withdrawn(status_id="A1", author=ANNA),
            Withdrawn(status_id="B1", author=ME),
        ]
    )
    hers, mine, too = gateway.of(StatusReceived)
    assert (hers.author, hers.from_me, hers.background, hers.font) == (ANNA, False, 0x228B22, 1)
    assert (mine.author, mine.from_me, mine.wire_id) == (ME, True, "B1")
    assert too.from_me
    assert len({hers.wire_id, too.wire_id}) == 2
    assert hers.wire_id.startswith("3EB0")
    assert len(hers.wire_id) == 20
    assert [(e.wire_id, e.from_me) for e in gateway.of(StatusDeleted)] == [
        ("A1", False),
        ("B1", True),
    ]


async def test_receipts_name_the_status_as_whatsapp_does(house: House) -> None:
    engine, gateway = await house.start()
    sent = await engine.post_status(post("KEY"), [ANNA])
    assert sent.wire_id != "KEY"
    await engine.simulate(
        [
            Posted(author=None, kind=Kind.TEXT, text="x", status_id="B1"),
            Viewed(status_id="KEY", viewer=ANNA, kind=Progress.READ),
            Viewed(status_id="B1", viewer=ANNA, kind=Progress.DELIVERED),
            Viewed(status_id="KEY", viewer=ME, kind=Progress.READ),
        ]
    )
    assert [event.wire_ids for event in gateway.of(StatusReceipt)] == [(sent.wire_id,), ("B1",)]


async def test_a_receipt_may_precede_a_post_or_a_phone_status(house: House) -> None:
    engine, gateway = await house.start()
    await engine.simulate([Viewed(status_id="KEY", viewer=ANNA, kind=Progress.READ)])
    (early,) = gateway.of(StatusReceipt)
    sent = await engine.post_status(post("KEY"), [ANNA])
    assert early.wire_ids == ("KEY", sent.wire_id)


async def test_reactions_and_replies_name_the_status_as_whatsapp_does(house: House) -> None:
    engine, gateway = await house.start()
    sent = await engine.post_status(post("KEY"), [ANNA])
    await engine.simulate(
        [
            Reacted(status_id="KEY", viewer=ANNA, reaction="💚"),
            Reacted(status_id="KEY", viewer=ANNA, reaction="", timestamp=NOW_SECONDS - 9),
            Reacted(status_id="KEY", viewer=ME, reaction="👍"),
            Replied(status_id="KEY", viewer=BORIS, text="Nice", reply_id="R1"),
            Replied(status_id="KEY", viewer=BORIS, kind=ReplyKind.STICKER),
        ]
    )
    assert gateway.of(StatusReaction) == [
        StatusReaction(wire_id=sent.wire_id, viewer=ANNA, reaction="💚", at_ms=START_MS),
        StatusReaction(wire_id=sent.wire_id, viewer=ANNA, reaction="", at_ms=START_MS - 9_000),
    ]
    text, sticker = (event.reply for event in gateway.of(StatusReply))
    assert (text.wire_id, text.viewer, text.text) == (sent.wire_id, BORIS, "Nice")
    assert (text.reply_id, text.at_ms) == ("R1", START_MS)
    assert sticker.kind is ReplyKind.STICKER
    assert sticker.reply_id.startswith("3EB0")


async def test_reactions_and_replies_may_precede_their_status_or_be_held_back(
    house: House,
) -> None:
    engine, gateway = await house.start()
    await engine.simulate(
        [
            Reacted(status_id="KEY", viewer=ANNA, reaction="💚"),
            Replied(status_id="KEY", viewer=ANNA, text="Later", timestamp=NOW_SECONDS + 5),
        ]
    )
    sent = await engine.post_status(post("KEY"), [ANNA])
    assert [event.wire_id for event in gateway.of(StatusReaction)] == ["KEY", sent.wire_id]
    assert not gateway.of(StatusReply)
    await house.clock.advance(5)
    await gateway.until(lambda: len(gateway.of(StatusReply)) == 2)
    first, second = (event.reply for event in gateway.of(StatusReply))
    assert (first.wire_id, second.wire_id) == ("KEY", sent.wire_id)
    assert first.reply_id == second.reply_id


async def test_everybody_a_script_mentions_exists(house: House) -> None:
    engine, _ = await house.start()
    viewer, author, fan, friend = (Address(phone=str(1 + n)) for n in range(4))
    await engine.simulate(
        [
            Met(address=BORIS),
            Posted(author=author, kind=Kind.TEXT, text="x"),
            Viewed(status_id="Q", viewer=viewer, kind=Progress.READ),
            Reacted(status_id="Q", viewer=fan, reaction="💚"),
            Replied(status_id="Q", viewer=friend, text="Hi"),
        ]
    )
    for known in (BORIS, viewer, author, fan, friend, ME):
        assert (await engine.look_up(known)).exists
    assert not (await engine.look_up(ANNA)).exists


@pytest.mark.parametrize(
    ("kind", "mimetype"),
    [(Kind.IMAGE, "image/jpeg"), (Kind.VIDEO, "video/mp4"), (Kind.AUDIO, "audio/ogg")],
)
async def test_statuses_without_a_file_have_a_sample(
    house: House, tmp_path: Path, kind: Kind, mimetype: str
) -> None:
    engine, gateway = await house.start()
    await engine.simulate([Posted(author=ANNA, kind=kind)])
    (event,) = gateway.of(StatusReceived)
    assert event.media is not None
    assert event.media.mimetype == mimetype
    assert event.thumbnail.startswith(b"\xff\xd8") == (kind is not Kind.AUDIO)
    await engine.download(event.media, tmp_path / "got", 10_000)
    assert (tmp_path / "got").stat().st_size == event.media.size


async def test_a_file_of_a_script_can_be_downloaded_as_long_as_it_is_there(
    house: House, tmp_path: Path
) -> None:
    engine, gateway = await house.start()
    content = b"\x89PNG\r\n\x1a\n" + bytes(1000)
    await engine.simulate([Posted(author=ANNA, kind=Kind.IMAGE, file=content)])
    (event,) = gateway.of(StatusReceived)
    ref = event.media
    assert ref is not None
    assert (ref.mimetype, ref.size, event.thumbnail) == ("image/png", 1008, b"")
    engine, gateway = await house.restart(engine, gateway)
    await engine.download(ref, tmp_path / "got", 1008)
    assert (tmp_path / "got").read_bytes() == content
    with pytest.raises(MediaUnavailable) as over:
        await engine.download(ref, tmp_path / "got", 1007)
    assert over.value.final
    await house.clock.advance(32 * 24 * 3600)
    engine, gateway = await house.restart(engine, gateway)
    with pytest.raises(MediaUnavailable) as gone:
        await engine.download(ref, tmp_path / "got", 10_000)
    assert gone.value.final


@pytest.mark.parametrize(
    "handle",
    [b"", b"{}", b"[]", b'{"sample":"../make.py"}', b'{"sha256":"../../state.json"}', b"\xff"],
)
async def test_a_foreign_handle_opens_nothing(
    house: House, tmp_path: Path, handle: bytes
) -> None:
    engine, _ = await house.start()
    with pytest.raises(MediaUnavailable):
        await engine.download(MediaRef(handle=handle, mimetype=""), tmp_path / "got", 10_000)
    assert not (tmp_path / "got").exists()


# -- posting and answering


async def test_a_post_is_acknowledged_at_once(house: House) -> None:
    engine, gateway = await house.start()
    sent = await engine.post_status(post("KEY"), [ANNA, BORIS, ME])
    assert (sent.key, sent.sent_ms, sent.recipients) == ("KEY", START_MS, (ANNA, BORIS))
    assert sent.wire_id.startswith("3EB0")
    assert (await engine.post_status(post("KEY"), [ANNA])).wire_id == sent.wire_id
    assert (await engine.post_status(post("KEY2"), [ANNA])).wire_id != sent.wire_id
    await house.clock.advance(3600)
    assert gateway.of(StatusReceipt) == []


async def test_an_answer_is_sent_once_also_over_a_crash(house: House) -> None:
    engine, gateway = await house.start()
    reaction = StatusAnswer(key="KEY", wire_id="THEIRS", author=ANNA, reaction="💚")
    sent = await engine.answer_status(reaction)
    assert (sent.key, sent.sent_ms) == ("KEY", START_MS)
    await house.clock.advance(5)
    assert await engine.answer_status(reaction) == sent
    survivor, _ = await house.start(house.crash(), cursor=gateway.cursor)
    assert await survivor.answer_status(reaction) == sent
    await survivor.stop()
    again, _ = await house.start("one+", cursor=gateway.cursor)
    assert await again.answer_status(reaction) == sent
    reply = StatusAnswer(key="KEY2", wire_id="THEIRS", author=ANNA, text="Nice")
    assert (await again.answer_status(reply)).wire_id != sent.wire_id


async def test_an_answer_waits_for_an_authorized_account(house: House) -> None:
    engine, _ = await house.start(auto_authorize=False)
    with pytest.raises(EngineUnavailable):
        await engine.answer_status(StatusAnswer(key="K", wire_id="W", author=ANNA, text="Hi"))


async def test_without_an_audience_named_contacts_get_it(house: House) -> None:
    engine, _ = await house.start()
    await engine.simulate([Met(address=ANNA, contact_name="Anna"), Met(address=BORIS)])
    assert (await engine.post_status(post(), None)).recipients == (ANNA,)


async def test_lively_viewers_come_after_a_while_also_over_a_crash(house: House) -> None:
    engine, gateway = await house.start(profile="lively")
    audience = [Address(phone=str(1000 + n)) for n in range(30)]
    sent = await engine.post_status(post(), audience)
    assert gateway.of(StatusReceipt) == []
    _, survivor = await house.start(house.crash(), cursor=gateway.cursor, profile="lively")
    await house.clock.advance(60)
    await survivor.until(lambda: len(survivor.of(StatusReceipt)) > 40)
    receipts = survivor.of(StatusReceipt)
    delivered = {e.viewer.phone for e in receipts if e.kind is Progress.DELIVERED}
    read = {e.viewer.phone for e in receipts if e.kind is Progress.READ}
    assert delivered == {address.phone for address in audience}
    assert 10 <= len(read) < 30
    assert {e.wire_ids for e in receipts} == {(sent.wire_id,)}
    assert [e.at_ms for e in receipts] == sorted(e.at_ms for e in receipts)


async def test_lively_viewers_react_and_answer_after_they_looked(house: House) -> None:
    engine, gateway = await house.start(profile="lively")
    names = {"7001": "Anna Berg", "7002": "Борис Коваль", "7003": "נועם לוי"}
    people = [Address(phone=f"{start}{n:03d}") for start in names for n in range(100)]
    await engine.simulate(
        [Met(address=one, contact_name=names[one.phone[:4]]) for one in people]
    )
    await engine.post_status(post(), None)
    await house.clock.advance(120)
    await gateway.until_it_has_all()
    read_ms = {e.viewer: e.at_ms for e in gateway.of(StatusReceipt) if e.kind is Progress.READ}
    reactions = gateway.of(StatusReaction)
    replies = [event.reply for event in gateway.of(StatusReply)]
    assert 20 <= len({event.viewer for event in reactions}) <= len(read_ms) / 2
    assert len(reactions) > len({event.viewer for event in reactions}), "some think again"
    assert all(event.at_ms > read_ms[event.viewer] for event in reactions)
    assert all(reply.at_ms > read_ms[reply.viewer] for reply in replies)
    assert 5 <= len(replies) < len(reactions)
    assert len({reply.reply_id for reply in replies}) == len(replies)
    alphabets = {"7001": "A-Za-z", "7002": "а-яё", "7003": "א-ת"}
    for reply in replies:
        assert re.search(f"[{alphabets[reply.viewer.phone[:4]]}]", reply.text)


async def test_a_burst_is_over_within_a_second(house: House) -> None:
    engine, gateway = await house.start(profile="burst")
    audience = [Address(phone=str(10_000 + n)) for n in range(2_500)]
    await engine.post_status(post(), audience)
    await house.clock.advance(1)
    await gateway.until(lambda: len(gateway.of(StatusReceipt)) == 5_000)


async def test_a_deleted_post_gets_no_more_viewers(house: House) -> None:
    engine, gateway = await house.start(profile="lively")
    kept = await engine.post_status(post("KEPT"), [ANNA])
    gone = await engine.post_status(post("GONE"), [ANNA])
    await engine.delete_status(gone.wire_id, [ANNA])
    await engine.delete_status(gone.wire_id, [ANNA])
    await house.clock.advance(120)
    await gateway.until(lambda: gateway.of(StatusReceipt))
    assert {event.wire_ids for event in gateway.of(StatusReceipt)} == {(kept.wire_id,)}


async def test_a_deleted_post_gets_no_more_reactions_and_replies(house: House) -> None:
    engine, gateway = await house.start(profile="lively")
    kept, gone = [await engine.post_status(post(key), CROWD) for key in ("KEPT", "GONE")]
    await engine.delete_status(gone.wire_id, CROWD)
    await house.clock.advance(120)
    await gateway.until_it_has_all()
    engaged = {event.wire_id for event in gateway.of(StatusReaction)}
    engaged |= {event.reply.wire_id for event in gateway.of(StatusReply)}
    assert engaged == {kept.wire_id}


async def test_hostile_networks_refuse_drop_repeat_and_reorder(house: House) -> None:
    engine, gateway = await house.start(profile="hostile")
    audience = [Address(phone=str(1000 + n)) for n in range(20)]
    outcomes = ""
    for number in range(14):
        try:
            await engine.post_status(post(f"KEY{number}"), audience)
            outcomes += "+"
        except EngineRejected as error:
            outcomes += f" {error.code} "
        except EngineUnavailable:
            outcomes += "-"
            with pytest.raises(EngineUnavailable):
                await engine.look_up(ANNA)
            await house.clock.advance(2)
            await gateway.until_changes(1 + 2 * outcomes.count("-"))
            assert gateway.of(StateChanged)[-1].state is EngineState.OPEN
    assert outcomes == "++++ 479 +-++ 479 +++-"
    early = [e for e in gateway.of(StatusReceipt) if e.at_ms <= house.clock.now_ms()]
    assert early
    await house.clock.advance(10)
    await gateway.until(lambda: len(set(receipts_told(gateway))) == 10 * 20 * 2)
    told = receipts_told(gateway)
    assert len(told) > len(set(told))
    first_kinds: dict[object, Progress] = {}
    for wire_ids, viewer, kind in told:
        first_kinds.setdefault((wire_ids, viewer), kind)
    assert set(first_kinds.values()) == {Progress.DELIVERED, Progress.READ}
