"""Files on their way into the media store: on record first, so that a crash forgets none."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalUnavailable, MediaFull, MediaUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.media import StoredFile
from statusgate.journal import Journal, Transaction
from statusgate.media.store import MediaStore

log = structlog.get_logger()
RESERVED_MS = 3_600_000
STORE_SECONDS = 1_800.0
UPLOAD_SECONDS = 300.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


class Files:
    """Stores files for facts that keep them; without one they expire (decision 48)."""

    def __init__(self, journal: Journal, store: MediaStore, clock: Clock) -> None:
        self._journal = journal
        self._store = store
        self._clock = clock

    async def store(
        self,
        instance_id: InstanceId,
        file: StoredFile,
        source: Path,
        *,
        admit: Callable[[Transaction], None] = lambda _tx: None,
        patient: bool = False,
    ) -> None:
        """Store *source* as *file*, which expires within the hour unless a fact keeps it
        (``Transaction.keep_file``).

        *admit* may refuse it by an exception, in the transaction that records it. *patient*:
        while the store is away, try again for half an hour; otherwise it is tried once, for at
        most five minutes. Raises what *admit* does, MediaFull, MediaUnavailable (never final)
        or JournalUnavailable.
        """
        until_ms = self._clock.now_ms() + RESERVED_MS
        reserved = msgspec.structs.replace(file, expires_ms=until_ms)

        def reserve(tx: Transaction) -> None:
            admit(tx)
            tx.add_file(instance_id, reserved)

        await self._journal.write(instance_id, reserve)
        try:
            async with asyncio.timeout(STORE_SECONDS if patient else UPLOAD_SECONDS):
                await self._put(f"{instance_id}/{file.name}", source, patient)
        except (MediaFull, MediaUnavailable, TimeoutError) as error:
            with contextlib.suppress(JournalUnavailable):  # it expires by itself
                await self._journal.write(
                    instance_id, lambda tx: tx.release_file(instance_id, file.key)
                )
            if isinstance(error, TimeoutError):
                raise MediaUnavailable("not stored in time", final=False) from None
            raise

    async def _put(self, path: str, source: Path, patient: bool) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._store.put(path, source)
                return
            except MediaUnavailable as error:
                if not patient:
                    raise
                log.warning("media.waits", reason=str(error))
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
