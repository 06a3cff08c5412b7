"""receiveNotification and deleteNotification: pairs a second, several accounts in parallel.

The floor is the bare server, which answers the same two bodies from memory to the same client.
"""

import statistics
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench import aims, children, pushes
from bench.accounts import accounts_place, path
from bench.figures import Figure
from bench.polls_run import Lane, Polled, Polls
from bench.seeding import Databases, removed_after
from bench.servers import Process, floor, keep

ACCOUNTS = 8
_RECEIVED = "received"


def figure(
    databases: Databases, root: Path, tell: Callable[[str], None], *, full: bool
) -> Figure:
    """Measure product and floor in turn; the medians count."""
    tell(f"polling for {ACCOUNTS} accounts")
    each, runs = (2_500, 3) if full else (500, 1)
    found, floors = [], []
    with floor(root) as bare:
        for run in range(runs):
            name = f"{databases.name}-poll-{run}"
            place = accounts_place(databases, root, name, ACCOUNTS)
            with removed_after(place):
                pushes.queue(place, ACCOUNTS, each)
                with place.gateway() as server:
                    found.append(_polled(server, _lanes(each)))
            floors.append(_polled(bare, _floor_lanes(bare, each)))
    result = Figure(
        section=f"polling, {databases.name}",
        name=f"pairs of receive and delete, {ACCOUNTS} accounts in parallel",
        unit="/s",
        value=None,
    )
    faults = [one.fault for one in (*found, *floors) if one.fault]
    if faults:
        result.void = faults[0]
        return result
    rates, bare_rates = ([one.pairs / one.seconds for one in some] for some in (found, floors))
    result.value, result.floor = statistics.median(rates), statistics.median(bare_rates)
    result.ratio = result.value / result.floor
    result.checks = aims.polling(databases.name, result.value)
    result.detail = {
        "pairs a run": ACCOUNTS * each,
        "lowest": min(rates),
        "highest": max(rates),
        "client busy": statistics.median(one.busy for one in found),
    }
    return result


def _polled(server: Process, lanes: list[Lane]) -> Polled:
    port = int(server.url.rpartition(":")[2])
    return children.ask("bench.polls_run", Polls(port, lanes), Polled)


def _lanes(each: int) -> list[Lane]:
    return [
        Lane(
            receive=path(number, "receiveNotification"),
            delete=path(number, "deleteNotification") + "/",
            count=each,
        )
        for number in range(ACCOUNTS)
    ]


def _floor_lanes(bare: Process, each: int) -> list[Lane]:
    body = msgspec.Raw(pushes.bodies_of(0, 1)[0])
    keep(bare, _RECEIVED, msgspec.json.encode({"receiptId": 1, "body": body}))
    keep(bare, "deleted1", b'{"result":true,"reason":""}')
    lane = Lane(receive=f"/{_RECEIVED}", delete="/deleted", count=each)
    return [lane] * ACCOUNTS
