"""The dispatcher: pushes what waits, a lane for each instance (contract 6.2).

In a lane everything is strictly in order and one at a time. Lanes share nothing that one could
keep from another: no lock, no slot, no order.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import structlog

from statusgate import telemetry
from statusgate.accounts.instances import Instances
from statusgate.changes.changes import Changes
from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.domain.outbound_http import PushOutcome
from statusgate.domain.waiting import happens_within
from statusgate.notifications.pushing import Attempt, Due, Next, Paused, Pushing
from statusgate.outbound.headers import push_headers
from statusgate.outbound.signing import Secret

log = structlog.get_logger()
ANSWER_SECONDS: Final = 180.0
STOP_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 5.0
"""How soon something is noticed that another process queued."""
_RETRY_SECONDS = 1.0
T = TypeVar("T")
Push = Callable[[str, bytes, Mapping[str, str], float], Awaitable[PushOutcome]]
"""POST a body with headers to a URL within so many seconds (``GuardedClient.push``)."""


class _Lane:
    """What one instance has under way."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.attempt: asyncio.Task[PushOutcome] | None = None
        self.more = False
        """something may wait that was not seen yet"""
        self.changed = asyncio.Event()
        """the instance changed: a pause may be over"""


class Dispatcher:
    """Runs a lane for every instance that has something to push."""

    def __init__(
        self,
        pushing: Pushing,
        push: Push,
        instances: Instances,
        clock: Clock,
        secrets: Mapping[InstanceId, Sequence[Secret]] | None = None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """*secrets* sign the pushes of their instances."""
        self._look_seconds = look_seconds
        self._pushing = pushing
        self._post = push
        self._clock = clock
        self._secrets = secrets or {}
        self._lanes: dict[InstanceId, _Lane] = {}
        self._runs = False
        instances.listen(self._instance_changed)

    def follow(self, instance_id: InstanceId, changes: Changes) -> None:
        """Push what a commit queued."""
        if changes.queued:
            self._wake(instance_id)

    async def run(self) -> None:
        """Push until cancelled; attempts under way then get a moment to end."""
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
        """Begin nothing more; pauses end, attempts go on and are noted."""
        self._runs = False
        for lane in self._lanes.values():
            lane.changed.set()

    async def _look(self) -> None:
        """Find what waits, whoever queued it."""
        backlogs = await self._pushing.backlogs()
        now_ms = self._clock.now_ms()
        oldest_ms = min((backlog.oldest_ms for backlog in backlogs), default=now_ms)
        telemetry.notifications_waiting.set(sum(backlog.count for backlog in backlogs))
        telemetry.oldest_notification_seconds.set(max(0, now_ms - oldest_ms) / 1000)
        for backlog in backlogs:
            self._wake(backlog.instance_id)

    def _wake(self, instance_id: InstanceId) -> None:
        if not self._runs or not self._pushing.target(instance_id):
            return
        lane = self._lanes.get(instance_id)
        if lane is not None:
            lane.more = True
            return
        lane = self._lanes[instance_id] = _Lane()
        lane.task = asyncio.create_task(
            self._run_lane(instance_id, lane), name=f"pushes-{instance_id}"
        )

    def _instance_changed(self, instance: Instance) -> None:
        lane = self._lanes.get(instance.id)
        if lane is None:
            self._wake(instance.id)
            return
        lane.more = True
        lane.changed.set()
        if lane.attempt is not None and not self._pushing.target(instance.id):
            lane.attempt.cancel()

    async def _run_lane(self, instance_id: InstanceId, lane: _Lane) -> None:
        try:
            while self._runs:
                lane.more = False
                lane.changed.clear()
                await self._push_all(instance_id, lane)
                if not lane.more:
                    return
        except asyncio.CancelledError:
            return
        except Exception:
            log.exception("pushes.failed", instance=instance_id)
        finally:
            del self._lanes[instance_id]

    async def _push_all(self, instance_id: InstanceId, lane: _Lane) -> None:
        """Push until nothing waits; what cannot be done just now is tried again."""
        step: Next = await self._surely(lambda: self._pushing.next(instance_id))
        while step is not None and self._runs:
            if isinstance(step, Paused):
                await self._pause(lane, step.seconds)
                step = await self._surely(lambda: self._pushing.next(instance_id))
                continue
            attempt = await self._attempt(lane, step)
            if attempt is None:
                step = await self._surely(lambda: self._pushing.next(instance_id))
            else:
                step = await self._settled(attempt)

    async def _settled(self, attempt: Attempt) -> Next:
        return await self._surely(lambda: self._pushing.settle(attempt))

    async def _attempt(self, lane: _Lane, due: Due) -> Attempt | None:
        """Send one; None if the target was taken away meanwhile."""
        head = due.notification
        began_ms, began = self._clock.now_ms(), time.perf_counter()
        headers = push_headers(
            due.token,
            self._secrets.get(head.instance_id, ()),
            head.webhook_id,
            began_ms // 1000,
            head.body,
        )
        lane.attempt = asyncio.create_task(
            self._push(due.url, head.body, headers), name=f"push-{head.instance_id}"
        )
        try:
            await asyncio.wait({lane.attempt})
            if lane.attempt.cancelled():
                return None
            return Attempt(due, lane.attempt.result(), began_ms, time.perf_counter() - began)
        finally:
            lane.attempt.cancel()
            lane.attempt = None

    async def _push(self, url: str, body: bytes, headers: Mapping[str, str]) -> PushOutcome:
        return await self._post(url, body, headers, ANSWER_SECONDS)

    async def _pause(self, lane: _Lane, seconds: float) -> None:
        """Wait, or less if the instance changes."""
        await happens_within(lane.changed, self._clock, seconds)
        lane.changed.clear()

    async def _surely(self, ask: Callable[[], Awaitable[T]]) -> T:
        """As *ask*; while the journal does not answer, again and again: what was sent must not
        be sent twice only because that could not be noted at once."""
        while True:
            try:
                return await ask()
            except JournalUnavailable as error:
                log.warning("pushes.wait", reason=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _end(self) -> None:
        """Let attempts end; what takes longer is abandoned, and repeated after a restart."""
        self.stop()
        tasks = {lane.task for lane in self._lanes.values() if lane.task is not None}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*late, return_exceptions=True)
