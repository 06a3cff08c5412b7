"""Time, so that tests can own it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        ...

    async def sleep(self, seconds: float) -> None: ...


def now_ms() -> int:
    """Milliseconds since 1970 UTC, by the machine's clock."""
    return time.time_ns() // 1_000_000


class SystemClock:
    """The machine's time."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return now_ms()

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        await asyncio.sleep(seconds)
