"""Fair shares: nobody's work keeps others waiting."""

import asyncio
from collections import Counter
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.domain.fairness import FairShares


class Work:
    """Tasks that hold places until they are told to go on."""

    def __init__(self, *, total: int, each: int) -> None:
        self.shares = FairShares[str](total=total, each=each)
        self.begun: list[str] = []
        self.open = asyncio.Event()
        self.busy = Counter[str]()
        self.most_busy = Counter[str]()
        self.tasks: list[asyncio.Task[None]] = []

    def add(self, key: str) -> None:
        self.tasks.append(asyncio.create_task(self._hold(key)))

    async def _hold(self, key: str) -> None:
        async with self.shares.place(key):
            self.begun.append(key)
            self.busy[key] += 1
            for counted in (key, "all"):
                now = self.busy[key] if counted == key else self.busy.total()
                self.most_busy[counted] = max(self.most_busy[counted], now)
            try:
                await self.open.wait()
            finally:
                self.busy[key] -= 1

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def finish(self) -> None:
        self.open.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_one_key_never_takes_more_than_its_share() -> None:
    work = Work(total=4, each=2)
    for _ in range(10):
        work.add("busy")
    work.add("other")
    await work.settle()
    assert Counter(work.begun) == {"busy": 2, "other": 1}
    await work.finish()


async def test_free_places_go_round_the_keys() -> None:
    work = Work(total=1, each=1)
    for key in ("first", "a", "a", "a", "b", "b", "c"):
        work.add(key)
    await work.settle()
    await work.finish()
    assert work.begun == ["first", "a", "b", "c", "a", "b", "a"]


@pytest.mark.parametrize("key", [None, "", 0])
async def test_any_key_gets_a_place(key: Hashable) -> None:
    shares = FairShares[Hashable](total=1, each=1)
    async with asyncio.timeout(30), shares.place(key):
        pass


async def test_who_gives_up_waiting_leaves_the_place_to_others() -> None:
    work = Work(total=1, each=1)
    work.add("a")
    work.add("b")
    work.add("c")
    await work.settle()
    work.tasks[1].cancel()
    await work.finish()
    assert work.begun == ["a", "c"]


async def test_a_place_is_free_again_after_its_holder_was_cancelled() -> None:
    work = Work(total=1, each=1)
    work.add("a")
    await work.settle()
    work.tasks[0].cancel()
    work.add("b")
    await work.finish()
    assert work.begun == ["a", "b"]


async def test_a_turn_that_is_cancelled_as_it_is_dealt_is_not_lost() -> None:
    """The place was dealt to a task that is cancelled before it runs again."""
    shares = FairShares[str](total=1, each=1)
    order: list[str] = []

    async def hold(key: str) -> None:
        async with shares.place(key):
            order.append(key)

    async with shares.place("first"):
        unlucky = asyncio.create_task(hold("unlucky"))
        last = asyncio.create_task(hold("last"))
        await asyncio.sleep(0)
    unlucky.cancel()
    await asyncio.wait_for(last, 30)
    assert order == ["last"]


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=30),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_the_bounds_hold_and_everyone_is_served(
    wanted: list[tuple[str, bool]], total: int, each: int
) -> None:
    async def play() -> None:
        work = Work(total=total, each=each)
        for key, gives_up in wanted:
            work.add(key)
            await asyncio.sleep(0)
            if gives_up:
                work.tasks[-1].cancel()
        await work.finish()
        assert work.most_busy["all"] <= total
        assert all(n <= each for key, n in work.most_busy.items() if key != "all")
        served = Counter(work.begun)
        patient = Counter(key for key, gives_up in wanted if not gives_up)
        assert all(served[key] >= patient[key] for key in patient)

    asyncio.run(play())
