"""The sandbox behind the ports ``Engine`` and ``Sandbox``."""

import asyncio
import contextlib
import gc
import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from statusgate.domain.address import Address
from statusgate.domain.errors import (
    EngineRejected,
    EngineUnavailable,
    InvalidRequest,
    MediaUnavailable,
)
from statusgate.domain.events import (
    ContactsChanged,
    EngineEvent,
    EngineState,
    LinkingEnded,
    Paired,
    QrCode,
    Sequenced,
    StateChanged,
    StatusDeleted,
    StatusReaction,
    StatusReceipt,
    StatusReceived,
    StatusReply,
)
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import State
from statusgate.domain.media import MediaRef
from statusgate.domain.post import StatusAnswer, StatusPost
from statusgate.domain.receipt import Progress
from statusgate.domain.reply import ReplyKind
from statusgate.domain.script import (
    Met,
    Moved,
    Posted,
    Reacted,
    Replied,
    ScriptEvent,
    Viewed,
    Withdrawn,
)
from statusgate.domain.status import Kind
from statusgate.engines.account_store import AccountStore, StoreFull
from statusgate.engines.options import OptionValue
from statusgate.engines.port import Engine, Sandbox
from statusgate.engines.simulated import SimulatedEngine
from tests.clocks import START_MS, VirtualClock
from tests.waiting import eventually, stays

T = TypeVar("T")

ACCOUNT = InstanceId(1101000001)
ME = Address(phone="71101000001")
ANNA = Address(phone="79001234567")
BORIS = Address(lid="222000000000001")
CROWD = [Address(phone=str(1000 + n)) for n in range(100)]
NOW_SECONDS = START_MS // 1000


