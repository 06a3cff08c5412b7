"""A client that takes notifications: ``python -m bench.polls_run`` reads Polls, prints Polled.

One connection an account, on each one request after the other, as clients poll.
"""

import asyncio
import time

import msgspec
import uvloop

from bench import children
from bench.wire import Closed, Connection, request


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """What one account's client does."""

    receive: str
    delete: str
    """the receipt's number is put behind it"""
    count: int


class Polls(msgspec.Struct, frozen=True):
    """All of it."""

    port: int
    lanes: list[Lane]


class Polled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    pairs: int
    seconds: float
    busy: float
    """the part of that time in which the client itself used a processor"""
    fault: str = ""


class _Received(msgspec.Struct, frozen=True, rename="camel"):
    receipt_id: int


class _Deleted(msgspec.Struct, frozen=True):
    result: bool


class Odd(Exception):
    """An answer was not as it must be."""


async def poll(work: Polls) -> Polled:
    """Take so many notifications of each account."""
    connections = [await Connection.open(work.port) for _ in work.lanes]
    begun, used = time.perf_counter(), time.process_time()
    fault = ""
    try:
        await asyncio.gather(*map(_take, connections, work.lanes))
    except (Odd, Closed, msgspec.DecodeError) as error:
        fault = str(error)
    seconds = time.perf_counter() - begun
    for connection in connections:
        connection.close()
    return Polled(
        pairs=sum(lane.count for lane in work.lanes),
        seconds=seconds,
        busy=(time.process_time() - used) / seconds,
        fault=fault,
    )


async def _take(connection: Connection, lane: Lane) -> None:
    receive = request("GET", lane.receive)
    received = msgspec.json.Decoder(_Received)
    deleted = msgspec.json.Decoder(_Deleted)
    for _ in range(lane.count):
        head = received.decode(await _ask(connection, receive))
        delete = request("DELETE", f"{lane.delete}{head.receipt_id}")
        if not deleted.decode(await _ask(connection, delete)).result:
            raise Odd(f"receipt {head.receipt_id} was not deleted")


async def _ask(connection: Connection, data: bytes) -> bytes:
    answer = await connection.ask(data)
    if answer.status != 200:
        raise Odd(f"answered {answer.status}: {answer.body[:120]!r}")
    return answer.body


def main() -> None:
    """Poll once."""
    children.answer(uvloop.run(poll(children.told(Polls))))


if __name__ == "__main__":
    main()
