"""Files of statuses: fetched right after acceptance, converted for phones, stored."""

import asyncio
import tempfile
from pathlib import Path

import structlog

from statusgate import telemetry
from statusgate.accounts.files import Files
from statusgate.accounts.instances import Instances
from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.clock import Clock
from statusgate.domain.conversion import (
    ConversionFailed,
    Converted,
    ImageWanted,
    VideoWanted,
    VoiceWanted,
    Wanted,
)
from statusgate.domain.errors import JournalUnavailable, MediaFull, MediaUnavailable, NotOwned
from statusgate.domain.fairness import FairShares
from statusgate.domain.ids import InstanceId, new_media_key
from statusgate.domain.instance import Instance
from statusgate.domain.media import StoredFile, media_url
from statusgate.domain.media_types import MAX_FILE_BYTES
from statusgate.domain.outbound_http import FetchFailed, FileMoved, FileTooLarge
from statusgate.domain.outbox import Outgoing, Prepared
from statusgate.domain.status import Failure, FailureReason, Kind
from statusgate.domain.waiting import cancel, happens_within
from statusgate.journal import Journal, Transaction
from statusgate.media.converter import Converter
from statusgate.media.store import MediaStore
from statusgate.outbound.client import GuardedClient
from statusgate.ownership.ownership import LOOK_SECONDS, Ownership
from statusgate.publishing.outcomes import Outcomes
from statusgate.publishing.sending import copy_out
from statusgate.publishing.signals import Signals

log = structlog.get_logger()
FETCH_FAILED = Failure(FailureReason.FETCH_FAILED, "File could not be fetched")
MOVED = Failure(
    FailureReason.FETCH_FAILED, "File could not be fetched: its address redirects to another"
)
TOO_LARGE = Failure(FailureReason.FILE_TOO_LARGE, "File exceeds the limit of 100 MB")
_AT_ONCE = 32
_EACH = 4
"""of one instance"""
_FETCH_SECONDS = 300.0
_LOOK_SECONDS = 30.0
_PAUSE_MS = 15_000


class MediaLimits:
    """What the operator allows (contract 3.4), seconds."""

    def __init__(self, *, voice_seconds: int, video_seconds: int) -> None:
        self._voice_seconds = voice_seconds
        self._video_seconds = video_seconds

    def wanted(self, kind: Kind) -> Wanted:
        """What a file of a status of *kind* is to become."""
        if kind is Kind.IMAGE:
            return ImageWanted()
        if kind is Kind.VIDEO:
            return VideoWanted(self._video_seconds)
        return VoiceWanted(self._voice_seconds)


