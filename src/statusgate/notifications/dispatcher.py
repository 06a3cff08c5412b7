"""The dispatcher: pushes what waits, with one worker for each instance (contract 6.2).

A worker pushes strictly in order, one notification at a time. Workers share no lock, no slot
and no order, so that none can hold up another.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

import structlog

from statusgate import telemetry
from statusgate.accounts.instances import Instances
from statusgate.changes.changes import Changes
from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalUnavailable, NotOwned
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.domain.outbound_http import PushOutcome
from statusgate.domain.waiting import cancel, happens_within
from statusgate.notifications.pushing import Attempt, Due, Next, Paused, Pushing
from statusgate.outbound.headers import push_headers
from statusgate.outbound.signing import Secret
from statusgate.ownership.ownership import LOOK_SECONDS as SHARED_LOOK_SECONDS
from statusgate.ownership.ownership import Ownership

log = structlog.get_logger()
ANSWER_SECONDS: Final = 180.0
STOP_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 5.0
"""How soon a notification queued by another process is noticed."""
_RETRY_SECONDS = 1.0
A = TypeVar("A")
Push = Callable[
    [str, bytes, Mapping[str, str], float, InstanceId], Coroutine[Any, Any, PushOutcome]
]
"""POST a body with headers to a URL within so many seconds, on behalf of an instance
(``GuardedClient.push``)."""


class _Worker:
    """What one instance has in flight."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.attempt: asyncio.Task[PushOutcome] | None = None
        self.more = False
        """something may wait that was not read yet"""
        self.changed = asyncio.Event()
        """the instance changed: a pause may be over"""


class Dispatcher:
    """Runs a worker for every instance that has something to push."""

    def __init__(
        self,
        pushing: Pushing,
        push: Push,
        instances: Instances,
        ownership: Ownership,
        clock: Clock,
        secrets: Mapping[InstanceId, Sequence[Secret]] | None = None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """*secrets* sign the pushes of their instances."""
        self._look_seconds = SHARED_LOOK_SECONDS if ownership.is_shared else look_seconds
        self._ownership = ownership
        self._pushing = pushing
        self._post = push
        self._clock = clock
        self._secrets = secrets or {}
        self._workers: dict[InstanceId, _Worker] = {}
        self._runs = False
        instances.listen(self._instance_changed)
        ownership.on_claim(self._wake)
        ownership.before_leaving(self._let_go)

    def follow(self, instance_id: InstanceId, changes: Changes) -> None:
        """Push what a commit queued."""
        if changes.queued:
            self._wake(instance_id)

    async def run(self) -> None:
        """Push until cancelled; attempts in flight then get a moment to end."""
        self._runs = True
        try:
            while True:
                try:
                    await self._look()
                except JournalUnavailable as error:
                    log.warning("pushes.wait", reason=str(error))
                await self._clock.sleep(self._look_seconds)
        finally:
            await self._end()

    def stop(self) -> None:
        """Start nothing more; pauses end, attempts in flight finish and are recorded."""
        self._runs = False
        for worker in self._workers.values():
            worker.changed.set()

    async def _look(self) -> None:
        """Find what waits, including what another process queued."""
        everywhere = await self._pushing.backlogs()
        backlogs = [one for one in everywhere if self._ownership.owns(one.instance_id)]
        now_ms = self._clock.now_ms()
        oldest_ms = min((backlog.oldest_ms for backlog in backlogs), default=now_ms)
        telemetry.notifications_waiting.set(sum(backlog.count for backlog in backlogs))
        telemetry.oldest_notification_seconds.set(max(0, now_ms - oldest_ms) / 1000)
        for backlog in backlogs:
            self._wake(backlog.instance_id)

    def _wake(self, instance_id: InstanceId) -> None:
        if not self._runs or not self._pushing.target(instance_id):
            return
        if not self._ownership.owns(instance_id):
            return
        worker = self._workers.get(instance_id)
        if worker is not None:
            worker.more = True
            return
        worker = self._workers[instance_id] = _Worker()
        worker.task = asyncio.create_task(
            self._run_worker(instance_id, worker), name=f"pushes-{instance_id}"
        )

    async def _let_go(self, instance_id: InstanceId) -> None:
        """End the pushes of an account that another node may take."""
        if worker := self._workers.get(instance_id):
            await cancel(worker.task)

    def _instance_changed(self, instance: Instance) -> None:
        worker = self._workers.get(instance.id)
        if worker is None:
            self._wake(instance.id)
            return
        worker.more = True
        worker.changed.set()
        if worker.attempt is not None and not self._pushing.target(instance.id):
            worker.attempt.cancel()

    async def _run_worker(self, instance_id: InstanceId, worker: _Worker) -> None:
        try:
            with self._ownership.acting(instance_id):
                while self._runs:
                    worker.more = False
                    worker.changed.clear()
                    await self._push_all(instance_id, worker)
                    if not worker.more:
                        return
        except (asyncio.CancelledError, NotOwned):
            return
        except Exception:  # noqa: BLE001 - the next look starts a new worker
            telemetry.role_failed("pushes", instance=instance_id)
        finally:
            del self._workers[instance_id]

    async def _push_all(self, instance_id: InstanceId, worker: _Worker) -> None:
        """Push until nothing waits."""
        step = await self._retried(self._pushing.next, instance_id)
        while step is not None and self._runs:
            if isinstance(step, Paused):  # less if the instance changes
                await happens_within(worker.changed, self._clock, step.seconds)
                worker.changed.clear()
            elif (attempt := await self._attempt(worker, step)) is not None:
                step = await self._retried(self._pushing.settle, attempt)
                continue
            step = await self._retried(self._pushing.next, instance_id)

    async def _attempt(self, worker: _Worker, due: Due) -> Attempt | None:
        """Send one; None if the webhook was removed meanwhile."""
        head = due.notification
        began_ms, began = self._clock.now_ms(), time.perf_counter()
        headers = push_headers(
            due.token,
            self._secrets.get(head.instance_id, ()),
            head.webhook_id,
            began_ms // 1000,
            head.body,
        )
        worker.attempt = asyncio.create_task(
            self._post(due.url, head.body, headers, ANSWER_SECONDS, head.instance_id),
            name=f"push-{head.instance_id}",
        )
        try:
            await asyncio.wait({worker.attempt})
            if worker.attempt.cancelled():
                return None
            return Attempt(due, worker.attempt.result(), began_ms, time.perf_counter() - began)
        finally:
            worker.attempt.cancel()
            worker.attempt = None

    async def _retried(self, ask: Callable[[A], Awaitable[Next]], about: A) -> Next:
        """As *ask*, repeated while the journal is unavailable: what was pushed must not be
        pushed twice only because that could not be recorded at once."""
        while True:
            try:
                return await ask(about)
            except JournalUnavailable as error:
                log.warning("pushes.wait", reason=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _end(self) -> None:
        """Let attempts finish; what takes longer is cancelled, and repeated after a restart."""
        self.stop()
        tasks = {worker.task for worker in self._workers.values() if worker.task is not None}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            await cancel(*late)
        self._workers.clear()  # one that was cancelled before it started leaves its entry
