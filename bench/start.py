"""How long a start takes, and the first reads after it."""

import http.client
import statistics
import time
from pathlib import Path

from bench import aims, load
from bench.figures import Figure
from bench.plans import READS
from bench.seeding import Databases, method_url, removed_after, seeded_place
from bench.servers import HOST, Process

_STARTS = 5
_FIRST_READS = ("A", "B")


def figures(databases: Databases, root: Path) -> list[Figure]:
    """Start a gateway on the seeded journal several times; the medians count."""
    seconds: list[float] = []
    firsts: dict[str, list[float]] = {read: [] for read in _FIRST_READS}
    with removed_after(seeded_place(databases, root, f"{databases.name}-start")) as place:
        for _ in range(_STARTS):
            with place.gateway() as server:
                seconds.append(server.ready_after)
                for read in _FIRST_READS:
                    firsts[read].append(_first_ms(server, read))
    section = f"start, {databases.name}"
    median = statistics.median(seconds)
    start = Figure(
        section=section,
        name=f"command to ready, median of {_STARTS}",
        unit="s",
        value=median,
        checks=aims.start(median),
        detail={"lowest": min(seconds), "highest": max(seconds)},
    )
    return [start] + [
        Figure(
            section=section,
            name=f"first {read} after a restart, median of {_STARTS}",
            unit="ms",
            value=statistics.median(found),
            detail={"lowest": min(found), "highest": max(found)},
        )
        for read, found in firsts.items()
    ]


def _first_ms(server: Process, read: str) -> float:
    """Time one read on a connection that is open already."""
    path = method_url(server, READS[read].method).removeprefix(server.url)
    connection = http.client.HTTPConnection(HOST, int(server.url.rpartition(":")[2]), 10)
    try:
        connection.request("GET", "/health/live")
        connection.getresponse().read()
        begun = time.perf_counter()
        connection.request("GET", path)
        body = connection.getresponse().read()
        taken = (time.perf_counter() - begun) * 1000
    finally:
        connection.close()
    load.check(body, READS[read].rows)
    return taken
