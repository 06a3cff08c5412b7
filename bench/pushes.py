"""Pushes a second to one receiver on loopback, and how long a backlog takes to drain.

The backlog is in the journal before the gateway starts; the receiver tells when each webhook
arrived. The floor is aiohttp posting the same bytes to the same receiver, as many at once.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import msgspec

from bench import aims, children, workload
from bench.accounts import account, accounts_place
from bench.figures import Figure
from bench.pushes_floor import Lane, Lanes
from bench.receiver import Arrival, Receiver
from bench.seeding import Databases, Place, empty_place, opened, removed_after
from statusgate.domain.instance import InstanceSettings
from statusgate.journal import Transaction
from statusgate.wire.notifications import receipt_body

ALLOWED = "127.0.0.1"
HOOK = "/hook"
_SILENCE_SECONDS = 10.0
_WARM_UP = 0.1
"""the part of the webhooks that is not counted: connections open, the gateway starts"""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """How many accounts, and how much waits of each."""

    accounts: int
    each: int

    @property
    def name(self) -> str:
        return (
            "1 account, strictly in order"
            if self.accounts == 1
            else f"{self.accounts} accounts"
        )


CELLS = (Cell(accounts=1, each=10_000), Cell(accounts=50, each=200))


class Wrong(Exception):
    """Webhooks were missing, repeated or out of order."""


def figures(
    databases: Databases,
    root: Path,
    receiver: Receiver,
    tell: Callable[[str], None],
    *,
    full: bool,
) -> Iterator[Figure]:
    """Measure product and floor in turn; the medians count."""
    for cell in CELLS:
        tell(f"pushing for {cell.name}")
        yield from _figures(databases, root, receiver, cell, 3 if full else 1)


def _figures(
    databases: Databases, root: Path, receiver: Receiver, cell: Cell, runs: int
) -> list[Figure]:
    total = cell.accounts * cell.each
    section = f"pushes, {databases.name}"
    rate = Figure(section=section, name=f"pushes, {cell.name}", unit="/s", value=None)
    drain = Figure(
        section=section, name=f"drain of {total:,}, {cell.name}", unit="s", value=None
    )
    found, floors, committed = [], [], []
    try:
        for run in range(runs):
            there = root / f"{databases.name}-push-{cell.accounts}-{run}"
            found.append(_product(databases, there, receiver, cell))
            floors.append(_floor(receiver, cell))
            if cell.accounts == 1:
                with removed_after(empty_place(databases, there, "floor")) as place:
                    committed.append(_floor(receiver, cell, place.database))
    except Wrong as reason:
        rate.void = drain.void = str(reason)
        return [rate, drain]
    rate.value, rate.floor = (
        statistics.median(map(steady_rate, times)) for times in (found, floors)
    )
    rate.ratio = rate.value / rate.floor
    rate.checks = aims.pushing(databases.name, rate.value, rate.ratio, cell.accounts)
    rate.detail = {"webhooks": total, "bytes each": len(bodies_of(0, 1)[0])}
    if committed:
        durable = statistics.median(map(steady_rate, committed))
        rate.note = (
            f"{rate.value / durable:.2f} of what aiohttp reaches with one durable row after "
            f"each answer ({durable:,.0f}/s)"
        )
    drain.value, drain.floor = (
        statistics.median(map(_seconds, times)) for times in (found, floors)
    )
    drain.ratio = drain.value / drain.floor
    return [rate, drain]


def _product(databases: Databases, root: Path, receiver: Receiver, cell: Cell) -> list[int]:
    """Let a gateway drain its backlog; when each webhook arrived."""
    settings = InstanceSettings(webhook_url=receiver.url + HOOK, status_receipt_webhook=True)
    place = accounts_place(databases, root, "place", cell.accounts, settings=settings)
    with removed_after(place):
        queue(place, cell.accounts, cell.each)
        with place.gateway(outbound_allow=ALLOWED):
            receiver.wait_for(cell.accounts * cell.each, _SILENCE_SECONDS)
        return checked(receiver.take(), cell)


def _floor(receiver: Receiver, cell: Cell, journal: str = "") -> list[int]:
    lanes = [
        Lane(receiver.url + HOOK, bodies_of(number, cell.each))
        for number in range(cell.accounts)
    ]
    if not children.ask("bench.pushes_floor", Lanes(lanes, journal), bool):
        raise Wrong("the receiver refused")
    return checked(receiver.take(), cell)


def queue(place: Place, accounts: int, each: int) -> None:
    """Let notifications wait in a journal that no gateway uses."""
    asyncio.run(_queue(place, accounts, each))


async def _queue(place: Place, accounts: int, each: int) -> None:
    now_ms = time.time_ns() // 1_000_000
    async with opened(place.database) as journal:
        for number in range(accounts):
            await journal.write(
                account(number), partial(_add, number, bodies_of(number, each), now_ms)
            )


def _add(number: int, bodies: Sequence[bytes], now_ms: int, tx: Transaction) -> None:
    tx.add_notifications(account(number), bodies, now_ms)


def bodies_of(number: int, each: int) -> list[bytes]:
    """Notifications of an account as the product writes them: somebody got its status."""
    instance = workload.instance(account(number), b"", 0)
    return [
        receipt_body(
            instance,
            workload.status_id(1),
            workload.contact(viewer).chat_id,
            "delivered",
            viewer * 1000,
            by_api=True,
        )
        for viewer in range(each)
    ]


class _About(msgspec.Struct, frozen=True, rename="camel"):
    id_instance: int


class _Told(msgspec.Struct, frozen=True, rename="camel"):
    """What identifies one of those bodies."""

    instance_data: _About
    timestamp: int


def checked(arrivals: Sequence[Arrival], cell: Cell) -> list[int]:
    """Return the times; raises Wrong unless each account's are complete and in order."""
    decode = msgspec.json.Decoder(_Told).decode
    told = [decode(arrival.body) for arrival in arrivals]
    told.sort(key=lambda one: one.instance_data.id_instance)
    by_account = groupby(told, key=lambda one: one.instance_data.id_instance)
    orders = {of: [one.timestamp for one in some] for of, some in by_account}
    for number in range(cell.accounts):
        order = orders.get(account(number), [])
        if order != list(range(cell.each)):
            raise Wrong(f"account {number}: {len(order)} of {cell.each}, or out of order")
    return [arrival.at_ns for arrival in arrivals]


def steady_rate(times_ns: Sequence[int]) -> float:
    """So many a second, after the first few."""
    counted = times_ns[int(len(times_ns) * _WARM_UP) :]
    return (len(counted) - 1) / _seconds(counted)


def _seconds(times_ns: Sequence[int]) -> float:
    return (times_ns[-1] - times_ns[0]) / 1e9
