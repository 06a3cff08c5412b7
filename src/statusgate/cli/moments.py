"""Moments as people write them, in the time zone of this machine: ``tomorrow 9:00``."""

import re
import time
from datetime import datetime, timedelta
from typing import Any

import click

FORMS = (
    '"2026-12-24 09:00", 2026-12-24T09:00+02:00, "today 18:30", "tomorrow 9:00", 18:30, '
    '"in 2 hours" or unix seconds'
)
PAST_FORMS = '2026-11-01, "2026-11-01 09:00", "7 days ago" or unix seconds'
_SPAN = re.compile(r"in (an?|\d{1,6}) ?(min(?:ute)?|h(?:our)?|day|week)s?")
_AGO = re.compile(r"(an?|\d{1,6}) ?(min(?:ute)?|h(?:our)?|day|week)s?(?: ago)?")
_SECONDS = {"min": 60, "minute": 60, "h": 3600, "hour": 3600}
_DAYS = {"day": 1, "week": 7}
_CLOCK = re.compile(r"(?:(today|tomorrow) )?(\d{1,2}):(\d{2})")
_SHORT_HOUR = re.compile(r"([ t])(\d:)")
_DAY = timedelta(days=1)


class FutureMoment(click.ParamType[datetime]):
    """A moment to come, in one of the forms of :func:`moment_of`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        now = int(time.time())
        try:
            moment = moment_of(str(value), now)
        except (ValueError, OverflowError, OSError) as fault:
            raise click.BadParameter(str(fault), ctx, param) from None
        if moment.timestamp() <= now:
            raise click.BadParameter(f"{shown(moment)} has passed", ctx, param)
        return moment


class PastMoment(click.ParamType[datetime]):
    """A moment in the past, in one of the forms of :func:`past_moment_of`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            return past_moment_of(str(value), int(time.time()))
        except (ValueError, OverflowError, OSError) as fault:
            raise click.BadParameter(str(fault), ctx, param) from None


def moment_of(text: str, now: int) -> datetime:
    """Return what *text* means at *now* (unix seconds), with its UTC offset.

    A time without a day is the next of its kind. Raises ValueError if the text is none of
    FORMS, or names a time that the local clocks skip or show twice; OverflowError or OSError
    if it is out of the calendar.
    """
    words = " ".join(text.lower().split())
    if words.isdecimal():
        return datetime.fromtimestamp(int(words)).astimezone()
    if span := _SPAN.fullmatch(words):
        return _after(now, 1 if span[1].startswith("a") else int(span[1]), span[2])
    if clock := _CLOCK.fullmatch(words):
        return _on_the_clock(_wall(now), *clock.groups())
    written = _from_calendar(words) if ":" in words else None
    if written is None:
        raise ValueError(f"{text!r} is not a time; write {FORMS}")
    return _local(written)


def past_moment_of(text: str, now: int) -> datetime:
    """Return what *text* means at *now* (unix seconds), with its UTC offset.

    A date without a time is its midnight. Raises as :func:`moment_of`.
    """
    words = " ".join(text.lower().split())
    if words.isdecimal():
        return datetime.fromtimestamp(int(words)).astimezone()
    if span := _AGO.fullmatch(words):
        return _after(now, -(1 if span[1].startswith("a") else int(span[1])), span[2])
    written = _from_calendar(words)
    if written is None:
        raise ValueError(f"{text!r} is not a time; write {PAST_FORMS}")
    return _local(written)


def shown(moment: datetime) -> str:
    """``Thu 2026-12-24 09:00:00+01:00 (CET)``"""
    return f"{moment:%a} {moment.isoformat(' ', 'seconds')} ({moment:%Z})"


def _from_calendar(words: str) -> datetime | None:
    """Read ISO 8601, where the hour may have one digit; None if it is something else."""
    try:
        return datetime.fromisoformat(_SHORT_HOUR.sub(r"\g<1>0\2", words).upper())
    except ValueError:
        return None


def _after(now: int, count: int, unit: str) -> datetime:
    """Hours are elapsed time; days keep the time on the clock."""
    if unit in _SECONDS:
        return datetime.fromtimestamp(now + count * _SECONDS[unit]).astimezone()
    return _local(_wall(now) + count * _DAYS[unit] * _DAY)


def _on_the_clock(now: datetime, day: str | None, hour: str, minute: str) -> datetime:
    try:
        found = now.replace(hour=int(hour), minute=int(minute), second=0)
    except ValueError:
        raise ValueError(f"there is no {hour}:{minute} on the clock") from None
    comes_tomorrow = day == "tomorrow" or (day is None and found <= now)
    return _local(found + _DAY if comes_tomorrow else found)


def _wall(now: int) -> datetime:
    """Return what the clocks of this machine show at *now*."""
    return datetime.fromtimestamp(now).astimezone().replace(tzinfo=None)


def _local(wall: datetime) -> datetime:
    """Return the moment when the clocks of this machine, or of its own zone, show *wall*."""
    if wall.tzinfo is not None:
        return wall.astimezone()
    before, after = (wall.replace(fold=fold).astimezone() for fold in (0, 1))
    if before.utcoffset() == after.utcoffset():
        return before
    if before.replace(tzinfo=None) != wall:
        raise ValueError(f"the clocks skip {wall:%Y-%m-%d %H:%M}")
    raise ValueError(
        f"the clocks show {wall:%Y-%m-%d %H:%M} twice; write "
        f"{before.isoformat(timespec='minutes')} or {after.isoformat(timespec='minutes')}"
    )