class Preparing:
    """Fetches and converts files, a few of each instance at a time and instances in turn.

    After a crash it starts over with what the outbox has.
    """

    def __init__(
        self,
        journal: Journal,
        publisher: ChangePublisher,
        instances: Instances,
        files: Files,
        ownership: Ownership,
        store: MediaStore,
        fetcher: GuardedClient,
        converter: Converter,
        clock: Clock,
        outcomes: Outcomes,
        signals: Signals,
        *,
        limits: MediaLimits,
        public_url: str,
        staging: Path,
    ) -> None:
        """*staging*: a private folder for files on their way."""
        self._journal = journal
        self._publisher = publisher
        self._files = files
        self._ownership = ownership
        self._store = store
        self._fetcher = fetcher
        self._converter = converter
        self._clock = clock
        self._outcomes = outcomes
        self._signals = signals
        self._limits = limits
        self._public_url = public_url
        self._staging = staging.absolute()
        self._places = FairShares[InstanceId](total=_AT_ONCE, each=_EACH)
        self._at_work: dict[InstanceId, dict[str, asyncio.Task[None]]] = {}
        """by instance and status, also those that wait for a place"""
        signals.on_removed(self._cancel)
        instances.listen(self._instance_changed)
        ownership.on_claim(lambda _id: signals.files.set())
        ownership.before_leaving(self._let_go)

    async def run(self) -> None:
        """Prepare until cancelled, on each new status and every half a minute."""
        self._staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._at_work.clear()
        pause = LOOK_SECONDS if self._ownership.is_shared else _LOOK_SECONDS
        async with asyncio.TaskGroup() as group:
            while True:
                self._signals.files.clear()
                try:
                    await self._start_due(group)
                except JournalUnavailable as error:
                    log.warning("preparing.waits", reason=str(error))
                await happens_within(self._signals.files, self._clock, pause)

    async def _start_due(self, group: asyncio.TaskGroup) -> None:
        """Start the first few files of every instance; places decide whose turn it is."""
        now_ms = self._clock.now_ms()
        busy = {one for one, tasks in self._at_work.items() if len(tasks) >= _EACH}

        def due(tx: Transaction) -> list[Outgoing]:
            owners = [
                one
                for one in tx.instances_to_prepare(now_ms)
                if one not in busy and self._ownership.owns(one)
            ]
            return [
                outgoing
                for owner in owners
                for outgoing in tx.outgoing_to_prepare(owner, now_ms, _EACH)
            ]

        for outgoing in await self._journal.read(due):
            tasks = self._at_work.setdefault(outgoing.instance_id, {})
            if outgoing.status_id not in tasks and len(tasks) < _EACH:
                tasks[outgoing.status_id] = group.create_task(self._prepare(outgoing))

    async def _prepare(self, outgoing: Outgoing) -> None:
        try:
            with self._ownership.acting(outgoing.instance_id):
                await self._prepare_as_owner(outgoing)
        except NotOwned:
            return  # left to the next owner
        finally:
            self._forget(outgoing)
            self._signals.files.set()
            self._signals.queue(outgoing.instance_id)

    async def _prepare_as_owner(self, outgoing: Outgoing) -> None:
        try:
            async with self._places.place(outgoing.instance_id):
                await self._settle(outgoing)
        except (JournalUnavailable, MediaFull, MediaUnavailable, OSError) as error:
            await self._postpone(outgoing, error)
        except NotOwned:
            raise
        except Exception as error:  # noqa: BLE001 - one file must not end the others
            telemetry.role_failed("preparing", instance=outgoing.instance_id)
            await self._postpone(outgoing, error)

    async def _let_go(self, instance_id: InstanceId) -> None:
        """Leave the files of an account to the node that takes it."""
        await cancel(*self._at_work.get(instance_id, {}).values())

    def _forget(self, outgoing: Outgoing) -> None:
        tasks = self._at_work.get(outgoing.instance_id, {})
        tasks.pop(outgoing.status_id, None)
        if not tasks:
            self._at_work.pop(outgoing.instance_id, None)

    def _cancel(self, instance_id: InstanceId, status_id: str) -> None:
        """Let go of the file of a status that was removed."""
        task = self._at_work.get(instance_id, {}).get(status_id)
        if task is not None:
            task.cancel()

    def _instance_changed(self, instance: Instance) -> None:
        if instance.deleted_ms is not None:
            for status_id in self._at_work.get(instance.id, {}):
                self._cancel(instance.id, status_id)

    async def _settle(self, outgoing: Outgoing) -> None:
        with tempfile.TemporaryDirectory(dir=self._staging) as folder:
            made = await self._make(outgoing, Path(folder))
            if isinstance(made, Failure):
                await self._outcomes.fail(outgoing, made)
            else:
                await self._keep(outgoing, made, Path(folder) / "target")

    async def _make(self, outgoing: Outgoing, folder: Path) -> Converted | Failure:
        source = folder / "source"
        try:
            await self._fetch(outgoing, source)
        except FileTooLarge:
            return TOO_LARGE
        except FileMoved:
            return MOVED
        except FetchFailed as error:
            log.info(
                "status.not_fetched",
                instance=outgoing.instance_id,
                status=outgoing.status_id,
                reason=error.reason,
            )
            return FETCH_FAILED
        wanted = self._limits.wanted(outgoing.draft.kind)
        converted = await self._converter.convert(
            outgoing.instance_id, source, wanted, folder / "target"
        )
        if isinstance(converted, ConversionFailed):
            log.info(
                "status.not_converted",
                instance=outgoing.instance_id,
                status=outgoing.status_id,
                reason=converted.detail,
            )
            return Failure(converted.reason, converted.description)
        return converted

    async def _fetch(self, outgoing: Outgoing, to: Path) -> None:
        """A file of our own store is read there, anything else is fetched (contract 3.4)."""
        own = media_url(self._public_url, outgoing.instance_id, "")
        if not outgoing.draft.url.startswith(own):
            await self._fetcher.fetch(
                outgoing.draft.url,
                to,
                MAX_FILE_BYTES,
                _FETCH_SECONDS,
                owner=outgoing.instance_id,
            )
            return
        key, _, extension = outgoing.draft.url.removeprefix(own).partition(".")
        now_ms = self._clock.now_ms()
        file = await self._journal.read(lambda tx: tx.file(outgoing.instance_id, key, now_ms))
        if file is None or file.extension != extension:
            raise FetchFailed("no such file of our own")
        try:
            await copy_out(self._store, f"{outgoing.instance_id}/{file.name}", file.size, to)
        except MediaUnavailable as error:
            if error.final:
                raise FetchFailed("a file of our own is lost") from error
            raise

    async def _keep(self, outgoing: Outgoing, made: Converted, target: Path) -> None:
        size = (await asyncio.to_thread(target.stat)).st_size
        file = StoredFile(
            key=new_media_key(),
            extension=made.extension,
            mimetype=made.mimetype,
            size=size,
            created_ms=self._clock.now_ms(),
        )
        prepared = Prepared(file=file, **made.preview())
        await self._files.store(outgoing.instance_id, file, target, patient=True)

        def work(tx: Transaction, changes: Changes) -> None:
            _, status = tx.prepare_outgoing(outgoing.instance_id, outgoing.status_id, prepared)
            if status is not None:
                changes.statuses[status.no] = status

        await self._publisher.record(outgoing.instance_id, work)

    async def _postpone(self, outgoing: Outgoing, error: Exception) -> None:
        """Try again later: the fault is ours, not the file's."""
        log.warning("preparing.waits", instance=outgoing.instance_id, reason=str(error)[:200])
        due_ms = self._clock.now_ms() + _PAUSE_MS
        try:
            await self._journal.write(
                outgoing.instance_id,
                lambda tx: tx.postpone_outgoing(
                    outgoing.instance_id, outgoing.status_id, due_ms
                ),
            )
        except JournalUnavailable:
            await self._clock.sleep(1)
