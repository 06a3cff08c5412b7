"""The memory of recent statuses: bounded as Python counts it, flat under traffic."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from statusgate.changes.changes import Changes
from statusgate.domain.ids import InstanceId
from statusgate.domain.status import Status
from statusgate.history.cache import StatusCache
from tests import factories
from tests.clocks import VirtualClock
from tests.factories import NOON_MS

MIB = 1 << 20


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    """Count what Python allocates."""
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


def taken() -> int:
    """Bytes that are allocated since the test began."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


class Memory:
    """A cache that is read and written as by many instances."""

    def __init__(self, *, limit: int, body_bytes: int = 512) -> None:
        self.clock = VirtualClock(NOON_MS)
        self.before = taken()
        self._body = b"x" * body_bytes
        self.cache = StatusCache(
            lambda status: self._body + status.status_id.encode(),
            self.clock,
            shown=lambda _: True,
            limit=limit,
        )
        self._no = 0

    @property
    def size(self) -> int:
        return taken() - self.before

    async def read(
        self, instance_id: int, *, minutes: int = 60, outgoing: bool = False
    ) -> bytes:
        """As a client reads its journal, which is empty on disk."""
        since_ms = self.clock.now_ms() - minutes * 60_000
        owner = InstanceId(instance_id)
        kept = self.cache.window(owner, outgoing=outgoing, since_ms=since_ms)
        if kept is not None:
            return kept

        async def nothing() -> list[Status]:
            return []

        return await self.cache.load(owner, outgoing=outgoing, since_ms=since_ms, read=nothing)

    def commit(self, instance_id: int, *, outgoing: bool = False) -> None:
        """A new status is committed."""
        self._no += 1
        status = factories.status(
            self._no,
            instance_id=InstanceId(instance_id),
            outgoing=outgoing,
            posted_ms=self.clock.now_ms(),
        )
        self.cache.follow(InstanceId(instance_id), Changes(statuses={status.no: status}))


@pytest.mark.parametrize(
    ("statuses", "limit"),
    [(12_500, 1 * MIB), pytest.param(50_000, 4 * MIB, marks=pytest.mark.soak)],
)
@pytest.mark.parametrize("instances", [1, 50])
async def test_more_statuses_than_there_is_room_for_stay_within_the_limit(
    instances: int, statuses: int, limit: int
) -> None:
    memory, most = Memory(limit=limit), 0
    for number in range(statuses):
        if number % 50 == 0:
            await memory.read(number // 50 % instances)
        memory.commit(number % instances)
        if number % (statuses // 10) == 0:
            most = max(most, memory.size)
    assert max(most, memory.size) <= limit * 1.1


async def test_answers_that_are_kept_joined_count_as_well() -> None:
    memory = Memory(limit=4 * MIB, body_bytes=4_000)
    for instance in range(20):
        await memory.read(instance)
        for _ in range(20):
            memory.commit(instance)
    for instance in range(20):
        for minutes in (60, 30, 10):
            await memory.read(instance, minutes=minutes)
    assert memory.size <= 4.4 * MIB


async def test_many_statistics_stay_within_their_share() -> None:
    memory = Memory(limit=6 * MIB)
    for number in range(30_000):

        async def rows(number: int = number) -> tuple[bytes, int]:
            return b"x" * (number % 300), NOON_MS + 3_600_000

        await memory.cache.statistics().load(
            InstanceId(number % 50), f"3EB0{number:016X}", rows
        )
    assert memory.size <= 2.2 * MIB


async def test_fifty_accounts_under_traffic_stay_flat() -> None:
    """For half an hour; each reads its last five minutes."""
    memory, sizes = Memory(limit=64 * MIB, body_bytes=200), []
    for minute in range(30):
        for second in range(0, 60, 10):
            await memory.clock.advance(10)
            for instance in range(50):
                memory.commit(instance)
                if second == 0:
                    assert await memory.read(instance, minutes=5)
        if minute % 5 == 4:
            sizes.append(memory.size)
    assert max(sizes[3:]) <= max(sizes[1:3]) * 1.1
    assert sizes[-1] < 16 * MIB


async def test_what_has_aged_leaves_while_traffic_arrives_and_while_none_does() -> None:
    memory = Memory(limit=64 * MIB)
    await memory.read(1, minutes=5)
    await memory.read(2, minutes=5)
    for instance in (1, 2):
        for _ in range(2_000):
            memory.commit(instance)
    full = memory.size
    await memory.clock.advance(6 * 60)
    memory.commit(1)
    assert memory.size < full * 0.6
    memory.cache.tidy()
    assert memory.size < full * 0.1
    answer = await memory.read(1, minutes=5)
    assert answer.count(b"3EB0") == 1


async def test_the_least_recently_used_instances_go_first() -> None:
    memory = Memory(limit=3 * MIB)
    for instance in range(8):
        await memory.read(instance)
    for _ in range(800):
        for instance in range(8):
            memory.commit(instance)
            since_ms = memory.clock.now_ms() - 60_000
            memory.cache.window(InstanceId(0), outgoing=False, since_ms=since_ms)
    kept = [
        memory.cache.window(InstanceId(instance), outgoing=False, since_ms=NOON_MS) is not None
        for instance in range(8)
    ]
    assert kept[0]
    assert not all(kept)
