"""Files of statuses: fetched after the event is acknowledged, stored, then told."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

from statusgate import telemetry
from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalUnavailable, MediaFull, MediaUnavailable
from statusgate.domain.ids import InstanceId, new_media_key
from statusgate.domain.media import Download, StoredFile
from statusgate.domain.media_types import MAX_FILE_BYTES, UNKNOWN, sniff
from statusgate.domain.waiting import happens_within
from statusgate.engines.port import Engine
from statusgate.journal import Journal, Transaction
from statusgate.media.store import MediaStore
from statusgate.media.thumbnails import Thumbnailer

log = structlog.get_logger()
_AT_ONCE = 4
_DOWNLOAD_SECONDS = 300.0
_LOOK_SECONDS = 30.0
_MOST_ATTEMPTS = 12
_LONGEST_PAUSE_MS = 3_600_000


class Downloads:
    """Fetches what statuses carry; a file that cannot be had now is tried again later."""

    def __init__(
        self,
        journal: Journal,
        publisher: ChangePublisher,
        store: MediaStore,
        thumbnailer: Thumbnailer,
        clock: Clock,
        engine: Callable[[InstanceId], Engine | None],
        staging: Path,
    ) -> None:
        """*staging*: a private folder for files on their way."""
        self._journal = journal
        self._publisher = publisher
        self._store = store
        self._thumbnailer = thumbnailer
        self._clock = clock
        self._engine = engine
        self._staging = staging
        self._wake = asyncio.Event()
        self._running: set[tuple[InstanceId, int]] = set()
        publisher.follow(self._follow)

    async def run(self) -> None:
        """Fetch until cancelled; woken by new statuses, and looks by the clock as well."""
        self._staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                try:
                    await self._begin_due(group)
                except JournalUnavailable as error:
                    log.warning("downloads.wait", reason=str(error))
                await happens_within(self._wake, self._clock, _LOOK_SECONDS)

    async def _begin_due(self, group: asyncio.TaskGroup) -> None:
        free = _AT_ONCE - len(self._running)
        if free <= 0:
            return
        now_ms = self._clock.now_ms()
        limit = free + len(self._running)
        for download in await self._journal.read(lambda tx: tx.due_downloads(now_ms, limit)):
            slot = (download.instance_id, download.status_no)
            if slot in self._running or len(self._running) >= _AT_ONCE:
                continue
            self._running.add(slot)
            group.create_task(self._fetch(slot, download))

    async def _fetch(self, slot: tuple[InstanceId, int], download: Download) -> None:
        try:
            outcome = await self._settle(download)
            telemetry.downloads_total.labels(outcome).inc()
        except JournalUnavailable as error:
            log.warning("download.waits", instance=slot[0], reason=str(error))
        except Exception:
            log.exception("download.failed", instance=slot[0])
            await asyncio.sleep(1)
        finally:
            self._running.discard(slot)
            self._wake.set()

    async def _settle(self, download: Download) -> str:
        """Fetch and store one file; returns the outcome's name."""
        try:
            engine = self._running_engine(download.instance_id)
            with tempfile.TemporaryDirectory(dir=self._staging) as folder:
                path = Path(folder) / "file"
                async with asyncio.timeout(_DOWNLOAD_SECONDS):
                    await engine.download(download.ref, path, MAX_FILE_BYTES)
                await self._store_file(download, path)
        except (MediaUnavailable, MediaFull, TimeoutError, OSError) as error:
            return await self._give_up_or_wait(download, error)
        return "stored"

    def _running_engine(self, instance_id: InstanceId) -> Engine:
        engine = self._engine(instance_id)
        if engine is None:
            raise MediaUnavailable("the account is not running here", final=False)
        return engine

    async def _store_file(self, download: Download, path: Path) -> None:
        head, size = await asyncio.to_thread(_look_at, path)
        found = sniff(head)
        mimetype = found.mimetype
        if found is UNKNOWN:
            mimetype = _plain(download.ref.mimetype) or mimetype
        stored = StoredFile(
            key=new_media_key(),
            extension=found.extension,
            mimetype=mimetype,
            size=size,
            created_ms=self._clock.now_ms(),
        )
        thumbnail = await self._thumbnail(download, path, mimetype)
        await self._store.put(f"{download.instance_id}/{stored.name}", path)

        def work(tx: Transaction, changes: Changes) -> bool:
            status = tx.attach_file(download.instance_id, download.status_no, stored, thumbnail)
            if status is not None:
                changes.file_settled(status)
            return status is not None

        if not await self._publisher.record(download.instance_id, work):
            await self._store.remove([f"{download.instance_id}/{stored.name}"])

    async def _thumbnail(self, download: Download, path: Path, mimetype: str) -> bytes | None:
        """A preview if the status came without one; None leaves what it has."""
        if not mimetype.startswith(("image/", "video/")):
            return None
        status = await self._journal.read(
            lambda tx: tx.status_by_no(download.instance_id, download.status_no)
        )
        if status is None or status.thumbnail:
            return None
        return await self._thumbnailer.thumbnail(path, mimetype) or None

    async def _give_up_or_wait(self, download: Download, error: Exception) -> str:
        instance_id, status_no = download.instance_id, download.status_no
        final = isinstance(error, MediaUnavailable) and error.final
        if final or download.attempts + 1 >= _MOST_ATTEMPTS:
            log.warning("download.given_up", instance=instance_id, reason=str(error))
            await self._give_up(instance_id, status_no)
            return "given_up"
        pause_ms = min(2_000 * 2**download.attempts, _LONGEST_PAUSE_MS)
        due_ms = self._clock.now_ms() + pause_ms
        await self._journal.write(
            instance_id, lambda tx: tx.postpone_download(instance_id, status_no, due_ms)
        )
        asyncio.get_running_loop().call_later(pause_ms / 1000, self._wake.set)
        return "postponed"

    async def _give_up(self, instance_id: InstanceId, status_no: int) -> None:
        def work(tx: Transaction, changes: Changes) -> None:
            tx.drop_download(instance_id, status_no)
            status = tx.status_by_no(instance_id, status_no)
            if status is not None:
                changes.file_settled(status)

        await self._publisher.record(instance_id, work)

    def _follow(self, _instance_id: InstanceId, changes: Changes) -> None:
        if changes.statuses:
            self._wake.set()


def _look_at(path: Path) -> tuple[bytes, int]:
    """The first bytes of a file and its size."""
    with path.open("rb") as file:
        return file.read(512), path.stat().st_size


def _plain(mimetype: str) -> str:
    """A media type without parameters, ``""`` if the text is none."""
    plain = mimetype.partition(";")[0].strip().lower()
    return plain if plain.count("/") == 1 and plain.isascii() and " " not in plain else ""
