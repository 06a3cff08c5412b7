"""The journal port: instances, their states, cursors, and the rules of writing."""

import asyncio

import msgspec
import pytest

from statusgate.domain.errors import InstanceUnknown, InvalidRequest
from statusgate.domain.ids import FIRST_INSTANCE_ID, InstanceId
from statusgate.domain.instance import InstanceSettings, State
from statusgate.journal import Journal, Transaction
from tests.databases import Account, new_instance
from tests.factories import INSTANCE, NOON_MS, new_status

replace = msgspec.structs.replace


async def test_an_instance_comes_back_as_it_was_saved(journal: Journal) -> None:
    made = new_instance(
        name="Anna's шоп",
        engine_options={"auto_authorize": False, "profile": "a", "rate": 0.5, "tries": 3},
        settings=InstanceSettings(webhook_url="https://example.org/", link_preview=False),
        status_methods=False,
        state=State.SUSPENDED,
        device=26,
        push_name="Anna",
        suspended_until_ms=NOON_MS + 5,
    )
    saved = await journal.write(None, lambda tx: tx.create_instance(made))
    assert saved == replace(made, version=saved.version)
    assert await journal.read(lambda record: record.instances()) == [saved]
    assert await journal.read(lambda record: record.instance(INSTANCE)) == saved
    assert await journal.read(lambda record: record.instance(InstanceId(5))) is None


async def test_the_gateway_chooses_free_numbers(journal: Journal) -> None:
    second = InstanceId(FIRST_INSTANCE_ID + 1)
    await journal.write(None, lambda tx: tx.create_instance(new_instance(id=second)))

    def create(tx: Transaction) -> int:
        return tx.create_instance(new_instance(id=0)).id

    chosen = [await journal.write(None, create) for _ in range(3)]
    assert chosen == [FIRST_INSTANCE_ID, FIRST_INSTANCE_ID + 2, FIRST_INSTANCE_ID + 3]


async def test_a_taken_number_is_refused(account: Account) -> None:
    with pytest.raises(InvalidRequest):
        await account.journal.write(None, lambda tx: tx.create_instance(new_instance()))


async def test_every_change_raises_the_version_over_all_instances(journal: Journal) -> None:
    one = await journal.write(None, lambda tx: tx.create_instance(new_instance(id=7)))
    two = await journal.write(None, lambda tx: tx.create_instance(new_instance(id=8)))
    saved = await journal.write(one.id, lambda tx: tx.save_instance(replace(one, name="new")))
    assert one.version < two.version < saved.version
    assert await journal.read(lambda record: record.instances(two.version)) == [saved]
    assert await journal.read(lambda record: record.instances(saved.version)) == []


async def test_an_unknown_instance_cannot_be_saved(journal: Journal) -> None:
    with pytest.raises(InstanceUnknown):
        await journal.write(None, lambda tx: tx.save_instance(new_instance()))


async def test_states_are_remembered_newest_first(account: Account) -> None:
    def work(tx: Transaction) -> None:
        instance = tx.instances()[0]
        tx.record_state(replace(instance, state=State.STARTING, phone=""), NOON_MS + 1)
        tx.record_state(replace(instance, state=State.AUTHORIZED), NOON_MS + 2)

    await account.write(work)
    history = await account.read(lambda record: record.state_history(INSTANCE, 10))
    assert [(one.state, one.at_ms) for one in history] == [
        (State.AUTHORIZED, NOON_MS + 2),
        (State.STARTING, NOON_MS + 1),
    ]
    assert [one.phone for one in history] == [new_instance().phone, ""]
    assert len(await account.read(lambda record: record.state_history(INSTANCE, 1))) == 1
    now = await account.read(lambda record: record.instances())
    assert now[0].state is State.AUTHORIZED


async def test_a_flapping_state_does_not_fill_the_disk(account: Account) -> None:
    def work(tx: Transaction) -> None:
        for number in range(1010):
            tx.record_state(tx.instances()[0], NOON_MS + number)

    await account.write(work)
    history = await account.read(lambda record: record.state_history(INSTANCE, 5000))
    assert len(history) == 1000
    assert history[0].at_ms == NOON_MS + 1009


async def test_the_cursor_only_rises(account: Account) -> None:
    cursors = []
    for seq in (0, 5, 3, 9):
        await account.write(lambda tx, seq=seq: tx.advance_cursor(INSTANCE, seq))  # type: ignore[misc]
        cursors.append(await account.read(lambda record: record.cursor(INSTANCE)))
    assert cursors == [0, 5, 5, 9]


async def test_a_work_that_raises_leaves_nothing_behind(account: Account) -> None:
    def fail(tx: Transaction) -> None:
        tx.record_status(INSTANCE, new_status(1))
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await account.write(fail)
    assert await account.status(new_status(1).status_id) is None


async def test_a_failing_work_does_not_disturb_those_beside_it(account: Account) -> None:
    def work(tx: Transaction, number: int) -> int:
        tx.record_status(INSTANCE, new_status(number))
        if number % 3 == 0:
            raise LookupError(number)
        return number

    results = await asyncio.gather(
        *(account.write(lambda tx, no=no: work(tx, no)) for no in range(30)),  # type: ignore[misc]
        return_exceptions=True,
    )
    kept = await account.read(
        lambda record: record.statuses(INSTANCE, outgoing=False, since_ms=0)
    )
    assert [type(one) for one in results[:4]] == [LookupError, int, int, LookupError]
    assert sorted(int(one.status_id[4:], 16) for one in kept) == [
        number for number in range(30) if number % 3
    ]


async def test_the_works_of_an_instance_run_in_order(account: Account) -> None:
    ran: list[int] = []
    await asyncio.gather(
        *(account.write(lambda tx, no=no: ran.append(no)) for no in range(200))  # type: ignore[misc]
    )
    assert ran == sorted(ran)


async def test_a_cancelled_caller_harms_nobody(account: Account) -> None:
    def record(tx: Transaction) -> None:
        tx.record_status(INSTANCE, new_status(1))

    waiting = asyncio.create_task(account.write(record))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await account.write(lambda tx: tx.record_status(INSTANCE, new_status(2)))
    assert await account.status(new_status(2).status_id) is not None


async def test_a_write_is_seen_by_the_reads_after_it(account: Account) -> None:
    for number in range(20):
        await account.write(
            lambda tx, no=number: tx.record_status(INSTANCE, new_status(no))  # type: ignore[misc]
        )
        assert await account.status(new_status(number).status_id) is not None


async def test_a_read_that_raises_reaches_its_caller(account: Account) -> None:
    def fail(_: Transaction) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await account.read(fail)
    assert account.journal.healthy


async def test_tenants_do_not_mix(account: Account) -> None:
    other = InstanceId(INSTANCE + 1)

    def work(tx: Transaction) -> None:
        tx.create_instance(new_instance(id=other))
        tx.record_status(INSTANCE, new_status(1))
        tx.record_status(other, new_status(1, text="other"))
        tx.record_deletion(other, new_status(1).status_id, new_status(1).author, NOON_MS)

    await account.write(work)
    kept = await account.status(new_status(1).status_id)
    assert kept is not None
    assert kept.text == "status 1"
