"""The sandbox behind the ports ``Engine`` and ``Sandbox``."""

import asyncio
import gc
import threading
from pathlib import Path

import pytest

from statusgate.domain.address import Address
from statusgate.domain.errors import (
    EngineUnavailable,
    InvalidRequest,
)
from statusgate.domain.events import (
    ContactsChanged,
    EngineState,
    LinkingEnded,
    Paired,
    QrCode,
    StateChanged,
    StatusDeleted,
    StatusReceived,
)
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import State
from statusgate.domain.receipt import Progress
from statusgate.domain.script import (
    Met,
    Moved,
    Posted,
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
from tests.contract.simulated_house import (
    ACCOUNT,
    ANNA,
    BORIS,
    ME,
    NOW_SECONDS,
    Gateway,
    House,
    post,
)
from tests.waiting import stays

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
