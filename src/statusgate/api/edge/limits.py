"""Limits of one instance: requests a second where the operator wants them (contract 9), and
calls that stay open."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from statusgate.api.edge.problems import RETRY_SECONDS, TOO_MANY, Refused
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


class OpenCalls:
    """Calls that stay open for long: so many of each method for each instance."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        """*limits*: by the method's name."""
        self._limits = limits
        self._open: Counter[tuple[InstanceId, str]] = Counter()

    def are_limited(self, method: str) -> bool:
        """Whether calls of *method* are counted."""
        return method in self._limits

    @contextmanager
    def one(self, instance_id: InstanceId, method: str) -> Iterator[None]:
        """Count a call while the block runs; Refused 429, naming the limit, beyond it."""
        key, limit = (instance_id, method), self._limits[method]
        if self._open[key] >= limit:
            raise Refused(
                429, f"{TOO_MANY}: at most {limit} open calls of {method}", RETRY_SECONDS
            )
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
