"""Moments as people write them for ``--at``."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import click
import pytest

from statusgate.cli.moments import FORMS, FutureMoment, moment_of, past_moment_of, shown

Zone = Callable[[str], None]
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"  # as POSIX has it: no database of zones is needed
JERUSALEM = "IST-2IDT,M3.4.4/26,M10.5.0"


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """Sets the time zone of this machine, as far as this process knows."""

    def set_to(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_to
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> int:
    """The unix seconds of an ISO time."""
    return int(datetime.fromisoformat(text).timestamp())


NOW = at("2026-11-21T18:00:20+01:00")  # a Saturday in Berlin
MEANINGS = [
    ("2026-12-24 09:00", "2026-12-24T09:00:00+01:00"),
    ("2026-12-24 09:00:30", "2026-12-24T09:00:30+01:00"),
    ("2026-12-24 9:00", "2026-12-24T09:00:00+01:00"),
    ("2026-12-24T9:00+02:00", "2026-12-24T08:00:00+01:00"),
    ("2026-12-24T09:00", "2026-12-24T09:00:00+01:00"),
    ("  2026-12-24   09:00 ", "2026-12-24T09:00:00+01:00"),
    ("2027-07-01 09:00", "2027-07-01T09:00:00+02:00"),
    ("2026-12-24T09:00Z", "2026-12-24T10:00:00+01:00"),
    ("2026-12-24t09:00z", "2026-12-24T10:00:00+01:00"),
    ("2026-12-24 09:00+05:30", "2026-12-24T04:30:00+01:00"),
    ("tomorrow 9:00", "2026-11-22T09:00:00+01:00"),
    ("Tomorrow 09:00", "2026-11-22T09:00:00+01:00"),
    ("today 18:30", "2026-11-21T18:30:00+01:00"),
    ("today 9:00", "2026-11-21T09:00:00+01:00"),
    ("18:30", "2026-11-21T18:30:00+01:00"),
    ("18:00", "2026-11-22T18:00:00+01:00"),
    ("0:00", "2026-11-22T00:00:00+01:00"),
    ("in 2 hours", "2026-11-21T20:00:20+01:00"),
    ("in an hour", "2026-11-21T19:00:20+01:00"),
    ("in 1 hour", "2026-11-21T19:00:20+01:00"),
    ("in 2h", "2026-11-21T20:00:20+01:00"),
    ("in 90 minutes", "2026-11-21T19:30:20+01:00"),
    ("in 5 min", "2026-11-21T18:05:20+01:00"),
    ("in 3 days", "2026-11-24T18:00:20+01:00"),
    ("in a week", "2026-11-28T18:00:20+01:00"),
    ("1798099200", "2026-12-24T09:00:00+01:00"),
]


@pytest.mark.parametrize(("text", "meant"), MEANINGS)
def test_people_write_times_in_their_own_zone(zone: Zone, text: str, meant: str) -> None:
    zone(BERLIN)
    assert moment_of(text, NOW).isoformat() == meant


@pytest.mark.parametrize(
    ("text", "now", "meant"),
    [
        ("in 24 hours", "2026-10-24T18:00+02:00", "2026-10-25T17:00:00+01:00"),
        ("in 1 day", "2026-10-24T18:00+02:00", "2026-10-25T18:00:00+01:00"),
        ("tomorrow 9:00", "2027-03-27T18:00+01:00", "2027-03-28T09:00:00+02:00"),
        ("in 1 hour", "2026-10-25T02:30+02:00", "2026-10-25T02:30:00+01:00"),
    ],
)
def test_days_keep_the_time_on_the_clock_and_hours_elapse(
    zone: Zone, text: str, now: str, meant: str
) -> None:
    zone(BERLIN)
    assert moment_of(text, at(now)).isoformat() == meant


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "9:0", "tomorrow", "2026-12-24", "24.12.2026 09:00",
        "2026-12-24 9", "2026-12-24 9:5",
        "yesterday 9:00", "in hours", "in -2 hours", "in 2 years", "9:00 am",
        "2026-13-01 09:00", "2026-12-24 25:00", "٩:٠٠ tomorrow",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        FutureMoment().convert(text, None, None)
    assert str(caught.value) == f"{text!r} is not a time; write {FORMS}"


@pytest.mark.parametrize("text", ["24:00", "tomorrow 9:60"])
def test_a_time_that_no_clock_shows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"there is no \d+:\d+ on the clock"):
        moment_of(text, NOW)


def test_a_time_that_the_clocks_skip_is_refused(zone: Zone) -> None:
    zone(BERLIN)
    for text in ("2027-03-28 02:30", "tomorrow 2:30", "in 1 day"):
        with pytest.raises(ValueError, match="the clocks skip 2027-03-28 02:30"):
            moment_of(text, at("2027-03-27T02:30+01:00"))
    assert moment_of("2027-03-28 02:30+01:00", NOW).isoformat() == "2027-03-28T03:30:00+02:00"


def test_a_time_that_comes_twice_is_refused_with_both(zone: Zone) -> None:
    zone(BERLIN)
    both = r"twice; write 2026-10-25T02:30\+02:00 or 2026-10-25T02:30\+01:00"
    for text in ("2026-10-25 02:30", "tomorrow 2:30"):
        with pytest.raises(ValueError, match=both):
            moment_of(text, at("2026-10-24T12:00+02:00"))
    first = moment_of("2026-10-25T02:30+02:00", NOW)
    second = moment_of("2026-10-25T02:30+01:00", NOW)
    assert second - first == timedelta(hours=1)


def test_a_moment_is_shown_with_day_and_zone(zone: Zone) -> None:
    zone(JERUSALEM)
    moment = moment_of("2026-12-24 09:00", NOW)
    assert shown(moment) == "Thu 2026-12-24 09:00:00+02:00 (IST)"
    zone("UTC")
    assert shown(moment_of("18:30", NOW)) == "Sat 2026-11-21 18:30:00+00:00 (UTC)"


@pytest.mark.parametrize(
    "text", ["2020-01-01 09:00", "1700000000", "9", "9" * 30, "today 0:00"]
)
def test_what_has_passed_or_never_comes_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        FutureMoment().convert(text, None, None)
    assert "\n" not in str(caught.value)


def test_a_moment_to_come_is_taken() -> None:
    now = datetime.now(UTC)
    moment = FutureMoment().convert("in 2 hours", None, None)
    assert 7190 <= (moment - now).total_seconds() <= 7260


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1710230400", "2024-03-12T08:00:00+00:00"),
        ("2024-03-01", "2024-03-01T00:00:00+00:00"),
        ("2024-03-01 9:30", "2024-03-01T09:30:00+00:00"),
        ("2024-03-01 09:30", "2024-03-01T09:30:00+00:00"),
        ("2024-03-01T09:30+02:00", "2024-03-01T07:30:00+00:00"),
        ("7 days ago", "2024-03-05T08:00:00+00:00"),
        ("1h", "2024-03-12T07:00:00+00:00"),
        ("an hour ago", "2024-03-12T07:00:00+00:00"),
        ("2 weeks", "2024-02-27T08:00:00+00:00"),
        ("in 2 hours", None),
        ("soon", None),
    ],
)
def test_moments_of_the_past_are_dates_times_or_spans(
    zone: Zone, text: str, meant: str | None
) -> None:
    zone("UTC")
    if meant is None:
        with pytest.raises(ValueError, match="is not a time; write 2026-11-01"):
            past_moment_of(text, 1_710_230_400)
    else:
        assert past_moment_of(text, 1_710_230_400) == datetime.fromisoformat(meant)


def test_a_date_is_midnight_on_the_clocks_of_this_machine(zone: Zone) -> None:
    zone(BERLIN)
    assert past_moment_of("2024-07-01", 0).isoformat() == "2024-07-01T00:00:00+02:00"
