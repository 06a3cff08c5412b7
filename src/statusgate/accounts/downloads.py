"""Files of statuses: fetched after their event is acknowledged, stored, then announced."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import structlog

from statusgate import telemetry
from statusgate.accounts.files import Files
from statusgate.accounts.instances import Instances
from statusgate.accounts.manager import AccountManager
from statusgate.changes.changes import Changes, StatusAdded
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalUnavailable, MediaFull, MediaUnavailable, NotOwned
from statusgate.domain.fairness import FairShares
from statusgate.domain.ids import InstanceId, new_media_key
from statusgate.domain.instance import Instance
from statusgate.domain.media import Download, StoredFile
from statusgate.domain.media_types import MAX_FILE_BYTES, UNKNOWN, sniff
from statusgate.domain.waiting import cancel, happens_within
from statusgate.engines.port import Engine
from statusgate.journal import Journal, Transaction
from statusgate.media.thumbnails import Thumbnailer
from statusgate.ownership.ownership import Ownership

log = structlog.get_logger()
_AT_ONCE = 8
_EACH = 2
_DOWNLOAD_SECONDS = 300.0
_LOOK_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_MOST_ATTEMPTS = 12
_LONGEST_PAUSE_MS = 3_600_000
_OWN_FAULT_PAUSE_MS = 30_000
Slot = tuple[InstanceId, int]
"""an instance and the number of a status"""


class Downloads:
    """Fetches what statuses carry; a file that cannot be fetched now is tried again later.

    Only accounts that are online are asked, and only while they are do attempts count. A few
    files of an instance are fetched at once, and instances take turns.
    """

    def __init__(
        self,
        journal: Journal,
        publisher: ChangePublisher,
        files: Files,
        thumbnailer: Thumbnailer,
        clock: Clock,
        instances: Instances,
        accounts: AccountManager,
        ownership: Ownership,
        staging: Path,
    ) -> None:
        """*staging*: a private folder for files on their way."""
        self._journal = journal
        self._publisher = publisher
        self._files = files
        self._thumbnailer = thumbnailer
        self._clock = clock
        self._accounts = accounts
        self._ownership = ownership
        self._staging = staging
        self._wake = asyncio.Event()
        self._shares = FairShares[InstanceId](total=_AT_ONCE, each=_EACH)
        self._workers: Counter[InstanceId] = Counter()
        self._running: dict[Slot, asyncio.Task[str]] = {}
        publisher.follow(self._follow)
        instances.listen(self._instance_changed)
        accounts.on_online(self._wake.set)
        ownership.before_leaving(self._let_go)

    async def run(self) -> None:
        """Fetch until cancelled; woken by new statuses and by accounts that come online."""
        self._staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._workers.clear()
        self._running.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                pause = _LOOK_SECONDS
                try:
                    pause = await self._start_workers(group)
                except JournalUnavailable as error:
                    log.warning("downloads.wait", reason=str(error))
                await happens_within(self._wake, self._clock, pause)

    async def _start_workers(self, group: asyncio.TaskGroup) -> float:
        """Start workers for all that is due; returns the seconds until more may be due."""
        now_ms = self._clock.now_ms()
        owners, next_ms = await self._journal.read(
            lambda tx: (tx.instances_with_downloads(now_ms), tx.next_download_ms(now_ms))
        )
        for owner in filter(self._accounts.is_online, owners):
            for _ in range(self._workers[owner], _EACH):
                self._workers[owner] += 1
                group.create_task(self._work(owner), name=f"downloads-{owner}")
        if next_ms is None:
            return _LOOK_SECONDS
        return min(_LOOK_SECONDS, (next_ms - now_ms) / 1000)

    async def _work(self, owner: InstanceId) -> None:
        """Fetch what is due of one instance, one file after the other."""
        try:
            with self._ownership.acting(owner):
                while await self._fetch_next(owner):
                    pass
        except NotOwned:
            return  # left to the next owner
        except JournalUnavailable as error:
            log.warning("downloads.wait", instance=owner, reason=str(error))
            await self._clock.sleep(_RETRY_SECONDS)
            self._wake.set()
        except Exception:  # noqa: BLE001 - one instance must not end the work of the others
            telemetry.role_failed("download", instance=owner)
            await self._clock.sleep(_LOOK_SECONDS)
        finally:
            self._workers[owner] -= 1

    async def _fetch_next(self, owner: InstanceId) -> bool:
        """Fetch one file when it is this instance's turn; False if there is none to fetch."""
        async with self._shares.place(owner):
            if not self._accounts.is_online(owner):
                return False
            now_ms = self._clock.now_ms()
            for download in await self._journal.read(
                lambda tx: tx.due_downloads(owner, now_ms, _EACH)
            ):
                slot = (owner, download.status_no)
                if slot not in self._running:
                    await self._fetch(slot, download)
                    return True
            return False

    async def _fetch(self, slot: Slot, download: Download) -> None:
        fetching = self._running[slot] = asyncio.create_task(self._settle(download))
        try:
            await asyncio.wait({fetching})
            if not fetching.cancelled():  # else the status or its instance has gone
                telemetry.downloads_total.labels(fetching.result()).inc()
        finally:
            await cancel(fetching)
            del self._running[slot]

    async def _settle(self, download: Download) -> str:
        """Fetch and store one file; returns the outcome's name."""
        is_fetched = False
        try:
            engine = self._running_engine(download.instance_id)
            with tempfile.TemporaryDirectory(dir=self._staging) as folder:
                path = Path(folder) / "file"
                async with asyncio.timeout(_DOWNLOAD_SECONDS):
                    await engine.download(download.ref, path, MAX_FILE_BYTES)
                is_fetched = True
                await self._store_file(download, path)
        except (JournalUnavailable, NotOwned):
            raise
        except Exception as error:  # noqa: BLE001 - it must not keep a place for ever
            if not isinstance(error, MediaUnavailable | MediaFull | TimeoutError | OSError):
                telemetry.role_failed("download", instance=download.instance_id)
            return await self._give_up_or_wait(download, error, is_fetched=is_fetched)
        return "stored"

    def _running_engine(self, instance_id: InstanceId) -> Engine:
        engine = self._accounts.engine(instance_id)
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
        await self._files.store(download.instance_id, stored, path, patient=True)

        def work(tx: Transaction, changes: Changes) -> None:
            if not tx.awaits_file(download.instance_id, download.status_no):
                tx.release_file(download.instance_id, stored.key)
                return
            status = tx.attach_file(download.instance_id, download.status_no, stored, thumbnail)
            if status is not None:
                changes.file_settled(status)

        await self._publisher.record(download.instance_id, work)

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

    async def _give_up_or_wait(
        self, download: Download, error: Exception, *, is_fetched: bool
    ) -> str:
        """A file is never given up for a fault of ours: no room, or no store."""
        instance_id, status_no = download.instance_id, download.status_no
        final = isinstance(error, MediaUnavailable) and error.final
        ours = is_fetched or isinstance(error, MediaFull)
        counted = self._accounts.is_online(instance_id) and not ours
        if final or (counted and download.attempts + 1 >= _MOST_ATTEMPTS):
            log.warning("download.given_up", instance=instance_id, reason=str(error))
            await self._give_up(instance_id, status_no)
            return "given_up"
        pause_ms = min(2_000 * 2**download.attempts, _LONGEST_PAUSE_MS)
        if ours:
            pause_ms = max(pause_ms, _OWN_FAULT_PAUSE_MS)
        due_ms = self._clock.now_ms() + pause_ms
        await self._journal.write(
            instance_id,
            lambda tx: tx.postpone_download(instance_id, status_no, due_ms, counted=counted),
        )
        self._wake.set()
        return "postponed"

    async def _give_up(self, instance_id: InstanceId, status_no: int) -> None:
        def work(tx: Transaction, changes: Changes) -> None:
            if not tx.awaits_file(instance_id, status_no):
                return
            tx.drop_download(instance_id, status_no)
            status = tx.status_by_no(instance_id, status_no)
            if status is not None:
                changes.file_settled(status)

        await self._publisher.record(instance_id, work)

    def _follow(self, instance_id: InstanceId, changes: Changes) -> None:
        for gone in changes.removed:
            if fetching := self._running.get((instance_id, gone.no)):
                fetching.cancel()
        if any(isinstance(fact, StatusAdded) and fact.awaits_file for fact in changes.facts):
            self._wake.set()

    async def _let_go(self, instance_id: InstanceId) -> None:
        """Leave the files of an account to the node that takes it."""
        await cancel(
            *(one for (owner, _), one in self._running.items() if owner == instance_id)
        )

    def _instance_changed(self, instance: Instance) -> None:
        for (owner, _), fetching in self._running.items():
            if owner == instance.id and instance.deleted_ms is not None:
                fetching.cancel()


def _look_at(path: Path) -> tuple[bytes, int]:
    """The first bytes of a file and its size."""
    with path.open("rb") as file:
        return file.read(512), path.stat().st_size


def _plain(mimetype: str) -> str:
    """A media type without parameters, ``""`` if the text is none."""
    plain = mimetype.partition(";")[0].strip().lower()
    return plain if plain.count("/") == 1 and plain.isascii() and " " not in plain else ""
