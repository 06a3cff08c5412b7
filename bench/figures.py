"""What a run yields: figures beside their floors, judged against what was aimed for."""

from typing import Literal

import msgspec

Level = Literal["must", "aim"]


class Check(msgspec.Struct, frozen=True):
    """One line of the aims and whether the figure keeps it; a missed one is published too."""

    level: Level
    text: str
    met: bool


class Figure(msgspec.Struct, kw_only=True):
    """One measured cell."""

    section: str
    name: str
    unit: str
    value: float | None
    """None: void, or not measured"""
    void: str = ""
    """why the figure does not count"""
    floor: float | None = None
    beside: str = "floor"
    """what *floor* is"""
    ratio: float | None = None
    """figure to floor, the part that holds on any machine"""
    checks: list[Check] = []
    peer: str = ""
    """the bar that others set, with their caveats"""
    note: str = ""
    detail: dict[str, float | int | str] = {}


def at_least(level: Level, value: float, limit: float, unit: str) -> Check:
    """The figure must reach *limit*."""
    return Check(level, f"≥ {_number(limit)}{unit}", value >= limit)


def at_most(level: Level, value: float, limit: float, unit: str) -> Check:
    """The figure must stay at or below *limit*."""
    return Check(level, f"≤ {_number(limit)}{unit}", value <= limit)


def _number(limit: float) -> str:
    return f"{limit:,.0f}" if limit >= 100 else f"{limit:g}"
