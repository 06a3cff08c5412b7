"""Room to clean up: below a low-water mark nothing is written but what frees space (R6)."""

from collections.abc import Callable
from typing import TypeVar

from statusgate.domain.errors import JournalFull
from statusgate.domain.ids import InstanceId
from statusgate.ports import Clock, Journal, Reader, Transaction

T = TypeVar("T")
_LOOK_MS = 1_000


class SpaceGuard:
    """A journal that refuses to write while the disk is nearly full; reads go on.

    Work without an instance is the operator's (retention, migrations): it passes, because
    it is what brings the space back.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        free_bytes: Callable[[], int],
        least_bytes: int,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._free_bytes = free_bytes
        self._least_bytes = least_bytes
        self._looked_ms = 0
        self._low = False

    async def write(
        self, instance_id: InstanceId | None, work: Callable[[Transaction], T]
    ) -> T:
        """As ``Journal.write``; JournalFull while space is low."""
        if instance_id is not None and self._is_low():
            raise JournalFull("free disk space is below the low-water mark")
        return await self._journal.write(instance_id, work)

    async def read(self, work: Callable[[Reader], T]) -> T:
        return await self._journal.read(work)

    async def close(self) -> None:
        await self._journal.close()

    @property
    def healthy(self) -> bool:
        return self._journal.healthy

    def _is_low(self) -> bool:
        now_ms = self._clock.now_ms()
        if not 0 <= now_ms - self._looked_ms < _LOOK_MS:
            self._looked_ms = now_ms
            self._low = self._free_bytes() < self._least_bytes
        return self._low
