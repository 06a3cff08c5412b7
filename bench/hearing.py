"""From an event of an engine to its webhook: receipts by ``simulate``, at a steady rate.

The time begins when the call of ``simulate`` is sent, so it includes that the sandbox engine
writes the event down. The floor is the same client posting to the receiver itself.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from bench import aims, children, workload
from bench.accounts import account, accounts_place, link
from bench.accounts import path as account_path
from bench.figures import Figure
from bench.openloop import Call, Sent, Work
from bench.pushes import ALLOWED, HOOK
from bench.receiver import Arrival, Receiver
from bench.seeding import Databases, Place, opened, removed_after
from bench.timing import spread
from statusgate.domain.instance import InstanceSettings
from statusgate.journal import Transaction

A_SECOND = 100
STATUSES = 20
"""of each account; their receipts arrive"""
_WARM_UP_SECONDS = 1
_SILENCE_SECONDS = 5.0
_STRAIGHT = 4
"""the floor gets a so-many-th part of the time"""


def figures(
    databases: Databases,
    root: Path,
    receiver: Receiver,
    tell: Callable[[str], None],
    *,
    full: bool,
) -> Iterator[Figure]:
    """Measure how soon webhooks arrive."""
    for accounts in (1, 50) if full else (1,):
        tell(f"hearing of events of {accounts}")
        settings = InstanceSettings(
            webhook_url=receiver.url + HOOK, status_receipt_webhook=True
        )
        name = f"{databases.name}-hear-{accounts}"
        place = accounts_place(databases, root, name, accounts, settings=settings)
        with removed_after(place):
            asyncio.run(_post_all(place, accounts))
            yield _figure(place, receiver, accounts, 20 if full else 5)


def _figure(place: Place, receiver: Receiver, accounts: int, seconds: int) -> Figure:
    count, warm_up = A_SECOND * seconds, A_SECOND * _WARM_UP_SECONDS
    with place.gateway(outbound_allow=ALLOWED) as server:
        link(server, accounts)
        port = int(server.url.rpartition(":")[2])
        calls = events(accounts, warm_up + count)
        _send(port, calls[:warm_up])
        receiver.wait_for(warm_up, _SILENCE_SECONDS)
        receiver.take()
        sent = _send(port, calls[warm_up:])
        receiver.wait_for(count, _SILENCE_SECONDS)
        arrivals = receiver.take()
    straight = [Call(HOOK, msgspec.Raw(one.body)) for one in arrivals[: count // _STRAIGHT]]
    beside = _send(receiver.port, straight)
    heard = receiver.take()
    figure = Figure(
        section=f"webhooks, {place.databases.name}",
        name=f"event to webhook, {A_SECOND} events/s, "
        + ("1 account" if accounts == 1 else f"{accounts} accounts")
        + ": p50",
        unit="ms",
        value=None,
        beside="straight",
    )
    return _judged(figure, sent, arrivals, beside, heard, warm_up, place.databases.name)


def _send(port: int, calls: Sequence[Call]) -> Sent:
    work = Work(port=port, rate=A_SECOND, calls=list(calls))
    return children.ask("bench.openloop", work, Sent)


def _judged(
    figure: Figure,
    sent: Sent,
    arrivals: Sequence[Arrival],
    beside: Sent,
    heard: Sequence[Arrival],
    first: int,
    database: str,
) -> Figure:
    if len(arrivals) != len(sent.began_ns) or sent.faults:
        fault = sent.faults[0] if sent.faults else "no fault told"
        figure.void = f"{len(arrivals)} webhooks of {len(sent.began_ns)} events: {fault}"
        return figure
    took = times_ms(sent, arrivals, first)
    times = spread(took)
    straight = spread(
        [
            (arrival.at_ns - began) / 1e6
            for arrival, began in zip(heard, beside.began_ns, strict=True)
        ]
    )
    accepted = spread(sent.latencies_ms)
    figure.value, figure.floor = times.p50, straight.p50
    figure.ratio = times.p50 / straight.p50
    figure.checks = aims.hearing(database, times)
    figure.detail = {
        "p90": times.p90,
        "p99": times.p99,
        "max": times.longest,
        "events": times.count,
        "simulate answered p50": accepted.p50,
        "simulate answered p99": accepted.p99,
        "straight p99": straight.p99,
        "client late p99": spread(sent.late_ms).p99,
    }
    return figure


class _Told(msgspec.Struct, frozen=True, rename="camel"):
    chat_id: str


def times_ms(sent: Sent, arrivals: Sequence[Arrival], first: int) -> list[float]:
    """From each event, the first being number *first*, to the webhook about its viewer."""
    decode = msgspec.json.Decoder(_Told).decode
    heard_ns = {decode(arrival.body).chat_id: arrival.at_ns for arrival in arrivals}
    return [
        (heard_ns[_viewer(first + number)] - began) / 1e6
        for number, began in enumerate(sent.began_ns)
    ]


def events(accounts: int, count: int) -> list[Call]:
    """One receipt a call, each by another viewer, in turn to the accounts and statuses."""
    return [
        Call(
            account_path(number % accounts, "simulate"),
            msgspec.Raw(
                msgspec.json.encode(
                    [
                        {
                            "event": "receipt",
                            "idMessage": workload.status_id(_STATUSES[number % STATUSES]),
                            "participant": _viewer(number),
                            "status": "delivered",
                        }
                    ]
                )
            ),
        )
        for number in range(count)
    ]


def _viewer(number: int) -> str:
    """Somebody else in each event, and never the account itself, which is contact 0."""
    return workload.contact(1 + number).chat_id


_STATUSES = [i for i in range(1, 100) if workload.is_outgoing(i)][:STATUSES]


async def _post_all(place: Place, accounts: int) -> None:
    """Let each account have posted its statuses just now."""
    now_ms = time.time_ns() // 1_000_000
    async with opened(place.database) as journal:
        for number in range(accounts):
            await journal.write(account(number), partial(_post, number, now_ms))


def _post(number: int, now_ms: int, tx: Transaction) -> None:
    for i in _STATUSES:
        tx.record_status(account(number), workload.new_status(i, now_ms - i))
