"""Percentiles and schedules are what they say."""

import pytest

from bench.timing import Spread, percentile, schedule, spread


@pytest.mark.parametrize(
    ("percent", "value"), [(50, 50), (90, 90), (99, 99), (100, 100), (0, 1), (98.5, 99)]
)
def test_the_smallest_value_that_so_many_do_not_exceed(percent: float, value: float) -> None:
    assert percentile(range(1, 101), percent) == value


def test_one_value_is_every_percentile() -> None:
    assert spread([3.0]) == Spread(count=1, p50=3, p90=3, p99=3, longest=3)


def test_the_order_does_not_matter() -> None:
    found = spread([5.0, 1.0, 4.0, 2.0, 3.0])

    assert (found.p50, found.p99, found.longest) == (3, 5, 5)


def test_nothing_has_no_spread() -> None:
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_a_schedule_is_steady_and_begins_at_once() -> None:
    assert schedule(4, 200) == [0, 0.005, 0.01, 0.015]
    assert schedule(0, 1) == []


def test_a_rate_is_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        schedule(1, 0)
