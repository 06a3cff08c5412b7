"""Requests at a steady rate, whether or not earlier ones have been answered.

A process of its own: ``python -m bench.openloop`` reads Work from standard input and prints
Sent. A request never waits for another one: if all connections are busy it opens one more,
and the opening counts. The first moment, before anything is measured, opens a few.
"""

import asyncio
import time
from collections import deque

import msgspec
import uvloop

from bench import children
from bench.timing import schedule
from bench.wire import Closed, Connection, request

_CONNECTIONS = 8
_ANSWER_SECONDS = 30.0
_GRACE_SECONDS = 0.2


class Call(msgspec.Struct, frozen=True):
    """One POST."""

    path: str
    body: msgspec.Raw


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, in order."""

    port: int
    rate: float
    """requests a second"""
    calls: list[Call]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it; times are monotonic, the same for all processes of a machine."""

    began_ns: list[int]
    """when each request was handed to the kernel"""
    answered_ns: list[int]
    """0: not answered with 200"""
    late_ms: list[float]
    """how far the client itself was behind its schedule"""
    faults: list[str]

    @property
    def latencies_ms(self) -> list[float]:
        """From the request to its whole answer."""
        return [
            (answered - began) / 1e6
            for began, answered in zip(self.began_ns, self.answered_ns, strict=True)
            if answered
        ]


class OpenLoop:
    """Sends the work."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._idle: deque[Connection] = deque()
        self._began = [0] * len(work.calls)
        self._answered = [0] * len(work.calls)
        self._late = [0.0] * len(work.calls)
        self._faults: list[str] = []

    async def run(self) -> Sent:
        """Send all, wait for the answers."""
        data = [request("POST", call.path, bytes(call.body)) for call in self._work.calls]
        for _ in range(_CONNECTIONS):
            self._idle.append(await Connection.open(self._work.port))
        begun = time.monotonic() + _GRACE_SECONDS
        tasks = []
        for number, due in enumerate(schedule(len(data), self._work.rate)):
            wait = begun + due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            self._late[number] = max(0.0, time.monotonic() - begun - due) * 1000
            tasks.append(asyncio.create_task(self._call(number, data[number])))
        await asyncio.wait(tasks, timeout=_ANSWER_SECONDS)
        for connection in self._idle:
            connection.close()
        return Sent(
            began_ns=self._began,
            answered_ns=self._answered,
            late_ms=self._late,
            faults=self._faults[:5],
        )

    async def _call(self, number: int, data: bytes) -> None:
        self._began[number] = time.monotonic_ns()
        try:
            connection = await self._connection()
            answer = await connection.ask(data)
        except (Closed, OSError) as error:
            self._faults.append(str(error))
            return
        if answer.status == 200:
            self._answered[number] = time.monotonic_ns()
        else:
            self._faults.append(f"answered {answer.status}: {answer.body[:120]!r}")
        self._idle.append(connection)

    async def _connection(self) -> Connection:
        return self._idle.pop() if self._idle else await Connection.open(self._work.port)


async def send(work: Work) -> Sent:
    """Send *work* from the running loop."""
    return await OpenLoop(work).run()


def main() -> None:
    """Send once."""
    children.answer(uvloop.run(send(children.told(Work))))


if __name__ == "__main__":
    main()
