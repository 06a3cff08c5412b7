"""Receipts a second, from the engine port to durable rows, beside the driver alone."""

import statistics
import subprocess
import sys
from pathlib import Path

import msgspec

from bench import aims
from bench.figures import Figure
from bench.ingest_run import RECEIPTS, STATUSES, VIEWERS, Ingested
from bench.seeding import Databases, empty_place, removed_after
from bench.servers import REPOSITORY

_SECONDS = 120


class IngestFailed(Exception):
    """A measuring process failed; the text is the end of what it said."""


def figure(databases: Databases, root: Path, runs: int) -> Figure:
    """Measure product and floor in turn; the medians count."""
    found, floors = [], []
    for run in range(runs):
        place = empty_place(databases, root, f"{databases.name}-ingest-{run}")
        with removed_after(place):
            found.append(_product(place.database, place.folder))
        beside = empty_place(databases, root, f"{databases.name}-ingest-floor-{run}")
        with removed_after(beside):
            floors.append(_floor(beside.database, found[-1].transactions))
    rates = [RECEIPTS / one.seconds for one in found]
    rate, floor = statistics.median(rates), RECEIPTS / statistics.median(floors)
    result = Figure(
        section=f"ingest, {databases.name}",
        name=f"{STATUSES} statuses, {VIEWERS:,} viewers, delivered and read",
        unit="/s",
        value=rate,
        floor=floor,
        ratio=rate / floor,
        checks=aims.ingest(databases.name, rate),
        note=f"{max(found[-1].transactions)} receipts a transaction at most",
        detail={
            "receipts": RECEIPTS,
            "rows": found[-1].rows,
            "transactions": len(found[-1].transactions),
            "lowest": min(rates),
            "highest": max(rates),
        },
    )
    missing = [one.rows for one in found if one.rows != STATUSES * VIEWERS]
    if missing:
        result.value, result.ratio, result.checks = None, None, []
        result.void = f"{missing[0]} complete rows instead of {STATUSES * VIEWERS}"
    return result


def _product(database: str, folder: Path) -> Ingested:
    output = _run(["bench.ingest_run", database, str(folder)], b"")
    return msgspec.json.decode(output, type=Ingested)


def _floor(database: str, sizes: list[int]) -> float:
    return float(_run(["bench.ingest_floor", database], msgspec.json.encode(sizes)))


def _run(arguments: list[str], told: bytes) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=REPOSITORY,
        input=told,
        capture_output=True,
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode:
        raise IngestFailed(done.stderr.decode(errors="replace")[-600:].strip())
    return done.stdout
