"""Memory of a gateway without any account."""

import time
from pathlib import Path

from bench import aims
from bench.figures import Figure
from bench.seeding import Databases, empty_place, removed_after
from bench.servers import Memory

_SETTLE_SECONDS = 2.0
SECTION = "memory"


def idle(databases: Databases, root: Path) -> Figure:
    """A gateway that nothing is asked of; PostgreSQL itself is not counted."""
    place = empty_place(databases, root, f"{databases.name}-idle")
    with removed_after(place), place.gateway() as server:
        time.sleep(_SETTLE_SECONDS)
        found = server.memory()
    return Figure(
        section=SECTION,
        name=f"idle, no account, {databases.name}: resident",
        unit="MB",
        value=found.rss,
        checks=aims.idle_memory(found.rss),
        peer=aims.IDLE_PEER,
        detail=detail(found),
    )


def peak(name: str, mb: float) -> Figure:
    """The highest resident size while A, B and C were read."""
    return Figure(
        section=SECTION,
        name=f"peak over A to C, {name}: resident",
        unit="MB",
        value=mb,
        checks=aims.peak_memory(mb),
        peer=aims.PEAK_PEER,
    )


def detail(found: Memory) -> dict[str, float | int | str]:
    """The figures beside the headline."""
    return {
        "PSS MB": round(found.pss, 1),
        "RSS MB": round(found.rss, 1),
        "peak MB": round(found.peak, 1),
        "processes": found.processes,
    }