class Gateway:
    """The parent: commits what an engine tells, in order, and remembers how far it is."""

    def __init__(self, engine: SimulatedEngine, cursor: int = 0) -> None:
        self.engine = engine
        self.cursor = cursor
        self.events: list[EngineEvent] = []
        self.volatile: list[EngineEvent] = []
        self.acking = True
        self._task = asyncio.create_task(self._consume(engine.events(cursor)))

    async def _consume(self, events: AsyncIterator[Sequenced]) -> None:
        async for told in events:
            if told.seq == 0:
                self.volatile += told.events
                continue
            assert told.seq > self.cursor
            self.cursor = told.seq
            self.events += told.events
            if self.acking:
                await self.engine.ack(told.seq)

    async def until(self, condition: Callable[[], object]) -> None:
        def met() -> object:
            if self._task.done():
                self._task.result()
            return condition()

        await eventually(met)

    async def until_told(self) -> None:
        await self.until(lambda: self.events)

    async def until_changes(self, count: int) -> None:
        await self.until(lambda: len(self.of(StateChanged)) == count)

    async def until_it_has_all(self) -> None:
        """Wait until nothing is scheduled back and everything is acknowledged."""
        await self.until(lambda: self.engine.is_settled)

    async def ended(self) -> None:
        """Wait until the engine has ended the events."""
        async with asyncio.timeout(30):
            await self._task

    async def end(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def log(self) -> bytes:
        return msgspec.json.encode(self.events)


class House:
    """Engines on one clock, all stopped at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = VirtualClock()
        self._open: list[tuple[SimulatedEngine, Gateway]] = []

    def engine(self) -> SimulatedEngine:
        return SimulatedEngine(ACCOUNT, self.root / "one", self.clock, {})

    async def start(
        self, name: str = "one", *, cursor: int = 0, seed: str = "test", **options: OptionValue
    ) -> tuple[SimulatedEngine, Gateway]:
        engine = SimulatedEngine(ACCOUNT, self.root / name, self.clock, options, seed)
        await engine.start()
        gateway = Gateway(engine, cursor)
        self._open.append((engine, gateway))
        return engine, gateway

    async def restart(
        self, engine: SimulatedEngine, gateway: Gateway
    ) -> tuple[SimulatedEngine, Gateway]:
        await engine.stop()
        await gateway.end()
        return await self.start(cursor=gateway.cursor)

    def crash(self, name: str = "one") -> str:
        """Return the name of what the disk holds this moment."""
        shutil.copytree(self.root / name, self.root / f"{name}+")
        return f"{name}+"

    async def end(self) -> None:
        for engine, gateway in self._open:
            await gateway.end()
            await engine.stop()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    yield house
    await house.end()


def post(key: str = "3EB00000000000000001", text: str = "Hi") -> StatusPost:
    return StatusPost(key=key, kind=Kind.TEXT, text=text)


def text_of(event: StatusReceived) -> str:
    return event.text


# -- life and linking


async def test_it_is_an_engine_and_a_sandbox(house: House) -> None:
    engine: Engine = house.engine()
    sandbox: Sandbox = house.engine()
    assert engine is not None
    assert sandbox is not None


async def test_the_first_start_links_the_account(house: House) -> None:
    _, gateway = await house.start()
    await gateway.until(lambda: gateway.cursor == 1)
    paired, opened = gateway.events
    assert paired == Paired(me=ME, device=1, push_name="Sandbox", at_ms=START_MS)
    assert isinstance(opened, StateChanged)
    assert (opened.state, opened.me) == (EngineState.OPEN, ME)


@pytest.mark.parametrize(
    ("instance_id", "phone"), [(5, "70000000005"), (123456789012345678, "79012345678")]
)
async def test_the_number_comes_from_the_instance_id(
    tmp_path: Path, instance_id: int, phone: str
) -> None:
    engine = SimulatedEngine(InstanceId(instance_id), tmp_path, VirtualClock(), {})
    await engine.start()
    gateway = Gateway(engine)
    await gateway.until_told()
    assert gateway.of(Paired)[0].me == Address(phone=phone)
    await gateway.end()
    await engine.stop()


async def test_state_is_back_when_a_restart_returns(house: House) -> None:
    engine, gateway = await house.start()
    await engine.simulate([Met(address=ANNA, contact_name="Anna K")])
    engine, again = await house.restart(engine, gateway)
    assert (await engine.look_up(ANNA)).exists
    assert (await engine.post_status(post(), None)).recipients == (ANNA,)
    await again.until_told()
    assert [event.state for event in again.of(StateChanged)] == [EngineState.OPEN]
    assert again.of(Paired) == []


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.NOT_AUTHORIZED, EngineState.LOGGED_OUT),
        (State.BLOCKED, EngineState.BLOCKED),
        (State.STARTING, EngineState.CONNECTING),
        (State.SUSPENDED, EngineState.BANNED),
    ],
)
async def test_scripted_states_last_over_a_restart(
    house: House, state: State, told: EngineState
) -> None:
    engine, gateway = await house.start()
    await engine.simulate([Moved(state=state)])
    assert gateway.of(StateChanged)[-1].state is told
    for _ in range(2):
        with pytest.raises(EngineUnavailable):
            await engine.post_status(post(), [ANNA])
        with pytest.raises(EngineUnavailable):
            await engine.look_up(ANNA)
        with pytest.raises(EngineUnavailable):
            await engine.delete_status("X", [])
        with pytest.raises(EngineUnavailable):
            await engine.mark_viewed("X", ANNA)
        engine, gateway = await house.restart(engine, gateway)
        await gateway.until_told()
        assert gateway.of(StateChanged)[-1].state is told
    await engine.simulate([Moved(state=State.AUTHORIZED)])
    await engine.post_status(post(), [ANNA])


async def test_a_wid_counts_only_when_linking_from_not_authorized(house: House) -> None:
    engine, gateway = await house.start()
    await engine.simulate([Moved(state=State.BLOCKED)])
    await engine.simulate([Moved(state=State.AUTHORIZED, phone="15550001")])
    assert gateway.of(StateChanged)[-1].me == ME
    await engine.simulate([Moved(state=State.NOT_AUTHORIZED)])
    await engine.simulate([Moved(state=State.AUTHORIZED, phone="15550001")])
    assert gateway.of(Paired)[-1] == Paired(
        me=Address(phone="15550001"), device=2, push_name="Sandbox", at_ms=START_MS
    )
    engine, gateway = await house.restart(engine, gateway)
    await gateway.until_told()
    assert gateway.of(StateChanged)[-1].me == Address(phone="15550001")


async def test_codes_are_shown_until_a_script_links(house: House) -> None:
    engine, gateway = await house.start(auto_authorize=False)
    await gateway.until_told()
    assert [event.state for event in gateway.of(StateChanged)] == [EngineState.LOGGED_OUT]
    await engine.begin_linking()
    await engine.begin_linking()
    await gateway.until(lambda: gateway.volatile)
    await house.clock.advance(20)
    await gateway.until(lambda: len(gateway.volatile) == 2)
    first, second = gateway.volatile
    assert isinstance(first, QrCode)
    assert isinstance(second, QrCode)
    assert first.payload.startswith("sim:")
    assert first.payload != second.payload
    assert second.expires_ms == START_MS + 40_000
    late = Gateway(engine, gateway.cursor)
    await late.until(lambda: late.volatile)
    assert late.volatile == [second]
    await late.end()
    code = await engine.request_pairing_code("79001234567")
    assert len(code) == 8
    assert code.isalnum()
    await engine.simulate([Moved(state=State.AUTHORIZED)])
    assert gateway.of(Paired)[0].me == ME
    await house.clock.advance(60)
    assert len(gateway.volatile) == 2
    with pytest.raises(EngineUnavailable):
        await engine.request_pairing_code("79001234567")


async def test_codes_run_out_and_can_be_asked_for_again(house: House) -> None:
    engine, gateway = await house.start(auto_authorize=False)
    await gateway.until_told()
    await engine.begin_linking()
    await house.clock.advance(400)
    await gateway.until(lambda: LinkingEnded(reason="timeout") in gateway.volatile)
    assert len(gateway.volatile) == 10
    assert gateway.volatile[8] == QrCode(payload="")
    await engine.begin_linking()
    await gateway.until(lambda: len(gateway.volatile) == 11)


async def test_a_logout_is_kept_and_is_no_error_when_not_linked(house: House) -> None:
    engine, gateway = await house.start()
    await engine.logout()
    await engine.logout()
    await gateway.until(lambda: gateway.cursor == 3)
    assert gateway.of(StateChanged)[-1].state is EngineState.LOGGED_OUT
    engine, gateway = await house.restart(engine, gateway)
    await gateway.until_told()
    assert gateway.of(StateChanged)[-1].state is EngineState.LOGGED_OUT


async def test_start_and_stop_may_be_repeated(house: House) -> None:
    engine, gateway = await house.start()
    await engine.start()
    await engine.stop()
    await engine.stop()
    await gateway.end()
    with pytest.raises(EngineUnavailable):
        await engine.simulate([])
    with pytest.raises(EngineUnavailable):
        engine.events(0)
    await engine.ack(5)
    await engine.start()
    await engine.post_status(post(), [])


async def test_the_events_end_with_the_engine(house: House) -> None:
    engine, gateway = await house.start()
    await gateway.until_told()
    await engine.stop()
    await gateway.ended()


async def test_a_stop_is_bounded_when_nobody_acknowledges(house: House) -> None:
    engine, gateway = await house.start()
    gateway.acking = False
    stopping = asyncio.create_task(engine.stop())
    await house.clock.advance(2)
    async with asyncio.timeout(30):
        await stopping


async def test_a_spoiled_state_is_no_fresh_account(house: House) -> None:
    engine, gateway = await house.start()
    await engine.stop()
    await gateway.end()
    store = AccountStore(house.root / "one")
    store.run("UPDATE sandbox SET state = ?", b"{")
    store.close()
    with pytest.raises(EngineUnavailable, match="unreadable"):
        await house.engine().start()


async def test_a_second_owner_is_kept_away(house: House) -> None:
    await house.start()
    with pytest.raises(EngineUnavailable):
        await house.engine().start()


@pytest.mark.parametrize(
    "options", [{"profile": "loud"}, {"auto_authorize": "perhaps"}, {"contacts": -1}]
)
async def test_a_wrong_option_stops_its_account_alone(
    tmp_path: Path, options: dict[str, OptionValue]
) -> None:
    engine = SimulatedEngine(ACCOUNT, tmp_path, VirtualClock(), options)
    with pytest.raises(InvalidRequest, match="engine options"):
        await engine.start()
    await engine.stop()


async def test_options_may_be_strings_and_foreign(tmp_path: Path) -> None:
    options: dict[str, OptionValue] = {
        "auto_authorize": "no",
        "contacts": "3",
        "push_name": "Shop",
        "proxy": "socks5://localhost",
    }
    engine = SimulatedEngine(ACCOUNT, tmp_path, VirtualClock(), options)
    await engine.start()
    gateway = Gateway(engine)
    await gateway.until_told()
    assert len(gateway.of(ContactsChanged)[0].contacts) == 3
    await engine.simulate([Moved(state=State.AUTHORIZED)])
    assert gateway.of(Paired)[0].push_name == "Shop"
    await gateway.end()
    await engine.stop()


# -- the log


async def test_a_script_is_one_record_and_returns_once_it_is_committed(house: House) -> None:
    engine, gateway = await house.start()
    await gateway.until_told()
    gateway.acking = False
    script: list[ScriptEvent] = [
        Met(address=ANNA, contact_name="Anna"),
        Met(address=BORIS),
        Posted(author=ANNA, kind=Kind.TEXT, text="Hello", status_id="A1"),
        Withdrawn(status_id="A1", author=ANNA),
    ]
    simulating = asyncio.create_task(engine.simulate(script))
    await gateway.until(lambda: gateway.cursor == 2)
    assert [type(event) for event in gateway.events[2:]] == [
        ContactsChanged,
        StatusReceived,
        StatusDeleted,
    ]
    await stays(lambda: not simulating.done(), 0.05)
    await engine.ack(2)
    await simulating


async def test_what_was_not_acknowledged_is_told_again_after_a_crash(house: House) -> None:
    engine, gateway = await house.start()
    await gateway.until_told()
    gateway.acking = False
    waiting = asyncio.create_task(
        engine.simulate([Posted(author=ANNA, kind=Kind.TEXT, text="Hello")])
    )
    await gateway.until(lambda: gateway.cursor == 2)
    _, survivor = await house.start(house.crash(), cursor=1)
    await survivor.until(lambda: survivor.cursor == 3)
    assert survivor.events[:-1] == gateway.events[-1:]
    waiting.cancel()


async def test_what_was_acknowledged_is_not_told_again(house: House) -> None:
    engine, gateway = await house.start()
    for number in range(600):
        await engine.simulate([Posted(author=ANNA, kind=Kind.TEXT, text=str(number))])
    engine, again = await house.restart(engine, gateway)
    await again.until_told()
    assert again.of(StatusReceived) == []
    stored = sum(path.stat().st_size for path in (house.root / "one").iterdir())
    assert stored < 200_000
    assert (await engine.look_up(ANNA)).exists


async def test_a_caller_who_gives_up_does_not_tear_a_script(house: House) -> None:
    engine, gateway = await house.start()
    await gateway.until_told()
    script = [Posted(author=ANNA, kind=Kind.TEXT, text=str(n)) for n in range(50)]
    for delay in (0, 1, 2, 3, 5, 8):
        simulating = asyncio.create_task(engine.simulate(script))
        for _ in range(delay):
            await asyncio.sleep(0)
        simulating.cancel()
    await engine.simulate(script)
    assert len(gateway.of(StatusReceived)) % 50 == 0
    _, survivor = await house.start(house.crash(), cursor=0)
    await survivor.until(lambda: survivor.of(StateChanged)[1:])
    assert len(survivor.of(StatusReceived)) % 50 == 0


async def test_a_stop_ends_a_waiting_script_which_then_happens_later(house: House) -> None:
    engine, gateway = await house.start()
    await gateway.until_told()
    await gateway.end()
    waiting = asyncio.create_task(engine.simulate([Met(address=ANNA)]))
    await anext(engine.events(gateway.cursor))  # stored, and not acknowledged
    await engine.stop()
    with pytest.raises(EngineUnavailable):
        await waiting
    engine, again = await house.start(cursor=gateway.cursor)
    await again.until(lambda: again.of(ContactsChanged))


async def test_a_script_of_megabytes_is_still_one_record(house: House) -> None:
    engine, gateway = await house.start()
    await gateway.until_told()
    gateway.acking = False
    script = [Posted(author=ANNA, kind=Kind.TEXT, text="é" * 500) for _ in range(3_000)]
    simulating = asyncio.create_task(engine.simulate(script))
    await gateway.until(lambda: gateway.cursor == 2)
    assert len(gateway.of(StatusReceived)) == 3_000
    crashed, survivor = await house.start(house.crash(), cursor=1)
    await survivor.until(lambda: survivor.cursor == 3)
    assert len(survivor.of(StatusReceived)) == 3_000
    await engine.ack(2)
    await simulating
    await crashed.stop()


async def test_a_lost_directory_does_not_make_the_gateway_deaf(house: House) -> None:
    engine, gateway = await house.start(cursor=400)
    await gateway.until(lambda: gateway.cursor == 401)
    assert gateway.of(StateChanged)[0].me == ME
    await engine.simulate([Met(address=ANNA)])
    assert gateway.cursor == 402


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


def receipts_told(gateway: Gateway) -> list[tuple[tuple[str, ...], str, Progress]]:
    return [(e.wire_ids, e.viewer.phone, e.kind) for e in gateway.of(StatusReceipt)]


async def test_a_connection_does_not_come_back_to_an_unlinked_account(house: House) -> None:
    engine, gateway = await house.start(profile="hostile", disconnect_every=1)
    with pytest.raises(EngineUnavailable):
        await engine.post_status(post(), [])
    await engine.logout()
    await house.clock.advance(5)
    await gateway.until_it_has_all()
    assert gateway.of(StateChanged)[-1].state is EngineState.LOGGED_OUT


# -- determinism


async def played(house: House, name: str, seed: str) -> bytes:
    engine, gateway = await house.start(name, seed=seed, profile="hostile", contacts=25)
    await engine.simulate([Posted(author=ANNA, kind=Kind.IMAGE), Met(address=ANNA)])
    for number in range(4):
        sent = await engine.post_status(post(f"KEY{number}"), None)
        assert len(sent.recipients) == 25
    await engine.simulate([Viewed(status_id="KEY1", viewer=ANNA, kind=Progress.READ)])
    await house.clock.advance(60)
    await gateway.until_it_has_all()
    return gateway.log()


async def test_same_seed_and_same_calls_make_the_same_log(tmp_path: Path) -> None:
    logs = []
    for name, seed in (("a", "42"), ("b", "42"), ("c", "43")):
        house = House(tmp_path)
        logs.append(await played(house, name, seed))
        await house.end()
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]
    assert len(logs[0]) > 20_000


# -- faults of the disk


async def test_a_full_disk_refuses_a_script_as_a_whole_and_service_returns(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, gateway = await house.start()
    await gateway.until_told()
    scheduled = Posted(author=ANNA, kind=Kind.TEXT, text="scheduled", timestamp=NOW_SECONDS + 5)
    await engine.simulate([scheduled])
    with monkeypatch.context() as patch:

        def full(*_: object) -> int:
            raise StoreFull("no room")

        patch.setattr(AccountStore, "append", full)
        with pytest.raises(EngineUnavailable, match="no room"):
            await engine.simulate([Met(address=ANNA), Moved(state=State.BLOCKED)])
        await house.clock.advance(8)
        assert not (await engine.look_up(BORIS)).exists
    await house.clock.advance(10)
    await gateway.until(lambda: gateway.of(StatusReceived))
    await engine.simulate([Met(address=BORIS)])
    assert (await engine.look_up(BORIS)).exists
    assert [event.state for event in gateway.of(StateChanged)] == [EngineState.OPEN]
    assert len(gateway.of(StatusReceived)) == 1


async def test_a_failing_first_start_can_be_repeated(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = house.engine()
    with monkeypatch.context() as patch:

        def broken(*_: object) -> int:
            raise StoreFull("no room")

        patch.setattr(AccountStore, "append", broken)
        with pytest.raises(EngineUnavailable):
            await engine.start()
    await engine.start()
    assert (await engine.post_status(post(), [ANNA])).recipients == (ANNA,)
    await engine.stop()


async def test_a_change_that_fails_after_its_caller_has_gone_leaves_nothing_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    before = asyncio.all_tasks()
    engine, gateway = await house.start(auto_authorize=False)
    await engine.begin_linking()
    entered, leave = threading.Event(), threading.Event()

    def slowly_full(*_: object) -> int:
        entered.set()
        leave.wait(30)
        raise StoreFull("no room")

    monkeypatch.setattr(AccountStore, "append", slowly_full)
    caller = asyncio.create_task(engine.simulate([Met(address=ANNA)]))
    await asyncio.to_thread(entered.wait, 30)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    leave.set()
    await engine.stop()
    await gateway.end()
    gc.collect()
    assert faults == []
    assert asyncio.all_tasks() - before == set()
