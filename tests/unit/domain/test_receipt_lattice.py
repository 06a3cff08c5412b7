"""The receipt lattice: order, grouping and repetition cannot matter (contract 3.1)."""

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from statusgate.domain.receipt import Progress, Row, row_of

times = st.none() | st.integers(0, 5)
rows = st.builds(Row, times, times)


@given(rows, rows, rows)
def test_joining_is_commutative_associative_and_idempotent(a: Row, b: Row, c: Row) -> None:
    assert a.joined(b) == b.joined(a)
    assert a.joined(b).joined(c) == a.joined(b.joined(c))
    assert a.joined(a) == a
    assert a.joined(Row()) == a


@given(rows, rows)
def test_progress_never_falls_and_times_never_rise(a: Row, b: Row) -> None:
    joined = a.joined(b)
    assert joined.progress == max(a.progress, b.progress)
    for mine, both in ((a.delivered_ms, joined.delivered_ms), (a.read_ms, joined.read_ms)):
        assert mine is None or (both is not None and both <= mine)


@given(st.lists(rows, min_size=1), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_row(told: list[Row], random: object) -> None:
    shuffled = [*told, *told]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert reduce(Row.joined, shuffled) == reduce(Row.joined, told)


def test_a_receipt_makes_a_row() -> None:
    assert row_of(Progress.DELIVERED, 5) == Row(delivered_ms=5)
    assert row_of(Progress.READ, 5) == Row(read_ms=5)
    assert Row().progress is Progress.PENDING
    assert Row(delivered_ms=5).progress is Progress.DELIVERED
    assert Row(read_ms=5).progress is Progress.READ


def test_the_newest_receipt_is_the_later_time() -> None:
    assert Row().newest_ms() is None
    assert Row(delivered_ms=3).newest_ms() == 3
    assert Row(read_ms=4).newest_ms() == 4
    assert Row(delivered_ms=7, read_ms=4).newest_ms() == 7
