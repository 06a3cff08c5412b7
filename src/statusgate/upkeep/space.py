"""Room to clean up: below a low-water mark nothing is written but what frees space (R6)."""

from collections.abc import Callable

from statusgate.domain.clock import Clock
from statusgate.domain.errors import JournalFull

_LOOK_MS = 1_000


class SpaceGuard:
    """Refuses writes while the disk is nearly full.

    The journal asks it before each write for an instance. Work without an instance is the
    operator's (retention, migrations): it passes, because it is what brings the space back.
    """

    def __init__(self, clock: Clock, free_bytes: Callable[[], int], least_bytes: int) -> None:
        self._clock = clock
        self._free_bytes = free_bytes
        self._least_bytes = least_bytes
        self._looked_ms = 0
        self._low = False

    def admit(self) -> None:
        """Raise JournalFull while space is low."""
        if self._is_low():
            raise JournalFull("free disk space is below the low-water mark")

    def _is_low(self) -> bool:
        now_ms = self._clock.now_ms()
        if not 0 <= now_ms - self._looked_ms < _LOOK_MS:
            self._looked_ms = now_ms
            self._low = self._free_bytes() < self._least_bytes
        return self._low
