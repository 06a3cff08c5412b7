"""The real engine when things go wrong: connections, refusals, crashes, hostile people."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from statusgate.domain.address import Address
from statusgate.domain.errors import (
    EngineRejected,
    EngineSilent,
    EngineUnavailable,
    EngineUncertain,
)
from statusgate.domain.events import (
    ContactsChanged,
    EngineDied,
    EngineState,
    IdentityLearned,
    LinkingEnded,
    QrCode,
    StateChanged,
    StatusReceipt,
    StatusReceived,
    StatusUndecryptable,
)
from statusgate.domain.post import StatusAnswer
from statusgate.domain.receipt import Progress
from statusgate.engines.neonize.config import Exit, Setup
from statusgate.engines.neonize.hosts import Hosts
from statusgate.engines.neonize.ipc import VERSION, From, Hello
from tests.contract.test_engine_neonize_support import (
    FAST,
    Account,
    account,
    both_sizes,
    by_phone,
    crowd,
    living_in,
    new_hosts,
    strangers,
    text,
    whole,
)
from tests.waiting import eventually
from tests.whatsapp.client import FakeWhatsApp, Person

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("lawful"),
]


async def published(anna: Account, mine: Account, words: str) -> str:
    sent = await anna.engine.post_status(text(words), [by_phone(mine.person)])
    return sent.wire_id


# -- the connection


def receipts_from(mine: Account, viewer: Person) -> list[StatusReceipt]:
    return [one for one in mine.all_of(StatusReceipt) if one.viewer.meets(whole(viewer))]


@pytest.mark.parametrize("how", ["close", "rst", "midframe"])
async def test_a_dropped_connection_comes_back_and_nothing_is_lost(
    fake: FakeWhatsApp, boris: Account, anna: Account, how: str
) -> None:
    boris.heard.clear()
    fake.drop(boris.device, how)  # type: ignore[arg-type]
    await boris.expect_state(EngineState.CLOSED)
    wire_id = await published(anna, boris, "meanwhile")
    await boris.expect_state(EngineState.OPEN)
    await boris.expect(StatusReceived, wire_id=wire_id)
    assert boris.states() == [EngineState.CLOSED, EngineState.OPEN]


@both_sizes
async def test_a_stream_error_without_code_restarts_the_worker(
    fake: FakeWhatsApp, mine: Account, anna: Account
) -> None:
    mine.heard.clear()
    logins = len(fake.history(event="login", device=mine.device))
    fake.stream_error(mine.device)
    await mine.expect(EngineDied, exit_code=Exit.RESTART)
    await mine.expect_state(EngineState.OPEN)
    assert len(fake.history(event="login", device=mine.device)) == logins + 1
    wire_id = await published(anna, mine, "after the error")
    await mine.expect(StatusReceived, wire_id=wire_id)
    fake.violations(take=True)  # the server counts the dead connection as a second one


async def test_a_replaced_session_does_not_fight_back(
    fake: FakeWhatsApp, mine: Account
) -> None:
    mine.heard.clear()
    logins = len(fake.history(event="login", device=mine.device))
    began = time.monotonic()
    fake.replaced(mine.device)
    await mine.expect_state(EngineState.REPLACED)
    await mine.expect(EngineDied, exit_code=Exit.REPLACED)
    with pytest.raises(EngineUnavailable):
        await mine.engine.post_status(text("no"), None)
    await mine.expect_state(EngineState.OPEN)
    assert time.monotonic() - began >= FAST.replaced_hold
    assert len(fake.history(event="login", device=mine.device)) == logins + 1


async def test_removal_on_the_phone_logs_out(fake: FakeWhatsApp, mine: Account) -> None:
    mine.heard.clear()
    fake.removed(mine.device)
    await mine.expect_state(EngineState.LOGGED_OUT)
    await eventually(lambda: mine.engine.pid is None)
    mine.heard.clear()
    await mine.pair()


@pytest.mark.parametrize(
    ("reason", "state", "alarm"),
    [
        (401, EngineState.LOGGED_OUT, False),
        (402, EngineState.BANNED, False),
        (403, EngineState.LOGGED_OUT, False),
        (405, EngineState.OUTDATED, True),
        (406, EngineState.BLOCKED, False),
    ],
)
async def test_a_refused_login_is_told_as_what_it_is(
    fake: FakeWhatsApp, mine: Account, reason: int, state: EngineState, alarm: bool
) -> None:
    mine.heard.clear()
    fake.fault("failure", mine.device, reason=reason, code=101, expire=3600)
    fake.drop(mine.device)
    told = await mine.expect_state(state)
    await eventually(lambda: mine.engine.pid is None)
    if state is EngineState.BANNED:
        assert abs(told.until_ms - time.time() * 1000 - 3_600_000) < 60_000
    assert any(died.alarm for died in mine.all_of(EngineDied)) == alarm
    fake.clear_faults()
    await mine.engine.logout()
    assert mine.engine.pid is None


async def test_a_busy_server_is_tried_again(fake: FakeWhatsApp, boris: Account) -> None:
    boris.heard.clear()
    fake.fault("failure", boris.device, times=1, reason=503)
    fake.drop(boris.device)
    await boris.expect_state(EngineState.OPEN)


async def test_without_a_way_to_whatsapp_linking_ends(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    nowhere = "http://127.0.0.1:9"
    async with account(fake, tmp_path, strangers(1)[0], linked=False, proxy=nowhere) as mine:
        await mine.engine.begin_linking()
        await mine.expect(LinkingEnded)
        assert not mine.all_of(StateChanged)


async def test_a_slow_server_is_waited_for(fake: FakeWhatsApp, boris: Account) -> None:
    fake.fault("slow", boris.device, latency_ms=200, bytes_per_s=20_000)
    await boris.restart()
    await boris.expect_state(EngineState.OPEN)
    sent = await boris.engine.post_status(text("slowly"), [])
    assert sent.wire_id


# -- posting


async def test_a_refusal_is_told_and_not_repeated(fake: FakeWhatsApp, tmp_path: Path) -> None:
    async with account(fake, tmp_path, strangers(1)[0], addressing="pn") as mine:
        for number, code in enumerate((463, 479, 500), 1):
            fake.fault("refuse_post", mine.device, times=1, code=code)
            post = text("refused")
            for _ in range(2):
                with pytest.raises(EngineRejected) as refusal:
                    await mine.engine.post_status(post, None)
                assert refusal.value.code == code
            assert len(fake.posts(device=mine.device)) == number


async def test_recipients_are_named_by_lid_once_the_phone_is_refused(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    me, friend = strangers(2)
    fake.account(friend)
    async with account(fake, tmp_path, me, knows=[friend]) as mine:
        await mine.expect(ContactsChanged)
        fake.fault("require", mine.device, addressing="lid")
        sent = await mine.engine.post_status(text("by lid"), None)
        assert sent.recipients == (whole(friend),)
        assert len(fake.posts(device=mine.device)) == 2
        await mine.engine.post_status(text("at once"), None)
        assert len(fake.posts(device=mine.device)) == 3
        fake.clear_faults()


async def test_without_an_answer_a_post_is_uncertain_and_stays_so(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    timing = msgspec.structs.replace(FAST, send=2.0)
    async with account(fake, tmp_path, strangers(1)[0], timing=timing) as mine:
        fake.fault("ack_never", mine.device, times=1)
        post = text("perhaps")
        for _ in range(2):
            with pytest.raises(EngineUncertain) as doubt:
                await mine.engine.post_status(post, None)
            assert doubt.value.key == post.key
            mine.heard.clear()
            if not _:
                await mine.expect_state(EngineState.OPEN)
        assert len(fake.posts(device=mine.device)) == 1
        fake.violations(take=True)


async def test_an_answer_without_time_is_an_answer(fake: FakeWhatsApp, boris: Account) -> None:
    fake.fault("ack_no_t", boris.device, times=1)
    sent = await boris.engine.post_status(text("when?"), None)
    assert sent.sent_ms is None


async def test_unconnected_nothing_is_posted(mine: Account) -> None:
    await mine.engine.stop()
    with pytest.raises(EngineUnavailable):
        await mine.engine.post_status(text("no"), None)


async def test_a_post_at_work_when_the_account_stops_is_answered_as_sent(
    fake: FakeWhatsApp, mine: Account
) -> None:
    fake.fault("ack_delay", mine.device, times=1, ms=1000)
    posting = asyncio.create_task(mine.engine.post_status(text("last words"), []))
    await eventually(lambda: fake.posts(device=mine.device))
    await mine.stop()
    assert (await posting).wire_id == fake.posts(device=mine.device)[0]["id"]


# -- crashes


@pytest_asyncio.fixture(loop_scope="module")
async def author(fake: FakeWhatsApp, tmp_path: Path) -> AsyncIterator[Account]:
    """An account that a crash of the others does not touch."""
    with living_in(new_hosts(fake, 1)):
        async with account(fake, tmp_path, strangers(1)[0]) as made:
            yield made


@both_sizes
async def test_killed_at_any_time_the_worker_loses_nothing_it_has_spooled(
    fake: FakeWhatsApp, mine: Account, author: Account
) -> None:
    """What was told once is told again, in order, as long as it is not acknowledged."""
    mine.acknowledging = False
    cursor = mine.cursor
    ids = []
    for round_number in range(4):
        mine.heard.clear()
        ids += [await published(author, mine, f"{round_number}.{n}") for n in range(3)]
        await asyncio.sleep(0.004 * round_number)
        pid = mine.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await mine.expect(EngineDied)
        await mine.expect_state(EngineState.OPEN)
    told = {one for one in mine.numbers if one > cursor}
    await mine.stop()
    mine.acknowledging = True
    mine.numbers.clear()
    await mine.restart()
    last = await published(author, mine, "after all")
    await mine.expect(StatusReceived, wire_id=last)
    assert told <= set(mine.numbers)
    assert mine.numbers == sorted(set(mine.numbers))
    got = [status.wire_id for status in mine.all_of(StatusReceived)]
    assert len(got) == len(set(got))
    assert set(got) <= {*ids, last}  # what a kill catches before the spool is lost
    fake.violations(take=True)  # killed with stanzas in hand


@both_sizes
async def test_names_changed_for_a_post_are_put_back_after_a_crash(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    me, chosen, other = strangers(3)
    for person in (chosen, other):
        fake.account(person)
    async with account(fake, tmp_path, me, knows=[chosen, other]) as mine:
        await mine.expect(ContactsChanged)
        fake.fault("ack_never", mine.device, times=1)
        post = text("cut short")
        posting = asyncio.create_task(mine.engine.post_status(post, [by_phone(chosen)]))
        await eventually(lambda: fake.posts(device=mine.device))
        mine.heard.clear()
        pid = mine.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(EngineUncertain):
            await posting
        await mine.expect_state(EngineState.OPEN)
        news = await mine.expect(ContactsChanged)
        assert all(contact.contact_name for contact in news.contacts)
        sent = await mine.engine.post_status(text("to all"), None)
        assert {one.phone for one in sent.recipients} == {chosen.phone, other.phone}


async def test_an_answer_cut_short_by_a_crash_is_uncertain_and_never_sent_again(
    fake: FakeWhatsApp, mine: Account
) -> None:
    author = strangers(1)[0]
    fake.account(author)
    for number, reaction in enumerate(("💚", None), 1):
        fake.fault("ack_never", mine.device, times=1)
        answer = StatusAnswer(
            key=f"CUT{number}",
            wire_id="3EB0",
            author=by_phone(author),
            reaction=reaction,
            text="how much?",
        )
        answering = asyncio.create_task(mine.engine.answer_status(answer))
        await eventually(lambda sent=number: len(fake.posts(device=mine.device)) == sent)  # type: ignore[misc]
        mine.heard.clear()
        pid = mine.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(EngineUncertain):
            await answering
        await mine.expect_state(EngineState.OPEN)
        with pytest.raises(EngineUncertain):
            await mine.engine.answer_status(answer)
        assert len(fake.posts(device=mine.device)) == number


@both_sizes
async def test_a_stopped_worker_is_replaced(fake: FakeWhatsApp, tmp_path: Path) -> None:
    impatient = msgspec.structs.replace(FAST, beat=0.7, kill_after=0.3)
    async with account(fake, tmp_path, strangers(1)[0], timing=impatient) as mine:
        mine.heard.clear()
        pid = mine.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await mine.expect(EngineDied)
        await mine.expect_state(EngineState.OPEN)


@both_sizes
async def test_a_worker_whose_gateway_dies_drains_and_ends(
    fake: FakeWhatsApp, mine: Account
) -> None:
    await mine.stop()
    setup = Setup(version=VERSION, directory=str(mine.folder), proxy=fake.proxy, timing=FAST)
    hosts = Hosts(module="tests.whatsapp.worker", environment=fake.environment())
    worker = await hosts.place(setup)
    assert isinstance(await anext(worker.frames()), Hello)
    worker.send(From(seq=mine.cursor, acked=mine.cursor))
    await eventually(lambda: fake.connected(mine.device))
    longest = FAST.send_drain + FAST.ack_drain + 5  # the worker's own deadline
    async with asyncio.timeout(longest + 25):
        assert await worker.wait() == Exit.DRAINED  # closes the socket


@both_sizes
async def test_two_workers_never_share_an_account(fake: FakeWhatsApp, boris: Account) -> None:
    second = Account(fake, boris.person, boris.folder)
    try:
        await second.start()
        await second.expect(EngineDied, exit_code=Exit.LOCKED)
        wire = await boris.engine.post_status(text("undisturbed"), None)
        assert wire.wire_id
    finally:
        await second.stop()


@both_sizes
@pytest.mark.parametrize("damage", ["missing", "garbage", "older"])
async def test_a_lost_session_is_told_and_never_replaced_by_a_new_one(
    fake: FakeWhatsApp, mine: Account, damage: str
) -> None:
    store = mine.folder / "session.db"
    first = store.read_bytes()
    await mine.restart()
    await mine.expect_state(EngineState.OPEN)
    await mine.engine.post_status(text("moves the ratchet"), None)
    await mine.stop()
    if damage == "missing":
        store.unlink()
    else:
        store.write_bytes(b"?" * 5000 if damage == "garbage" else first)
    mine.heard.clear()
    await mine.restart()
    closed = await mine.expect_state(EngineState.CLOSED)
    assert "session store" in closed.reason
    died = await mine.expect(EngineDied, exit_code=Exit.STORE_LOST)
    assert died.alarm
    with pytest.raises(EngineUnavailable, match="log out"):
        await mine.engine.begin_linking()
    assert not mine.all_of(QrCode)

    await mine.engine.logout()
    await mine.expect_state(EngineState.LOGGED_OUT)
    if damage != "missing":
        assert list(mine.folder.glob("session.db.aside-*"))
    mine.heard.clear()
    await mine.pair()
    fake.violations(take=True)


# -- what others send


async def test_an_unreadable_status_is_a_gap_and_holds_nothing_back(
    fake: FakeWhatsApp, boris: Account, anna: Account
) -> None:
    await boris.stop()
    wire_id = await published(anna, boris, "behind it")
    fake.undecryptable(boris.device, anna.device, "3EB0BAD0BAD0", front=True)
    await boris.restart()
    gap = await boris.expect(StatusUndecryptable)
    assert gap.wire_id == "3EB0BAD0BAD0"
    assert gap.author.meets(whole(anna.person))
    await boris.expect(StatusReceived, 2, wire_id=wire_id)


async def test_receipts_come_as_they_like(fake: FakeWhatsApp, boris: Account) -> None:
    boris.heard.clear()
    viewers = crowd(fake, 6)
    fake.fault(
        "early_receipt",
        boris.device,
        times=1,
        viewers=[viewers[0].address()],
        kind="",
    )
    sent = await boris.engine.post_status(text("seen"), [by_phone(one) for one in viewers])
    early = await boris.expect_receipt(Progress.DELIVERED)
    assert early.wire_ids == (sent.wire_id,)
    boris.heard.clear()
    fake.fault("duplicate", boris.device, copies=2)
    fake.receipts(boris.device, sent.wire_id, viewers[1:2], "inactive")
    fake.receipts(boris.device, sent.wire_id, viewers[2:3], "read", by="lid", both=True)
    fake.receipts(boris.device, sent.wire_id, viewers[3:4], "played", by="lid", both=False)
    fake.receipts(boris.device, sent.wire_id, viewers[4:], "read", grouped=True)
    fake.receipts(boris.device, sent.wire_id, [boris.person], "read-self")
    fake.receipts(boris.device, sent.wire_id, [boris.person], "sender")
    for viewer, progress in zip(
        viewers[1:], [Progress.DELIVERED] + 4 * [Progress.READ], strict=True
    ):
        told = await eventually(partial(receipts_from, boris, viewer), str(viewer))
        assert {receipt.kind for receipt in told} == {progress}
    assert not [
        one for one in boris.all_of(StatusReceipt) if one.viewer.meets(whole(boris.person))
    ]
    await boris.expect(IdentityLearned, address=whole(viewers[2]))


async def test_receipts_in_the_wrong_order_all_count(
    fake: FakeWhatsApp, boris: Account
) -> None:
    (viewer,) = crowd(fake, 1)
    fake.fault("reorder", boris.device, count=4, seed=2)
    for wire_id in ("3EB0FIRST", "3EB0SECOND"):
        fake.receipts(boris.device, wire_id, [viewer])
        fake.receipts(boris.device, wire_id, [viewer], "read")
    told = partial(receipts_from, boris, viewer)
    await eventually(lambda: len(told()) == 4)
    assert {(one.wire_ids[0], one.kind) for one in told()} == {
        (wire_id, kind)
        for wire_id in ("3EB0FIRST", "3EB0SECOND")
        for kind in (Progress.DELIVERED, Progress.READ)
    }
    fake.violations(take=True)  # receipts for statuses that were never posted


async def test_the_phone_of_a_viewer_told_by_lid_is_looked_up(
    fake: FakeWhatsApp, mine: Account, anna: Account
) -> None:
    await mine.expect(StatusReceived, wire_id=await published(anna, mine, "we met"))
    await mine.restart()
    await mine.expect_state(EngineState.OPEN)
    fake.receipts(mine.device, "3EB0SOMETHING", [anna.person], "read", by="lid", both=False)
    receipt = await mine.expect(StatusReceipt)
    assert receipt.viewer.meets(whole(anna.person))
    await mine.expect(IdentityLearned, address=whole(anna.person))


async def test_hostile_names_are_cut_and_cleaned(
    fake: FakeWhatsApp, boris: Account, anna: Account
) -> None:
    fake.fault("notify", anna.device, text="\x00\x1b" + "A" * 300_000)
    wire_id = await published(anna, boris, "hello")
    got = await boris.expect(StatusReceived, wire_id=wire_id)
    assert len(got.push_name) == 256
    assert got.push_name.startswith("\ufffd\ufffdA")


async def test_a_flood_of_receipts_loses_none(fake: FakeWhatsApp, boris: Account) -> None:
    viewers = crowd(fake, 500)
    sent = await boris.engine.post_status(text("popular"), [])
    fake.receipts(boris.device, sent.wire_id, viewers, "read")

    def readers() -> set[Address]:
        receipts = boris.all_of(StatusReceipt)
        return {one.viewer for one in receipts if one.wire_ids == (sent.wire_id,)}

    await eventually(lambda: len(readers()) >= len(viewers))
    assert readers() == set(map(whole, viewers))


async def test_asking_for_codes_again_and_again_does_not_disturb_the_new_session(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    for one in strangers(2):
        async with account(fake, tmp_path, one, linked=False) as mine:

            async def ask(times: int, mine: Account = mine) -> None:
                for _ in range(times):
                    await mine.engine.begin_linking()

            await asyncio.gather(*(ask(40) for _ in range(3)))
            await mine.expect(QrCode)
            assert not mine.all_of(EngineDied)
            assert not mine.all_of(LinkingEnded)


async def test_a_question_without_an_answer_ends_a_post_before_it_is_sent(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    timing = msgspec.structs.replace(FAST, audience=1.0)
    async with account(fake, tmp_path, strangers(1)[0], timing=timing) as mine:
        fake.fault("unanswered", mine.device, times=1, query="status")
        post = text("patience")
        with pytest.raises(EngineSilent, match="who may see it"):
            await mine.engine.post_status(post, None)
        mine.heard.clear()
        await mine.expect_state(EngineState.OPEN)
        await mine.engine.post_status(post, None)
        assert len(fake.posts(device=mine.device)) == 1


async def test_a_question_without_an_answer_while_sending_leaves_a_post_uncertain(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    timing = msgspec.structs.replace(FAST, send=1.0)
    mine_and_friend = strangers(2)
    async with account(
        fake, tmp_path, mine_and_friend[0], knows=mine_and_friend[1:], timing=timing
    ) as mine:
        fake.fault("unanswered", mine.device, query="usync")
        with pytest.raises(EngineUncertain):
            await mine.engine.post_status(text("patience"), None)
        fake.clear_faults()


@both_sizes
async def test_a_worker_that_takes_too_much_memory_is_ended_and_says_why(
    boris: Account,
) -> None:
    await boris.restart(memory_bytes=40 * 1024 * 1024)
    died = await boris.expect(EngineDied, exit_code=Exit.MEMORY)
    assert "engine_memory_mb" in died.reason
    await boris.restart(memory_bytes=1024 * 1024 * 1024)
    await boris.expect_state(EngineState.OPEN)


async def test_linking_ends_at_once_when_whatsapp_cannot_be_reached(
    fake: FakeWhatsApp, tmp_path: Path
) -> None:
    nobody = "http://127.0.0.1:9"
    async with account(
        fake, tmp_path, strangers(1)[0], linked=False, proxy=nobody, timing=FAST
    ) as mine:
        await mine.engine.begin_linking()
        ended = await mine.expect(LinkingEnded)
        assert ended.reason == "WhatsApp cannot be reached"


async def test_more_people_than_a_message_can_name_are_refused_before_it_is_sent(
    fake: FakeWhatsApp, boris: Account
) -> None:
    before = fake.posts(device=boris.device)
    crowd = [Address(phone=f"7999{number:07d}") for number in range(65_001)]
    with pytest.raises(EngineRejected, match="65001 people; 65000 are the most"):
        await boris.engine.post_status(text("everybody"), crowd)
    assert fake.posts(device=boris.device) == before
    await boris.engine.post_status(text("somebody"), crowd[:1])
