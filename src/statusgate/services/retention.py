"""Old records go: in small steps, so that nobody waits for them."""

import structlog

from statusgate import telemetry
from statusgate.domain.errors import JournalUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.ports import Clock, Journal, MediaStore
from statusgate.services.instances import Instances

log = structlog.get_logger()
_DAY_MS = 86_400_000
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
        *,
        retention_days: int,
    ) -> None:
        self._journal = journal
        self._store = store
        self._instances = instances
        self._clock = clock
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
            if instance.deleted_ms is not None:
                removed += await self._purge(instance.id)
        return removed

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
