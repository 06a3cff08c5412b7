"""Whatever is done to a queue, in whatever order: it does what a list would do."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statusgate.domain.errors import WebhookIsSet
from statusgate.domain.outbound_http import Fault, PushAnswer, PushFailed, PushOutcome
from statusgate.notifications.polling import Notifications
from tests.databases import fresh_schema
from tests.factories import INSTANCE
from tests.integration.notifications.pushing import URL, World, world

OUTCOMES: list[PushOutcome] = [
    PushAnswer(500),
    PushAnswer(410),
    PushAnswer(429, 100),
    PushFailed(Fault.SILENT, "x"),
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("queue"), st.integers(1, 3)),
        st.tuples(st.just("receive"), st.just(0)),
        st.tuples(st.just("delete"), st.integers(1, 12)),
        st.tuples(st.just("clear"), st.just(0)),
        st.tuples(st.just("fail"), st.integers(0, len(OUTCOMES) - 1)),
        st.tuples(st.just("url"), st.sampled_from([0, 1])),
        st.tuples(st.just("hang"), st.just(0)),
        st.tuples(st.just("crash"), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([30, 60, 3600])),
    ),
    max_size=14,
)


class Model:
    """The queue as a list, and what a receiver may see of it."""

    def __init__(self, w: World) -> None:
        self.w = w
        self.notifications = Notifications(
            w.journal, w.instances, w.clock, clear_pause_seconds=0
        )
        self.waiting: list[tuple[int, bytes]] = []
        self.count = 0
        self.crashes = 0
        self.failures = 0
        self.pushes = True

    async def do(self, what: str, value: Any) -> None:
        await getattr(self, what)(value)
        await self.w.settle()
        await self.agree()

    async def agree(self) -> None:
        """What was pushed is gone from the front; the rest is there, in order."""
        left = [(one.receipt_id, one.body) for one in await self.w.waiting()]
        gone = len(self.waiting) - len(left)
        assert left == self.waiting[gone:]
        for _, body in self.waiting[:gone]:
            assert body in self.w.sender.bodies
        self.waiting = left
        assert await self.notifications.count(INSTANCE) == len(left)

    async def queue(self, count: int) -> None:
        bodies = [b'{"n":%d}' % (self.count + n + 1) for n in range(count)]
        self.waiting += [(self.count + n + 1, body) for n, body in enumerate(bodies)]
        self.count += count
        await self.w.queue(*bodies)

    async def receive(self, _: int) -> None:
        instance = self.w.instances.get(INSTANCE)
        if self.pushes:
            with pytest.raises(WebhookIsSet):
                await self.notifications.receive(instance, 0)
            return
        head = await self.notifications.receive(instance, 0)
        found = None if head is None else (head.receipt_id, head.body)
        assert found == (self.waiting[0] if self.waiting else None)

    async def delete(self, receipt: int) -> None:
        there = [one for one in self.waiting if one[0] == receipt]
        assert await self.notifications.delete(INSTANCE, receipt) == bool(there)
        self.waiting = [one for one in self.waiting if one[0] != receipt]

    async def clear(self, _: int) -> None:
        assert await self.notifications.clear(INSTANCE) == 0
        self.waiting = []

    async def fail(self, which: int) -> None:
        self.w.sender.outcomes.append(OUTCOMES[which])
        self.failures += 1

    async def url(self, is_set: int) -> None:
        self.pushes = bool(is_set)
        self.w.sender.hold.clear()
        await self.w.instances.change_settings(INSTANCE, {"webhook_url": URL * is_set})

    async def hang(self, _: int) -> None:
        self.w.sender.hold[URL] = asyncio.Event()

    async def crash(self, _: int) -> None:
        await self.w.crash()
        self.crashes += 1
        self.w.sender.hold.clear()
        self.w.start_dispatcher()
        self.w.run()

    async def wait(self, seconds: int) -> None:
        await self.w.advance(seconds)

    async def end(self) -> None:
        """A receiver that works gets the rest; nothing was pushed out of order."""
        await self.crash(0)
        self.w.sender.outcomes.clear()
        await self.url(1)
        await self.w.settle()
        await self.agree()
        assert self.waiting == []
        sent = [int(body[5:-1]) for body in self.w.sender.bodies]
        assert sent == sorted(sent)


def check(url: str, steps: list[tuple[str, Any]]) -> None:
    async def play() -> None:
        async with world(url) as w:
            model = Model(w)
            for what, value in steps:
                await model.do(what, value)
            await model.end()

    asyncio.run(play())


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_the_queue_is_a_list_on_sqlite(steps: list[tuple[str, Any]]) -> None:
    check("sqlite:///:memory:", steps)


@pytest.mark.postgres
def test_the_queue_is_a_list_on_postgres(postgres_server: str) -> None:
    @settings(
        max_examples=15, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(steps=STEPS)
    def examples(steps: list[tuple[str, Any]]) -> None:
        check(fresh_schema(postgres_server), steps)

    examples()
