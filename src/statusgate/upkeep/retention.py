"""Retention: what is too old is deleted in small steps, so that other work never waits long."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from statusgate import telemetry
from statusgate.accounts.instances import Instances
from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalUnavailable, MediaUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.journal import Journal, Transaction
from statusgate.media.store import MediaStore

log = structlog.get_logger()
_DAY_MS = 86_400_000
_STOP_MS = 60_000
_STEP = 500
_PAUSE_SECONDS = 0.05
_ROUND_SECONDS = 600.0
_MOST_STUCK = 10_000


class Retention:
    """Deletes what is older than the retention, and what deleted instances left."""

    def __init__(
        self,
        journal: Journal,
        store: MediaStore,
        instances: Instances,
        clock: Clock,
        forget_account: Callable[[InstanceId], None],
        tidy_memory: Callable[[], None],
        *,
        retention_days: int,
    ) -> None:
        """*forget_account*: removes what an engine keeps of an account, if there is any; may
        raise OSError.
        *tidy_memory*: drops from memory what has grown too old."""
        self._journal = journal
        self._store = store
        self._instances = instances
        self._clock = clock
        self._forget_account = forget_account
        self._tidy_memory = tidy_memory
        self._keep_ms = retention_days * _DAY_MS
        self._stuck: list[str] = []
        """files that could not be removed; the next round tries again"""

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
        self._tidy_memory()
        stuck, self._stuck = self._stuck, []
        await self._remove_files(stuck)
        now_ms = self._clock.now_ms()
        removed = await self._in_steps(lambda tx: tx.expire(now_ms, self._keep_ms, _STEP))
        telemetry.expired_total.inc(removed)
        for instance in self._instances.all(deleted=True):
            if self._is_long_gone(instance) and await self._is_forgotten(instance.id):
                removed += await self._purge(instance.id)
        return removed

    async def _is_forgotten(self, owner: InstanceId) -> bool:
        """Remove what an engine keeps; its records stay until that has worked."""
        try:
            await asyncio.to_thread(self._forget_account, owner)
        except OSError as error:
            log.warning("retention.account_stays", instance=owner, reason=str(error))
            return False
        return True

    def _is_long_gone(self, instance: Instance) -> bool:
        """Deleted, and its engine has had time to stop."""
        deleted_ms = instance.deleted_ms
        return deleted_ms is not None and self._clock.now_ms() - deleted_ms > _STOP_MS

    async def _purge(self, owner: InstanceId) -> int:
        return await self._in_steps(lambda tx: tx.purge_instance(owner, _STEP))

    async def _in_steps(self, work: Callable[[Transaction], tuple[int, list[str]]]) -> int:
        """Repeat *work* until it finds nothing; it is the operator's, because it frees space
        while the disk guard refuses other writes."""
        total = 0
        while True:
            step, paths = await self._journal.write(None, work)
            await self._remove_files(paths)
            total += step
            if step == 0:
                return total
            await self._clock.sleep(_PAUSE_SECONDS)

    async def _remove_files(self, paths: Sequence[str]) -> None:
        """Remove files; while any of them stays, all are tried again in the next round."""
        try:
            await self._store.remove(paths)
        except MediaUnavailable as error:
            log.warning("retention.files_stay", files=len(paths), reason=str(error))
            self._stuck = [*self._stuck, *paths][-_MOST_STUCK:]
