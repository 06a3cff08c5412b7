"""The queue of each instance: strict order, one status at a time, none lost."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import structlog

from statusgate import telemetry
from statusgate.accounts.instances import Instances
from statusgate.accounts.manager import AccountManager
from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.address import Address
from statusgate.domain.clock import Clock
from statusgate.domain.errors import (
    EngineRejected,
    EngineSilent,
    EngineUnavailable,
    EngineUncertain,
    InstanceUnknown,
    JournalUnavailable,
    MediaFull,
    MediaUnavailable,
    MessageNotFound,
    NotAuthorized,
    NotOwned,
)
from statusgate.domain.ids import InstanceId
from statusgate.domain.outbox import Outgoing, Phase
from statusgate.domain.waiting import cancel, happens_within
from statusgate.engines.port import Engine
from statusgate.journal import Journal, Transaction
from statusgate.ownership.ownership import LOOK_SECONDS, Ownership
from statusgate.publishing.accepting import Publishing
from statusgate.publishing.outcomes import (
    Outcomes,
    engine_fault,
    expired,
    refused,
    status_gone,
)
from statusgate.publishing.sending import Sending
from statusgate.publishing.signals import Signals

log = structlog.get_logger()
T = TypeVar("T")
_SCHEDULE_SECONDS = 30.0
_DUE_AT_ONCE = 20
"""of one instance"""
_LOOK_SECONDS = 30.0
_START_SECONDS = 0.25
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10.0
_SILENCES = 3
"""so often WhatsApp may leave the engine without an answer before a status is given up"""
_NO_ANSWER = "WhatsApp did not answer; it may have been sent nevertheless"
_SPACING_LOOK_SECONDS = 1.0
_TRANSIENT = (JournalUnavailable, EngineUnavailable, NotAuthorized, MediaFull, OSError)


class Queues:
    """Runs a queue for each instance that has something to publish."""

    def __init__(
        self,
        journal: Journal,
        publisher: ChangePublisher,
        instances: Instances,
        accounts: AccountManager,
        ownership: Ownership,
        clock: Clock,
        publishing: Publishing,
        outcomes: Outcomes,
        sending: Sending,
        signals: Signals,
    ) -> None:
        self._journal = journal
        self._instances = instances
        self._accounts = accounts
        self._ownership = ownership
        self._clock = clock
        self._publishing = publishing
        self._outcomes = outcomes
        self._sending = sending
        self._signals = signals
        self._queues: dict[InstanceId, Queue] = {}
        self._group: asyncio.TaskGroup | None = None
        signals.on_queue(self._wake)
        publisher.follow(self._follow)
        ownership.on_claim(lambda instance_id: self._wake(instance_id, spaced=True))
        ownership.before_leaving(self._let_go)

    async def run(self) -> None:
        """Publish until cancelled, beginning with what an earlier process left."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await self._resume()
                await self._keep_schedule()
            finally:
                self._group = None
                self._queues.clear()

    async def _resume(self) -> None:
        """Resume every queue; the first publication is spaced like any other."""
        while True:
            try:
                found = await self._journal.read(lambda tx: tx.instances_with_outgoing())
            except JournalUnavailable as error:
                log.warning("queues.wait", reason=str(error))
                await self._clock.sleep(_FIRST_PAUSE_SECONDS)
                continue
            for instance_id in found:
                self._wake(instance_id, spaced=True)
            return

    async def _keep_schedule(self) -> None:
        """Let scheduled statuses join their queues when they are due."""
        while True:
            self._signals.schedule.clear()
            pause = _FIRST_PAUSE_SECONDS
            try:
                await self._join_due()
                next_ms = await self._journal.read(lambda tx: tx.next_send_at_ms())
                pause = _SCHEDULE_SECONDS
                if next_ms is not None:
                    pause = min(pause, max(0.0, (next_ms - self._clock.now_ms()) / 1000))
                if self._ownership.is_shared:
                    pause = LOOK_SECONDS
                    await self._wake_accepted_elsewhere()
            except JournalUnavailable as error:
                log.warning("schedule.waits", reason=str(error))
            await happens_within(self._signals.schedule, self._clock, pause)

    async def _join_due(self) -> None:
        """Queue what is due: a few of each instance in turn, so that none delays others."""
        while due := await self._journal.read(self._due):
            results = await asyncio.gather(
                *(self._join(*one) for one in due), return_exceptions=True
            )
            faults = [one for one in results if isinstance(one, BaseException)]
            for fault in faults:
                # One that was deleted is left to retention, a lost one to its owner.
                if not isinstance(fault, InstanceUnknown | NotOwned):
                    raise fault
            if len(faults) == len(due):
                return

    async def _join(self, instance_id: InstanceId, status_id: str) -> None:
        with self._ownership.acting(instance_id):
            await self._publishing.join_queue(instance_id, status_id)

    async def _wake_accepted_elsewhere(self) -> None:
        """Notice what other nodes have accepted for accounts of this one."""
        for instance_id in await self._journal.read(lambda tx: tx.instances_with_outgoing()):
            queue = self._queues.get(instance_id)
            if queue is None or queue.is_idle:  # else it goes on by itself, after its pauses
                self._wake(instance_id)

    def _due(self, tx: Transaction) -> list[tuple[InstanceId, str]]:
        now_ms = self._clock.now_ms()
        return [
            (owner, status_id)
            for owner in filter(self._ownership.owns, tx.instances_due(now_ms))
            for status_id in tx.outgoing_due(owner, now_ms, _DUE_AT_ONCE)
        ]

    def _wake(self, instance_id: InstanceId, *, spaced: bool = False) -> None:
        queue = self._queues.get(instance_id)
        if queue is not None:
            queue.changed.set()
        elif self._group is not None and self._ownership.owns(instance_id):
            queue = Queue(
                instance_id,
                self._journal,
                self._instances,
                self._accounts,
                self._clock,
                self._outcomes,
                self._sending,
                published_ms=self._clock.now_ms() if spaced else None,
            )
            self._queues[instance_id] = queue
            queue.task = self._group.create_task(
                self._live(instance_id, queue), name=f"queue-{instance_id}"
            )

    async def _live(self, instance_id: InstanceId, queue: "Queue") -> None:
        try:
            with self._ownership.acting(instance_id):
                await queue.run()
        except (InstanceUnknown, NotOwned):
            self._queues.pop(instance_id, None)

    async def _let_go(self, instance_id: InstanceId) -> None:
        """End the queue of an account that another node may take."""
        queue = self._queues.pop(instance_id, None)
        if queue is not None:
            await cancel(queue.task)

    def _follow(self, instance_id: InstanceId, changes: Changes) -> None:
        """A state that changed may let a queue go on."""
        if (changes.instance is not None or changes.in_doubt) and instance_id in self._queues:
            self._queues[instance_id].changed.set()


