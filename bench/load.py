"""Load by wrk: one thread, keep-alive, a warm-up, then so many measured seconds.

A figure counts only if every answer was good: status 200, the right number of rows, the right
length at the beginning and at the end, no error in between.
"""

import http.client
import re
import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

WARM_UP_SECONDS = 2
_TIMEOUT_SECONDS = 10.0
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_TIME = r"([\d.]+)(us|ms|s|m)"
_LATENCY = re.compile(rf"^\s*Latency\s+{_TIME}\s+{_TIME}\s+{_TIME}", re.MULTILINE)
_PERCENTILE = re.compile(rf"^\s*(50|75|90|99)%\s+{_TIME}\s*$", re.MULTILINE)
_REQUESTS = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_SOCKET = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)")


class WrkMissing(Exception):
    """The load generator is not installed."""


class Void(Exception):
    """The figure does not count; the text says why."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of wrk tells; times in milliseconds."""

    rate: float
    requests: int
    p50: float
    p90: float
    p99: float
    longest: float
    errors: int
    cpu_us: float = 0.0
    """processor time of the server for each answer, all its threads; told by the kernel"""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The median of some runs, and the answer that was asked for."""

    rate: float
    lowest: float
    highest: float
    p50: float
    p90: float
    p99: float
    longest: float
    cpu_us: float
    answer_bytes: int
    requests: int


def find_wrk() -> str:
    """Return wrk's path; raises WrkMissing."""
    path = shutil.which("wrk")
    if path is None:
        raise WrkMissing("bench: wrk is not installed (Debian, Ubuntu: apt install wrk)")
    return path


def parse(output: str) -> Run:
    """Read what ``wrk --latency`` prints; raises ValueError for anything else."""
    rate, requests = _RATE.search(output), _REQUESTS.search(output)
    latency = _LATENCY.search(output)
    told = {int(found[1]): _ms(found[2], found[3]) for found in _PERCENTILE.finditer(output)}
    if rate is None or requests is None or latency is None or {50, 90, 99} - told.keys():
        raise ValueError(f"not the output of wrk --latency: {output[:200]!r}")
    socket, refused = _SOCKET.search(output), _REFUSED.search(output)
    return Run(
        rate=float(rate[1]),
        requests=int(requests[1]),
        p50=told[50],
        p90=told[90],
        p99=told[99],
        longest=_ms(latency[5], latency[6]),
        errors=sum(map(int, socket.groups() if socket else ()))
        + (int(refused[1]) if refused else 0),
    )


def _ms(number: str, unit: str) -> float:
    return float(number) * _MS[unit]


def fetch(url: str) -> bytes:
    """Return the answer to one GET; raises Void unless it is a 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        response = connection.getresponse()
        body = response.read()
    except OSError as error:
        raise Void(f"no answer: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise Void(f"answered {response.status}: {body[:120]!r}")
    return body


def check(body: bytes, rows: int | None) -> None:
    """Raises Void unless *body* is a JSON array of so many rows, or an object with one.

    None: it must be JSON, no more.
    """
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise Void(f"not JSON: {error}") from error
    parts = told.values() if isinstance(told, dict) else [told]
    found = next((len(part) for part in parts if isinstance(part, list)), 0)
    if rows is not None and found != rows:
        raise Void(f"{found} rows instead of {rows}")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One URL under load, and how its answer must be."""

    url: str
    rows: int | None
    pid: int = 0
    """the server's process; 0: its processor time is not wanted"""
    moves: bool = False
    """the data change meanwhile, so that only rows are compared, not lengths"""


def in_turn(
    targets: Sequence[Target],
    *,
    connections: int,
    seconds: int,
    runs: int,
    during: Mapping[int, AbstractContextManager[object]] | None = None,
) -> list[Load]:
    """Put load on each target in turn, *runs* times over; returns the medians.

    So a neighbour's burst of work meets all of them alike. *during*: what goes on while the
    target of that place is measured. Raises Void if any answer was not as it must be.
    """
    first = [fetch_checked(target) for target in targets]
    for target in targets:
        run_wrk(target.url, connections, WARM_UP_SECONDS)
    found: list[list[Run]] = [[] for _ in targets]
    for _ in range(runs):
        for place, target in enumerate(targets):
            with (during or {}).get(place, nullcontext()):
                found[place].append(_run_with_cpu(target, connections, seconds))
    for target, length in zip(targets, first, strict=True):
        last = fetch_checked(target)
        if last != length and not target.moves:
            raise Void(f"{length} bytes at first, {last} at last")
    return [median_of(*pair) for pair in zip(found, first, strict=True)]


def _run_with_cpu(target: Target, connections: int, seconds: int) -> Run:
    before = cpu_seconds(target.pid)
    run = run_wrk(target.url, connections, seconds)
    used = cpu_seconds(target.pid) - before
    return msgspec.structs.replace(run, cpu_us=used * 1e6 / max(1, run.requests))


def cpu_seconds(pid: int) -> float:
    """Processor time that all threads of a process have used so far; 0 if nobody tells."""
    used = 0
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            used += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue  # the thread has just ended, or the kernel does not count
    return used / 1e9


def fetch_checked(target: Target) -> int:
    """Return the length of the answer; raises Void unless it has its rows."""
    body = fetch(target.url)
    check(body, target.rows)
    return len(body)


def median_of(found: list[Run], answer_bytes: int) -> Load:
    """Join runs; raises Void if one of them met an error."""
    errors = sum(run.errors for run in found)
    if errors:
        raise Void(f"{errors} errors")
    return Load(
        rate=statistics.median(run.rate for run in found),
        lowest=min(run.rate for run in found),
        highest=max(run.rate for run in found),
        p50=statistics.median(run.p50 for run in found),
        p90=statistics.median(run.p90 for run in found),
        p99=statistics.median(run.p99 for run in found),
        longest=max(run.longest for run in found),
        cpu_us=statistics.median(run.cpu_us for run in found),
        answer_bytes=answer_bytes,
        requests=sum(run.requests for run in found),
    )


def run_wrk(url: str, connections: int, seconds: int) -> Run:
    """Run wrk once."""
    done = subprocess.run(
        [
            find_wrk(), "--threads", "1", "--connections", str(connections),
            "--duration", f"{seconds}s", "--latency", url,
        ],
        capture_output=True, text=True, check=False, timeout=seconds + 60,
    )  # fmt: skip
    try:
        return parse(done.stdout)
    except ValueError as error:
        raise Void(f"{error} {done.stderr[:200]}") from error
