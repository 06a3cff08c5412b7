"""Request limits of the hosted service, where the operator wants them (contract 9)."""

import time
from collections.abc import Callable

from statusgate.domain.ids import InstanceId


class RateLimits:
    """Requests a second for each instance and method; the burst is the same figure."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: dict[tuple[InstanceId, str], tuple[float, float]] = {}

    def take(self, instance_id: InstanceId, method: str, rate: int) -> float:
        """Count a request; returns 0, or the seconds to wait if it must be refused."""
        key = (instance_id, method)
        now = self._now()
        left, at = self._buckets.get(key, (float(rate), now))
        left = min(float(rate), left + (now - at) * rate)
        if left < 1:
            return (1 - left) / rate
        self._buckets[key] = (left - 1, now)
        return 0.0

    def forget(self, instance_id: InstanceId) -> None:
        """Drop what is kept of a deleted instance."""
        for key in [key for key in self._buckets if key[0] == instance_id]:
            del self._buckets[key]
