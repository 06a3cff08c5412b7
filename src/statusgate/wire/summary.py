"""An account's days and hours (contract 12.10)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from statusgate.domain.status import Posted
from statusgate.wire import fields
from statusgate.wire.requests import Request

LONGEST_ZONE = 64


def _zone(name: str, value: object) -> str:
    given: str = fields.text(LONGEST_ZONE)(name, value)
    try:
        ZoneInfo(given)
    except (OSError, ValueError, KeyError):
        fields.fail(name, "must be the name of an IANA time zone")
    return given


class SummaryRequest(Request, frozen=True, kw_only=True):
    """How many days up to today, and where a day begins."""

    days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 30
    timezone: Annotated[
        str,
        msgspec.Meta(
            max_length=LONGEST_ZONE,
            description="IANA name, such as `Europe/Berlin`",
            extra={"read": _zone},
        ),
    ] = "UTC"


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Root of the shapes."""


class DaySummary(_Shape, frozen=True, kw_only=True):
    """What was posted on one day, and what became of it until now."""

    date: str
    posted: int
    recipients: int
    delivered: int
    read: int
    reactions: int
    replies: int


class HourSummary(_Shape, frozen=True, kw_only=True):
    """The same hour of all days."""

    hour: int
    posted: int
    read: int


class StatusesSummary(_Shape, frozen=True, kw_only=True):
    """The account's posts by day and by hour of the day, oldest day first."""

    timezone: str
    days: list[DaySummary]
    by_hour: list[HourSummary]


class Calendar:
    """The days up to today in one time zone."""

    def __init__(self, timezone: str, days: int, now_ms: int) -> None:
        self._timezone = timezone
        self._zone = ZoneInfo(timezone)
        today = self._local(now_ms).date()
        self._days = [today - timedelta(back) for back in reversed(range(days))]
        self.since_ms = self._midnight_ms(self._days[0])
        self.before_ms = self._midnight_ms(today + timedelta(1))

    def summary(self, posted: Mapping[int, Posted]) -> StatusesSummary:
        """Gather what was *posted*, by the start of a span of time that no midnight divides."""
        by_day: dict[date, list[Posted]] = defaultdict(list)
        by_hour: dict[int, list[Posted]] = defaultdict(list)
        for start_ms, one in posted.items():
            local = self._local(start_ms)
            by_day[local.date()].append(one)
            by_hour[local.hour].append(one)
        return StatusesSummary(
            timezone=self._timezone,
            days=[_day(day, by_day[day]) for day in self._days],
            by_hour=[_hour(hour, by_hour[hour]) for hour in range(24)],
        )

    def _local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms // 1000, self._zone)

    def _midnight_ms(self, day: date) -> int:
        """Where clocks skip midnight, the first moment after it."""
        return int(datetime.combine(day, time(), self._zone).timestamp()) * 1000


def _day(day: date, posted: Iterable[Posted]) -> DaySummary:
    total = sum(posted, Posted())
    return DaySummary(date=day.isoformat(), **msgspec.structs.asdict(total))


def _hour(hour: int, posted: Iterable[Posted]) -> HourSummary:
    total = sum(posted, Posted())
    return HourSummary(hour=hour, posted=total.posted, read=total.read)
