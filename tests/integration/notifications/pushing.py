"""A dispatcher over a real journal, a clock of our own and a scripted receiver."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from statusgate.accounts.instances import Instances
from statusgate.changes.changes import Changes
from statusgate.domain.ids import InstanceId
from statusgate.domain.notification import Delivery, Notification, Streak
from statusgate.domain.outbound_http import PushAnswer, PushOutcome
from statusgate.journal import open_journal
from statusgate.notifications.dispatcher import Dispatcher
from statusgate.notifications.pushing import Pushing
from statusgate.outbound.signing import Secret
from statusgate.ownership.ownership import Ownership
from tests.clocks import VirtualClock
from tests.databases import new_instance
from tests.factories import INSTANCE

URL = "https://receiver.example.org/hook"
Script = Callable[["Sent"], Awaitable[PushOutcome]]


class Sent(msgspec.Struct, frozen=True):
    """One attempt as the receiver saw it; *at* in seconds since the test began."""

    at: float
    url: str
    body: bytes
    headers: Mapping[str, str]


class Scripted:
    """A sender that answers by a script: one outcome an attempt, then 200."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._began_ms = clock.now_ms()
        self.sent: list[Sent] = []
        self.outcomes: list[PushOutcome] = []
        self.hold: dict[str, asyncio.Event] = {}
        """URLs whose receiver hangs until its event is set"""

    async def push(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        deadline: float,
        owner: InstanceId,
    ) -> PushOutcome:
        at = (self._clock.now_ms() - self._began_ms) / 1000
        self.sent.append(Sent(at, url, body, dict(headers)))
        if url in self.hold:
            await self.hold[url].wait()
        return self.outcomes.pop(0) if self.outcomes else PushAnswer(200)

    @property
    def times(self) -> list[float]:
        return [one.at for one in self.sent]

    @property
    def bodies(self) -> list[bytes]:
        return [one.body for one in self.sent]


class World:
    """Instances with webhooks, and everything that pushes."""

    def __init__(self, url: str, secrets: Mapping[InstanceId, Sequence[Secret]]) -> None:
        self.clock = VirtualClock()
        self.journal = open_journal(url)
        self._read, self._write = self.journal.read, self.journal.write
        self._under_way = 0
        for name in ("read", "write"):
            setattr(self.journal, name, self._counted(getattr(self.journal, name)))
        self.instances = Instances(self.journal, self.clock, bytes(32))
        self.ownership = Ownership(self.journal, self.clock)
        self.sender = Scripted(self.clock)
        self._secrets = secrets
        self.start_dispatcher()

    def _counted(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Have a slow database known as something that goes on."""

        async def counted(*arguments: Any, **named: Any) -> Any:
            self._under_way += 1
            try:
                return await call(*arguments, **named)
            finally:
                self._under_way -= 1

        return counted

    def start_dispatcher(self) -> None:
        """As a new process would, over the same journal."""
        self.dispatcher = Dispatcher(
            Pushing(self.journal, self.instances, self.clock),
            self.sender.push,
            self.instances,
            self.ownership,
            self.clock,
            self._secrets,
            look_seconds=1800.0,
        )
        self._running: asyncio.Task[None] | None = None
        self._added: list[InstanceId] = []

    async def add(self, instance_id: InstanceId = INSTANCE, url: str = URL) -> None:
        self._added.append(instance_id)
        wanted = new_instance(id=instance_id)
        await self.journal.write(instance_id, lambda tx: tx.create_instance(wanted))
        await self.instances.refresh()
        await self.instances.change_settings(instance_id, {"webhook_url": url})

    async def queue(self, *bodies: bytes, instance_id: InstanceId = INSTANCE) -> None:
        now_ms = self.clock.now_ms()
        await self.journal.write(
            instance_id, lambda tx: tx.add_notifications(instance_id, bodies, now_ms)
        )
        self.dispatcher.follow(instance_id, Changes(queued=len(bodies)))

    def run(self) -> None:
        self._running = asyncio.create_task(self.dispatcher.run())

    async def stop(self) -> None:
        """Stop the dispatcher as the server does at its end."""
        assert self._running is not None
        self.dispatcher.stop()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def crash(self) -> None:
        """End the dispatcher without a chance to note anything."""
        if self._running is not None:
            for task in pushes():
                task.cancel()
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def advance(self, seconds: float) -> None:
        """Let time pass; the journal's threads get real time to answer."""
        await self.settle()
        end_ms = self.clock.now_ms() + round(seconds * 1000)
        while self.clock.now_ms() < end_ms:
            until_ms = max(min(self.clock.next_due_ms(), end_ms), self.clock.now_ms())
            await self.clock.advance((until_ms - self.clock.now_ms()) / 1000)
            await self.settle()

    async def settle(self) -> None:
        """Wait until nothing goes on by itself."""
        quiet = 0
        while quiet < 5:
            before = (len(self.sender.sent), len(pushes()))
            await self._read(lambda tx: tx.backlogs())
            for instance_id in self._added:  # after the writes that wait for it
                await self._write(instance_id, lambda tx: None)
            await asyncio.sleep(0.002)
            after = (len(self.sender.sent), len(pushes()))
            quiet = quiet + 1 if before == after and not self._under_way else 0

    async def waiting(self, instance_id: InstanceId = INSTANCE) -> list[Notification]:
        return await self.journal.read(
            lambda tx: tx.notifications(instance_id, waiting=True, limit=10_000)
        )

    async def deliveries(self, receipt_id: int = 1) -> list[Delivery]:
        return await self.journal.read(lambda tx: tx.deliveries(INSTANCE, receipt_id))

    async def streak(self) -> Streak | None:
        return await self.journal.read(lambda tx: tx.next_push(INSTANCE)[1])


def pushes() -> list[asyncio.Task[Any]]:
    """The tasks that push."""
    return [one for one in asyncio.all_tasks() if one.get_name().startswith("push")]


@asynccontextmanager
async def world(
    url: str = "sqlite:///:memory:",
    secrets: Mapping[InstanceId, Sequence[Secret]] | None = None,
) -> AsyncIterator[World]:
    """A world whose dispatcher runs; one instance has a webhook."""
    made = World(url, secrets or {})
    try:
        await made.add()
        made.run()
        yield made
    finally:
        await made.crash()
        await made.journal.close()
