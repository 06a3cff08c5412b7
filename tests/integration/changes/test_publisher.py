"""Followers hear of every commit: of cancelled callers, and of commits in doubt."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from statusgate.accounts.instances import Instances
from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import InstanceSettings
from statusgate.domain.outbox import Draft
from statusgate.history.cache import StatusCache
from statusgate.journal import Journal, Transaction, open_journal
from statusgate.notifications.announcing import Announcing
from statusgate.notifications.live import Live, Stream
from statusgate.notifications.polling import Notifications
from statusgate.publishing.accepting import Publishing
from statusgate.publishing.signals import Signals
from tests.clocks import VirtualClock
from tests.databases import Account, fresh_schema, new_instance
from tests.factories import INSTANCE, NOON_MS, new_status
from tests.postgres_proxy import Cut, Proxy, proxy_before
from tests.waiting import eventually


def post(number: int) -> Any:
    """Work that records one incoming status; a repeat changes nothing."""

    def work(tx: Transaction, changes: Changes) -> bool:
        status = tx.record_status(INSTANCE, new_status(number))
        if status is not None:
            changes.status_added(status)
        return status is not None

    return work


@asynccontextmanager
async def held(journal: Journal) -> AsyncIterator[None]:
    """Within it, what is written waits."""
    busy, release = threading.Event(), threading.Event()

    def block(_: Transaction) -> None:
        busy.set()
        release.wait(30)

    blocked = asyncio.create_task(journal.write(INSTANCE, block))
    await eventually(busy.is_set)
    try:
        yield
    finally:
        release.set()
        await blocked
        await journal.write(INSTANCE, lambda _: None)  # what waited is done


async def test_followers_hear_of_the_commit_of_a_cancelled_caller(account: Account) -> None:
    publisher = ChangePublisher(account.journal)
    heard: list[tuple[InstanceId, list[int]]] = []
    publisher.follow(lambda owner, changes: heard.append((owner, list(changes.statuses))))
    async with held(account.journal):
        callers = [
            asyncio.create_task(publisher.record(INSTANCE, post(no))) for no in (1, 2, 3)
        ]
        await asyncio.sleep(0)  # they are submitted
        callers[1].cancel()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(result) for result in results] == [bool, asyncio.CancelledError, bool]
    assert heard == [(INSTANCE, [1]), (INSTANCE, [2]), (INSTANCE, [3])]


async def test_a_post_is_taken_up_though_its_caller_was_cancelled(account: Account) -> None:
    publisher = ChangePublisher(account.journal)
    woken: list[InstanceId] = []
    Signals(publisher).on_queue(woken.append)
    publishing = Publishing(publisher, VirtualClock(), max_audience=None)
    async with held(account.journal):
        caller = asyncio.create_task(publishing.accept(new_instance(), Draft(text="hello")))
        await asyncio.sleep(0)
        caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    assert woken == [INSTANCE]


async def test_a_follower_that_fails_fails_its_caller_and_nobody_else(account: Account) -> None:
    publisher = ChangePublisher(account.journal)

    def fail_first(_: InstanceId, changes: Changes) -> None:
        if 1 in changes.statuses:
            raise LookupError

    publisher.follow(fail_first)
    results = await asyncio.gather(
        *(publisher.record(INSTANCE, post(no)) for no in (1, 2, 3)), return_exceptions=True
    )
    assert isinstance(results[0], LookupError)
    assert results[1:] == [True, True]


class Followed:
    """A journal with what follows it: the cache, the live stream, a waiting call."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        clock = VirtualClock(NOON_MS)
        self.instances = Instances(journal, clock, b"k" * 32)
        announcing = Announcing(clock, public_url="http://gateway", shown=lambda _: True)
        self.publisher = ChangePublisher(journal, announcing.announce)
        self.cache = StatusCache(lambda status: b"%d" % status.no, clock, shown=lambda _: True)
        self.live = Live(journal, self.instances)
        self.notifications = Notifications(
            journal, self.instances, clock, clear_pause_seconds=0
        )
        for follower in (self.cache.follow, self.live.follow, self.notifications.follow):
            self.publisher.follow(follower)
        self.lines: list[bytes] = []
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        settings = InstanceSettings(status_webhook=True)
        await self.journal.write(
            None, lambda tx: tx.create_instance(new_instance(settings=settings))
        )
        await self.instances.refresh()
        self._reading = asyncio.create_task(
            self._read(self.live.open(self.instances.get(INSTANCE), None))
        )

    async def stop(self) -> None:
        self.live.close()
        if self._reading is not None:
            await self._reading
        await self.journal.close()

    async def statuses(self) -> bytes:
        """The numbers of the journaled statuses, by way of the cache."""
        kept = self.cache.window(INSTANCE, outgoing=False, since_ms=NOON_MS)
        if kept is not None:
            return kept
        return await self.cache.load(
            INSTANCE,
            outgoing=False,
            since_ms=NOON_MS,
            read=lambda: self.journal.read(
                lambda tx: tx.statuses(INSTANCE, outgoing=False, since_ms=NOON_MS)
            ),
        )

    async def _read(self, stream: Stream) -> None:
        async for chunk in stream.chunks():
            self.lines += [line for line in chunk.split(b"\n") if line.startswith(b"data:")]

    def streamed(self) -> list[str]:
        """The ids of the statuses that the live stream brought."""
        found = (msgspec.json.decode(line.removeprefix(b"data:")) for line in self.lines)
        return [one["idMessage"] for one in found if "idMessage" in one]


@pytest.fixture
def proxy(postgres_server: str) -> Any:
    with proxy_before(postgres_server) as proxy:
        yield proxy


@pytest.fixture
async def followed(postgres_server: str, proxy: Proxy) -> AsyncIterator[Followed]:
    journal = open_journal(proxy.url(fresh_schema(postgres_server)))
    made = Followed(journal)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.postgres
@pytest.mark.parametrize("cut", ["after", "before"])
async def test_after_a_commit_in_doubt_nothing_is_stale(
    followed: Followed, proxy: Proxy, cut: Cut
) -> None:
    first, second, third = (new_status(number).status_id for number in (1, 2, 3))
    await followed.publisher.record(INSTANCE, post(1))
    assert await followed.statuses() == b"[1]"
    await eventually(lambda: followed.streamed() == [first])
    instance = followed.instances.get(INSTANCE)
    head = await followed.notifications.receive(instance, 0)
    assert head is not None
    await followed.notifications.delete(INSTANCE, head.receipt_id)
    waiting = asyncio.create_task(followed.notifications.receive(instance, 30))

    proxy.cut_next_commit(cut)
    with pytest.raises(JournalUnavailable, match="not known"):
        await followed.publisher.record(INSTANCE, post(2))
    landed = cut == "after"
    assert await followed.statuses() == (b"[2,1]" if landed else b"[1]")

    repeated = await followed.publisher.record(INSTANCE, post(2))
    assert repeated is not landed, "the repeat is passed over if the commit took place"
    assert await followed.statuses() == b"[2,1]"
    notification = await waiting
    assert notification is not None
    assert second.encode() in notification.body
    await followed.publisher.record(INSTANCE, post(3))
    assert await followed.statuses() == b"[3,2,1]"
    await eventually(lambda: followed.streamed() == [first, second, third])
