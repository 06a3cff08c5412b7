"""The recent window: always equal to what the journal would answer."""

import asyncio
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from statusgate.changes.changes import Changes
from statusgate.domain.clock import Clock
from statusgate.domain.contact import KnownContact
from statusgate.domain.status import Status
from statusgate.history.cache import StatusCache
from tests import factories
from tests.clocks import VirtualClock
from tests.factories import INSTANCE, NOON_MS


def encode(status: Status) -> bytes:
    return msgspec.json.encode([status.no, status.text])


def named(status: Status) -> bool:
    return status.author_contact_name != ""


def answer(statuses: dict[int, Status], since_ms: int) -> bytes:
    """What the journal would say, encoded."""
    shown = [one for one in statuses.values() if one.posted_ms >= since_ms and named(one)]
    shown.sort(key=lambda one: (-one.posted_ms, -one.no))
    return b"[" + b",".join(encode(one) for one in shown) + b"]"


def recent(limit: int = 1 << 20, clock: Clock | None = None) -> StatusCache:
    return StatusCache(encode, clock or VirtualClock(NOON_MS), shown=named, limit=limit)


async def load(memory: StatusCache, statuses: dict[int, Status], since_ms: int) -> bytes:
    async def read() -> list[Status]:
        return [one for one in statuses.values() if one.posted_ms >= since_ms and named(one)]

    return await memory.load(INSTANCE, outgoing=False, since_ms=since_ms, read=read)


numbers = st.integers(1, 8)
times = st.integers(NOON_MS, NOON_MS + 6)
steps = st.one_of(
    st.tuples(st.just("put"), numbers, times, st.sampled_from(["", "Anna"])),
    st.tuples(st.just("remove"), numbers),
    st.tuples(st.just("load"), times),
    st.tuples(st.just("people")),
)


@given(st.lists(steps, max_size=40), times)
def test_memory_answers_as_the_journal_would(script: list[Any], since_ms: int) -> None:
    async def play() -> None:
        memory, journal = recent(), dict[int, Status]()
        for step in script:
            await take(memory, journal, step)
            kept = memory.window(INSTANCE, outgoing=False, since_ms=since_ms)
            assert kept in (None, answer(journal, since_ms))

    asyncio.run(play())


async def take(memory: StatusCache, journal: dict[int, Status], step: tuple[Any, ...]) -> None:
    match step:
        case ("put", no, posted_ms, name):
            old = journal.get(no)
            new = factories.status(
                no,
                posted_ms=old.posted_ms if old else posted_ms,
                author_contact_name=name,
                text=f"{no} {posted_ms}",
            )
            journal[no] = new
            memory.follow(INSTANCE, Changes(statuses={no: new}))
        case ("remove", no):
            gone = journal.pop(no, None)
            memory.follow(INSTANCE, Changes(removed=[gone] if gone else []))
        case ("load", since_ms):
            assert await load(memory, journal, since_ms) == answer(journal, since_ms)
        case ("people",):
            memory.follow(INSTANCE, Changes(people_changed=True))


async def test_a_commit_that_lands_while_the_journal_is_read_is_not_lost() -> None:
    memory = recent()
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def slow_read() -> list[Status]:
        reading.set()
        await go_on.wait()
        return [factories.status(1)]

    loading = asyncio.create_task(
        memory.load(INSTANCE, outgoing=False, since_ms=NOON_MS, read=slow_read)
    )
    await reading.wait()
    memory.follow(INSTANCE, Changes(statuses={2: factories.status(2)}))
    go_on.set()
    expected = answer({1: factories.status(1), 2: factories.status(2)}, NOON_MS)
    assert await loading == expected
    assert memory.window(INSTANCE, outgoing=False, since_ms=NOON_MS) == expected


async def test_names_that_change_while_the_journal_is_read_are_not_kept_stale() -> None:
    memory = recent()

    async def read() -> list[Status]:
        memory.follow(
            INSTANCE,
            Changes(
                people_changed=True,
                contacts=[
                    KnownContact(no=1, address=factories.person(1), name="", contact_name="N")
                ],
            ),
        )
        return [factories.status(1)]

    await memory.load(INSTANCE, outgoing=False, since_ms=NOON_MS, read=read)
    assert memory.window(INSTANCE, outgoing=False, since_ms=NOON_MS) is None


async def test_memory_stays_within_its_limit() -> None:
    memory = recent(limit=3_000)
    statuses = {no: factories.status(no, text="x" * 200) for no in range(1, 30)}
    await load(memory, statuses, NOON_MS)
    assert memory.window(INSTANCE, outgoing=False, since_ms=NOON_MS) is None


async def test_with_no_memory_every_read_asks_the_journal() -> None:
    memory = recent(limit=0)
    await load(memory, {1: factories.status(1)}, NOON_MS)
    assert memory.window(INSTANCE, outgoing=False, since_ms=NOON_MS) is None
    await memory.statistics().load(INSTANCE, "A", _rows)
    assert memory.statistics().get(INSTANCE, "A") is None


async def _rows() -> tuple[bytes, int]:
    return b"[1]", NOON_MS + 3_600_000


async def test_statistics_are_forgotten_with_the_commit_that_changes_them() -> None:
    memory = recent()
    mine = factories.status(1, outgoing=True)
    assert await memory.statistics().load(INSTANCE, mine.status_id, _rows) == b"[1]"
    assert memory.statistics().get(INSTANCE, mine.status_id) == b"[1]"
    memory.follow(INSTANCE, Changes(statuses={1: mine}))
    assert memory.statistics().get(INSTANCE, mine.status_id) is None


async def test_statistics_read_while_a_commit_lands_are_not_kept() -> None:
    memory = recent()
    mine = factories.status(1, outgoing=True)

    async def read() -> tuple[bytes, int]:
        memory.follow(INSTANCE, Changes(statuses={1: mine}))
        return b"[old]", NOON_MS + 3_600_000

    assert await memory.statistics().load(INSTANCE, mine.status_id, read) == b"[old]"
    assert memory.statistics().get(INSTANCE, mine.status_id) is None


async def test_many_unknown_ids_do_not_fill_memory() -> None:
    memory = recent(limit=300_000)
    for number in range(2_000):
        await memory.statistics().load(INSTANCE, f"id{number}", _rows)
    assert memory.statistics().get(INSTANCE, "id0") is None
    assert memory.statistics().get(INSTANCE, "id1999") == b"[1]"


async def test_statistics_leave_memory_when_their_status_expires() -> None:
    clock = VirtualClock(NOON_MS)
    memory = recent(clock=clock)
    await memory.statistics().load(INSTANCE, "A", _rows)
    await clock.advance(3_599)
    assert memory.statistics().get(INSTANCE, "A") == b"[1]"
    await clock.advance(1)
    assert memory.statistics().get(INSTANCE, "A") is None
