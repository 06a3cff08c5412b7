"""Posting: how long it takes until a status is accepted, durably, over HTTP.

An open-loop client sends at a steady rate; the floor is one durable insert (``editContact``)
over the same server at the same rate, just before.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from bench import aims, children
from bench.accounts import accounts_place, link, path
from bench.figures import Figure
from bench.openloop import Call, Sent, Work
from bench.seeding import Databases, Place, removed_after
from bench.servers import Process
from bench.timing import spread
from bench.workload import contact
from statusgate.domain.instance import InstanceSettings

A_SECOND = 200
_MODULE = "bench.openloop"
_PACE_MS = 500
"""the shortest distance between two publications of an account"""
_WARM_UP_SECONDS = 1
_LATE_MS = 20.0


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Who posts how often."""

    accounts: int
    contacts: int
    rate: int
    judged: bool = True

    @property
    def name(self) -> str:
        people = "account" if self.accounts == 1 else "accounts"
        return (
            f"sendTextStatus, {self.rate} posts/s, {self.accounts} {people}, "
            f"{self.contacts} contacts each"
        )


SHORT = (Cell(accounts=1, contacts=10, rate=A_SECOND),)
FULL = (
    *SHORT,
    Cell(accounts=50, contacts=10, rate=A_SECOND),
    Cell(accounts=50, contacts=500, rate=20, judged=False),
)


def figures(
    databases: Databases, root: Path, tell: Callable[[str], None], *, full: bool
) -> Iterator[Figure]:
    """Measure how fast statuses are accepted."""
    seconds = 10 if full else 5
    for number, cell in enumerate(FULL if full else SHORT):
        tell(f"accepting {cell.name}")
        place = accounts_place(
            databases,
            root,
            f"{databases.name}-post-{number}",
            cell.accounts,
            contacts=cell.contacts,
            settings=InstanceSettings(delay_send_messages_milliseconds=_PACE_MS),
        )
        with removed_after(place):
            yield _figure(place, cell, seconds)


def _figure(place: Place, cell: Cell, seconds: int) -> Figure:
    with place.gateway() as server:
        link(server, cell.accounts)
        for calls in (_namings, _posts):
            _send(server, cell, calls(cell, cell.rate * _WARM_UP_SECONDS))
        floor = _send(server, cell, _namings(cell, cell.rate * seconds))
        found = _send(server, cell, _posts(cell, cell.rate * seconds))
    return judged(cell, found, floor, place.databases.name)


def _send(server: Process, cell: Cell, calls: list[Call]) -> Sent:
    port = int(server.url.rpartition(":")[2])
    return children.ask(_MODULE, Work(port=port, rate=cell.rate, calls=calls), Sent)


def _posts(cell: Cell, count: int) -> list[Call]:
    return [
        Call(
            path(number % cell.accounts, "sendTextStatus"), _raw({"message": f"Post {number}"})
        )
        for number in range(count)
    ]


def _namings(cell: Cell, count: int) -> list[Call]:
    """Each changes a row, so each is written."""
    return [
        Call(
            path(number % cell.accounts, "editContact"),
            _raw(
                {
                    "chatId": contact(1 + number % cell.contacts).chat_id,
                    "firstName": f"N {number}",
                }
            ),
        )
        for number in range(count)
    ]


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def judged(cell: Cell, found: Sent, floor: Sent, database: str) -> Figure:
    """The figure; void if one of the requests failed."""
    figure = Figure(
        section=f"accepting posts, {database}",
        name=f"{cell.name}: p50",
        unit="ms",
        value=None,
        beside="one insert",
    )
    faults = [*found.faults, *floor.faults]
    unanswered = sum(not at for one in (found, floor) for at in one.answered_ns)
    if unanswered:
        figure.void = f"{unanswered} without a 200: {faults[0] if faults else 'no answer'}"
        return figure
    times, beside = spread(found.latencies_ms), spread(floor.latencies_ms)
    late = spread(found.late_ms)
    figure.value, figure.floor, figure.ratio = times.p50, beside.p50, times.p50 / beside.p50
    figure.checks = aims.accepting(database, times) if cell.judged else []
    figure.detail = {
        "p90": times.p90,
        "p99": times.p99,
        "max": times.longest,
        "posts": times.count,
        "insert p99": beside.p99,
        "insert max": beside.longest,
        "client late p99": late.p99,
    }
    if late.p99 > _LATE_MS:
        figure.note = "the client itself was late: the machine is busy"
    return figure
