"""Webhooks count only if they are complete and in order."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from bench import hearing, workload
from bench.openloop import Sent
from bench.pushes import Cell, Wrong, bodies_of, checked, steady_rate
from bench.receiver import Arrival, Connection
from bench.servers import HOST
from bench.wire import Connection as Client
from bench.wire import request

TWO = Cell(accounts=2, each=3)


def arrived(*order: tuple[int, int]) -> list[Arrival]:
    """Webhooks by account and place, a millisecond apart."""
    return [
        Arrival(at * 1_000_000, "/hook", bodies_of(number, 3)[place])
        for at, (number, place) in enumerate(order)
    ]


def test_accounts_may_overtake_each_other() -> None:
    found = checked(arrived((0, 0), (1, 0), (1, 1), (0, 1), (0, 2), (1, 2)), TWO)

    assert found == [at * 1_000_000 for at in range(6)]


@pytest.mark.parametrize(
    "order",
    [
        [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)],
        [(0, 0), (0, 2), (0, 1), (1, 0), (1, 1), (1, 2)],
        [(0, 0), (0, 1), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)],
        [],
    ],
)
def test_missing_repeated_or_misplaced_ones_are_wrong(order: Sequence[tuple[int, int]]) -> None:
    with pytest.raises(Wrong):
        checked(arrived(*order), TWO)


def test_the_rate_leaves_the_first_out() -> None:
    begin = [0]
    steady = [1_000_000_000 + at * 10_000_000 for at in range(9)]

    assert steady_rate([*begin, *steady]) == pytest.approx(100)


def test_an_event_is_found_again_by_its_viewer() -> None:
    calls = hearing.events(2, 4)
    bodies = [msgspec.json.decode(call.body)[0] for call in calls]
    sent = Sent(began_ns=[0, 1_000_000], answered_ns=[1, 1], late_ms=[0, 0], faults=[])
    heard = [
        Arrival(at_ns, "/hook", msgspec.json.encode({"chatId": body["participant"]}))
        for at_ns, body in ((9_000_000, bodies[3]), (5_000_000, bodies[2]))
    ]

    assert hearing.times_ms(sent, heard, 2) == [5.0, 8.0]
    assert len({body["participant"] for body in bodies}) == 4
    assert [int(call.path.split("/")[1][-1]) for call in calls] == [
        int(str(workload.INSTANCE + n)[-1]) for n in (0, 1, 0, 1)
    ]


async def test_the_receiver_keeps_what_comes_in_order() -> None:
    arrivals: list[Arrival] = []
    ended = asyncio.Event()

    class Watched(Connection):
        def connection_lost(self, error: Exception | None) -> None:
            super().connection_lost(error)
            ended.set()

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Watched(arrivals), HOST, 0)
    client = await Client.open(server.sockets[0].getsockname()[1])
    for number in range(3):
        answer = await client.ask(request("POST", "/hook", b"%d" % number))
        assert (answer.status, answer.body) == (200, b"")
    count = await client.ask(request("GET", "/count"))
    told = await client.ask(request("GET", "/arrivals"))
    await client.ask(request("DELETE", "/arrivals"))
    client.close()
    server.close()
    await ended.wait()

    assert count.body == b"3"
    kept = msgspec.json.decode(told.body, type=list[Arrival])
    assert [one.body for one in kept] == [b"0", b"1", b"2"]
    assert arrivals == []