class Queue:
    """The queue of one instance at work."""

    def __init__(
        self,
        instance_id: InstanceId,
        journal: Journal,
        instances: Instances,
        accounts: AccountManager,
        clock: Clock,
        outcomes: Outcomes,
        sending: Sending,
        *,
        published_ms: int | None,
    ) -> None:
        """*published_ms*: the last publication, after which the usual time has to pass."""
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.is_idle = False
        """there was nothing to publish"""
        self._id = instance_id
        self._journal = journal
        self._instances = instances
        self._accounts = accounts
        self._clock = clock
        self._outcomes = outcomes
        self._sending = sending
        self._published_ms = published_ms
        self._pause = _FIRST_PAUSE_SECONDS
        self._silences = 0

    async def run(self) -> None:
        """Publish until it is cancelled; after a fault, try again.

        Raises InstanceUnknown once the instance is deleted, NotOwned once it is lost.
        """
        while True:
            try:
                await self._publish_all()
                self.is_idle = True
                await self.changed.wait()
                self.is_idle = False
            except (InstanceUnknown, NotOwned):
                raise
            except _TRANSIENT as error:
                await self._wait_after(error)
            except Exception as error:  # noqa: BLE001 - it must not end the queue
                telemetry.role_failed("queue", instance=self._id)
                await self._wait_after(error)

    async def _wait_after(self, error: Exception) -> None:
        log.info("queue.waits", instance=self._id, reason=str(error)[:200])
        self.changed.clear()
        await happens_within(self.changed, self._clock, self._pause)
        again = _FIRST_PAUSE_SECONDS if self.changed.is_set() else self._pause * 2
        self._pause = min(again, _LONGEST_PAUSE_SECONDS)

    async def _publish_all(self) -> None:
        """Publish from the head until nothing is there, or the head has to wait."""
        while True:
            self.changed.clear()
            head = await self._journal.read(lambda tx: tx.next_outgoing(self._id))
            if head is None:
                return
            if self._is_expired(head):
                await self._outcomes.fail(head, expired(head))
            elif head.phase is Phase.FETCHING:
                await self._wait_for(head, _LOOK_SECONDS)
            else:
                await self._publish(head)

    async def _publish(self, head: Outgoing) -> None:
        """Publish the head when account and spacing allow it."""
        wait = self._spacing_seconds()
        if wait > 0:
            await self._clock.sleep(min(wait, _SPACING_LOOK_SECONDS))
            return
        try:
            engine = self._accounts.live_engine(self._instances.get(self._id))
        except NotAuthorized as error:
            await self._wait_for(head, _START_SECONDS if error.starting else _LOOK_SECONDS)
            return
        if head.is_answer:
            answering = self._sending.answer(engine, head)
            await self._hand_over(head, answering, self._outcomes.answered)
            return
        audience = await self._audience(engine, head)
        if not audience and head.draft.participants and head.phase is not Phase.SENDING:
            await self._outcomes.fail_without_recipients(head)
            return
        posting = self._sending.post(engine, head, audience)
        await self._hand_over(head, posting, partial(self._outcomes.sent, audience=audience))

    async def _hand_over(
        self,
        head: Outgoing,
        sending: Awaitable[T | None],
        record: Callable[[Outgoing, T], Awaitable[None]],
    ) -> None:
        """Give the head to the engine; record what became of it."""
        try:
            sent = await sending
        except MessageNotFound:
            await self._outcomes.fail(head, status_gone(head))
        except EngineRejected as error:
            log.warning(
                "status.refused",
                instance=self._id,
                status=head.status_id,
                reason=str(error)[:200],
            )
            await self._ended(self._outcomes.fail(head, refused(head, error)))
        except EngineUncertain:
            await self._ended(self._outcomes.fail(head, engine_fault(head, _NO_ANSWER)))
        except EngineSilent as error:
            self._silences += 1
            if self._silences < _SILENCES:
                raise
            await self._ended(self._outcomes.fail(head, engine_fault(head, str(error))))
        except MediaUnavailable as error:
            if not error.final:
                raise EngineUnavailable(str(error)) from error
            await self._outcomes.fail(head, engine_fault(head))
        else:
            if sent is not None:
                await self._ended(record(head, sent))

    async def _ended(self, recorded: Awaitable[None]) -> None:
        """The engine has answered. If recording that fails, the engine is asked again with the
        same key and gives the same answer."""
        self._published_ms = self._clock.now_ms()
        self._pause = _FIRST_PAUSE_SECONDS
        self._silences = 0
        await recorded

    async def _audience(self, engine: Engine, head: Outgoing) -> list[Address]:
        """The recipients, without those who cannot get it (contract 3.1)."""
        people, skipped = await self._sending.audience(engine, head)
        if skipped:
            await self._outcomes.leave_out(head, skipped)
        return people

    def _is_expired(self, head: Outgoing) -> bool:
        return head.expires_ms is not None and head.expires_ms <= self._clock.now_ms()

    def _spacing_seconds(self) -> float:
        """How long until the next publication may begin."""
        if self._published_ms is None:
            return 0.0
        settings = self._instances.get(self._id).settings
        free_ms = self._published_ms + settings.delay_send_messages_milliseconds
        return min((free_ms - self._clock.now_ms()) / 1000, 600.0)

    async def _wait_for(self, head: Outgoing, seconds: float) -> None:
        """Wait for a change, at most *seconds* and no longer than *head* may wait."""
        left_ms = (head.expires_ms or 0) - self._clock.now_ms()
        await happens_within(self.changed, self._clock, max(0.0, min(seconds, left_ms / 1000)))
