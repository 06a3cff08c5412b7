"""Old records go: in small steps, so that nobody waits for them."""

import asyncio
from collections.abc import Callable

import structlog

from statusgate import telemetry
from statusgate.accounts.instances import Instances
from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.journal import Journal
from statusgate.media.store import MediaStore

log = structlog.get_logger()
_DAY_MS = 86_400_000
_STOP_MS = 60_000
_STEP = 500
_PAUSE_SECONDS = 0.05
_ROUND_SECONDS = 600.0


class Retention:
    """Deletes what is older than the retention, and what deleted instances left."""

    def __init__(
        self,
        journal: Journal,
        store: MediaStore,
        instances: Instances,
        clock: Clock,
        forget_account: Callable[[InstanceId], None],
        *,
        retention_days: int,
    ) -> None:
        """*forget_account*: removes what an engine keeps of an account, if there is any."""
        self._journal = journal
        self._store = store
        self._instances = instances
        self._clock = clock
        self._forget_account = forget_account
        self._keep_ms = retention_days * _DAY_MS

    async def run(self) -> None:
        """A round every ten minutes until cancelled."""
        while True:
            try:
                removed = await self.once()
                if removed:
                    log.info("retention.done", removed=removed)
            except JournalUnavailable as error:
                log.warning("retention.waits", reason=str(error))
            await self._clock.sleep(_ROUND_SECONDS)

    async def once(self) -> int:
        """Remove all that is due; returns the number of records."""
        removed = await self._expire()
        for instance in self._instances.all(deleted=True):
            if self._is_long_gone(instance):
                removed += await self._purge(instance.id)
                await asyncio.to_thread(self._forget_account, instance.id)
        return removed

    def _is_long_gone(self, instance: Instance) -> bool:
        """Deleted, and its engine has had time to stop."""
        deleted_ms = instance.deleted_ms
        return deleted_ms is not None and self._clock.now_ms() - deleted_ms > _STOP_MS

    async def _expire(self) -> int:
        now_ms = self._clock.now_ms()
        total = 0
        while True:
            step, paths = await self._journal.write(
                None, lambda tx: tx.expire(now_ms, self._keep_ms, _STEP)
            )
            await self._store.remove(paths)
            telemetry.expired_total.inc(step)
            total += step
            if step == 0:
                return total
            await self._clock.sleep(_PAUSE_SECONDS)

    async def _purge(self, owner: InstanceId) -> int:
        total = 0
        while True:
            step, paths = await self._journal.write(
                owner, lambda tx: tx.purge_instance(owner, _STEP)
            )
            await self._store.remove(paths)
            total += step
            if step == 0:
                return total
            await self._clock.sleep(_PAUSE_SECONDS)
