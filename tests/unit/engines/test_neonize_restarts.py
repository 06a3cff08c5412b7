"""How long to wait before a worker is started again."""

import pytest

from statusgate.engines.neonize.config import Exit, Timing, meaning
from statusgate.engines.neonize.restarts import Restarts

TIMING = Timing()


def test_back_off_grows_with_jitter_and_ends_at_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    restarts = Restarts(TIMING)
    delays = [restarts.after(Exit.UNREACHABLE, lived=1, now=n * 1000).delay for n in range(11)]
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_long_life_starts_the_back_off_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    restarts = Restarts(TIMING)
    for n in range(4):
        restarts.after(2, lived=1, now=n)
    assert restarts.after(2, lived=600, now=10).delay == 1
    assert not restarts.after(2, lived=1, now=11).alarm


def test_five_deaths_in_ten_minutes_are_an_alarm() -> None:
    restarts = Restarts(TIMING)
    verdicts = [restarts.after(-9, lived=1, now=n * 100) for n in range(5)]
    assert [verdict.alarm for verdict in verdicts] == [False] * 4 + [True]
    assert verdicts[4].delay == TIMING.slow
    assert not restarts.after(-9, lived=1, now=2000).alarm


def test_an_outage_of_the_network_is_no_death() -> None:
    restarts = Restarts(TIMING)
    assert not any(restarts.after(Exit.UNREACHABLE, lived=1, now=n).alarm for n in range(20))


def test_a_dead_connection_is_replaced_at_once_but_not_for_ever() -> None:
    restarts = Restarts(TIMING)
    assert restarts.after(Exit.RESTART, lived=1, now=0).delay == 0
    verdicts = [restarts.after(Exit.RESTART, lived=1, now=n) for n in range(1, 5)]
    assert verdicts[-1].alarm


def test_a_ban_is_waited_out() -> None:
    verdict = Restarts(TIMING).after(Exit.BANNED, lived=1, now=0, banned_for=3600)
    assert verdict.delay is not None
    assert 3600 < verdict.delay < 3700
    assert verdict.held
    assert not verdict.reported


@pytest.mark.parametrize("code", [*Exit, -9, -15, 1, 2, 134])
def test_every_end_has_a_meaning_and_a_verdict(code: int) -> None:
    assert meaning(code)
    verdict = Restarts(TIMING).after(code, lived=1, now=0)
    assert verdict.delay is None or 0 <= verdict.delay <= TIMING.outdated_hold
    if code in (Exit.STORE_LOST, Exit.OUTDATED):
        assert verdict.alarm
        assert verdict.reported
