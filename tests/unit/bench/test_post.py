"""A figure of posting counts only if every post was accepted."""

from bench.openloop import Sent
from bench.post import SHORT, judged


def sent(*took_ms: float) -> Sent:
    """Requests that took so long; 0: not answered."""
    return Sent(
        began_ns=[1] * len(took_ms),
        answered_ns=[1 + round(ms * 1e6) if ms else 0 for ms in took_ms],
        late_ms=[0.0] * len(took_ms),
        faults=[] if all(took_ms) else ["answered 503"],
    )


def test_times_stand_beside_those_of_one_insert() -> None:
    figure = judged(SHORT[0], sent(4.0, 4.0, 60.0), sent(2.0, 2.0, 4.0), "SQLite")

    assert (figure.value, figure.floor, figure.ratio) == (4.0, 2.0, 2.0)
    assert [check.met for check in figure.checks] == [True, False]
    assert {check.level for check in figure.checks} == {"aim"}


def test_what_sqlite_should_reach_is_promised_of_postgresql() -> None:
    figure = judged(SHORT[0], sent(4.0, 4.0, 60.0), sent(2.0, 2.0, 4.0), "PostgreSQL")

    assert {check.level for check in figure.checks} == {"must"}


def test_a_post_that_was_refused_makes_it_void() -> None:
    figure = judged(SHORT[0], sent(6.0, 0), sent(3.0), "SQLite")

    assert figure.value is None
    assert figure.void == "1 without a 200: answered 503"
