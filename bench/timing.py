"""Percentiles and schedules."""

import math
from collections.abc import Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, in milliseconds."""

    count: int
    p50: float
    p90: float
    p99: float
    longest: float


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest of the *ordered* values that so many percent do not exceed."""
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def spread(values: Sequence[float]) -> Spread:
    """Sum up *values*; ValueError if there are none."""
    ordered = sorted(values)
    return Spread(
        count=len(ordered),
        p50=percentile(ordered, 50),
        p90=percentile(ordered, 90),
        p99=percentile(ordered, 99),
        longest=percentile(ordered, 100),
    )


def schedule(count: int, rate: float) -> list[float]:
    """When *count* things at a steady *rate* are due: seconds from the beginning."""
    if rate <= 0:
        raise ValueError("a rate is positive")
    return [number / rate for number in range(count)]
