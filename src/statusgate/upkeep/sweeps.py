"""Sweeps: what a crash or a failed removal left behind goes once it is old."""

import asyncio
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import structlog

from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalUnavailable, MediaUnavailable
from statusgate.domain.ids import InstanceId, parse_instance_id
from statusgate.journal import Journal, Transaction
from statusgate.media.store import MediaStore

log = structlog.get_logger()
_HOUR_MS = 3_600_000
_STAGED_MS = 6 * _HOUR_MS
_STORED_MS = 24 * _HOUR_MS
_ACCOUNT_MS = 7 * 24 * _HOUR_MS
_ROUND_SECONDS = 24 * 3600.0
_RETRY_SECONDS = 600.0
_LOOKED_UP_AT_ONCE = 1_000


class Sweeps:
    """Removes files and folders that nothing refers to.

    Stored files and folders of accounts are touched only if the database has instances: then
    the check of the server key has shown that it is the one these folders belong to.
    """

    def __init__(
        self,
        journal: Journal,
        store: MediaStore,
        clock: Clock,
        *,
        staging: Path,
        accounts: Path,
    ) -> None:
        """*staging*: files on their way. *accounts*: a folder for each instance."""
        self._journal = journal
        self._store = store
        self._clock = clock
        self._staging = staging
        self._accounts = accounts

    async def run(self) -> None:
        """Sweep at the start and once a day, until cancelled."""
        while True:
            pause = _ROUND_SECONDS
            try:
                removed = await self.once()
                if removed:
                    log.info("sweep.done", removed=removed)
            except (JournalUnavailable, MediaUnavailable) as error:
                log.warning("sweep.waits", reason=str(error))
                pause = _RETRY_SECONDS
            await self._clock.sleep(pause)

    async def once(self) -> int:
        """Remove all that is due; returns the number of files and folders."""
        now_ms = self._clock.now_ms()
        removed = await asyncio.to_thread(_remove_old, self._staging, now_ms - _STAGED_MS, None)
        known = {one.id for one in await self._journal.read(lambda tx: tx.instances())}
        if known:
            removed += await asyncio.to_thread(
                _remove_old, self._accounts, now_ms - _ACCOUNT_MS, known
            )
            removed += await self._sweep_store(now_ms - _STORED_MS)
        return removed

    async def _sweep_store(self, before_ms: int) -> int:
        """Remove files without a record: from a time before a backup, or not removed when
        their record was."""
        stray = await self._stray(before_ms)
        await self._store.remove(stray)
        return len(stray)

    async def _stray(self, before_ms: int) -> list[str]:
        """Stored files of that age without a record; there may be very many with one."""
        stray: list[str] = []
        batch: list[str] = []
        async for found in self._store.list():
            if found.modified_ms < before_ms:
                batch.append(found.path)
            if len(batch) >= _LOOKED_UP_AT_ONCE:
                stray += await self._unrecorded(batch)
                batch.clear()
        return stray + await self._unrecorded(batch)

    async def _unrecorded(self, paths: Iterable[str]) -> list[str]:
        by_owner: dict[InstanceId, dict[str, str]] = defaultdict(dict)
        for path in paths:
            owner, _, name = path.partition("/")
            by_owner[InstanceId(int(owner))][name.partition(".")[0]] = path

        def work(tx: Transaction) -> list[str]:
            return [
                by_key[key]
                for owner, by_key in by_owner.items()
                for key in by_key.keys() - tx.recorded_files(owner, by_key)
            ]

        return await self._journal.read(work)


def _remove_old(folder: Path, before_ms: int, known: set[InstanceId] | None) -> int:
    """Remove what stands in *folder* and was not changed since; returns how much.

    *known*: only folders that are named like an instance, and like none of these.
    """
    removed = 0
    for entry in folder.iterdir() if folder.is_dir() else ():
        if known is not None:
            owner = parse_instance_id(entry.name)
            if owner is None or owner in known:
                continue
        try:
            if _changed_ms(entry) < before_ms:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
                removed += 1
        except FileNotFoundError:
            continue  # it went by itself
        except OSError as error:
            log.warning("sweep.file_stays", file=str(entry), reason=str(error))
    return removed


def _changed_ms(entry: Path) -> int:
    """When anything in it was last changed."""
    inside = entry.rglob("*") if entry.is_dir() else ()
    newest = max(path.lstat().st_mtime for path in (entry, *inside))
    return int(newest * 1000)
