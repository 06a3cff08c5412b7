"""Days and hours of a time zone (contract 12.10)."""

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest

from statusgate.domain.errors import InvalidRequest
from statusgate.domain.status import Posted
from statusgate.wire.fields import reader
from statusgate.wire.summary import Calendar, SummaryRequest

HOUR_MS = 3_600_000
read = reader(SummaryRequest)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_days_end_with_today_and_are_oldest_first() -> None:
    told = Calendar("UTC", 3, ms("2026-03-01T12:00")).summary({})
    assert [day.date for day in told.days] == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert [hour.hour for hour in told.by_hour] == list(range(24))
    assert {day.posted for day in told.days} == {0}


def test_today_is_that_of_the_zone() -> None:
    late = ms("2026-03-01T23:30")
    assert Calendar("Asia/Kathmandu", 1, late).summary({}).days[0].date == "2026-03-02"
    assert Calendar("America/New_York", 1, late).summary({}).days[0].date == "2026-03-01"


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T12:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00", 25),
        ("Australia/Lord_Howe", "2026-04-05T02:00", 24.5),
        ("Africa/Cairo", "2026-04-24T12:00", 23),  # clocks skip the first hour of that day
        ("UTC", "2026-03-29T12:00", 24),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone: str, now: str, hours: float) -> None:
    calendar = Calendar(zone, 1, ms(now))
    assert calendar.before_ms - calendar.since_ms == hours * HOUR_MS


def test_posts_belong_to_the_local_day_and_hour() -> None:
    calendar = Calendar("Europe/Berlin", 2, ms("2026-03-29T12:00"))
    told = calendar.summary(
        {
            ms("2026-03-28T22:45"): Posted(posted=1, read=4),  # 23:45
            ms("2026-03-28T23:00"): Posted(posted=2, recipients=9, read=5),  # midnight
            ms("2026-03-29T01:00"): Posted(posted=3, replies=1),  # 03:00, after the change
        }
    )
    assert [(day.posted, day.recipients, day.read, day.replies) for day in told.days] == [
        (1, 0, 4, 0),
        (5, 9, 5, 1),
    ]
    hours = {one.hour: (one.posted, one.read) for one in told.by_hour if one.posted}
    assert hours == {0: (2, 5), 3: (3, 0), 23: (1, 4)}


@pytest.mark.parametrize(
    "name",
    [
        "Europe/Atlantis",
        "../UTC",
        "/etc/passwd",
        "Europe",
        "\x00",
        "\ud800",
        "__init__.py",
        "+2",
    ],
)
def test_what_is_no_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidRequest, match="'timezone' must be the name of an IANA time"):
        read({"timezone": name})


def test_zones_come_along_where_the_machine_has_none() -> None:
    zoneinfo.reset_tzpath(to=())
    try:
        berlin = zoneinfo.ZoneInfo.no_cache("Europe/Berlin")
    finally:
        zoneinfo.reset_tzpath()
    assert datetime(2026, 7, 1, tzinfo=berlin).utcoffset() == timedelta(hours=2)


def test_days_have_limits() -> None:
    assert read({"days": "366", "timezone": ""}) == SummaryRequest(days=366, timezone="UTC")
    for days in (0, 367):
        with pytest.raises(InvalidRequest, match="'days' must be"):
            read({"days": days})
