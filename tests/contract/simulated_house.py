"""A sandbox engine and its gateway, for the tests of the simulated engine."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.events import (
    EngineEvent,
    Sequenced,
    StateChanged,
    StatusReceipt,
    StatusReceived,
)
from statusgate.domain.ids import InstanceId
from statusgate.domain.post import StatusPost
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind
from statusgate.engines.options import OptionValue
from statusgate.engines.simulated import SimulatedEngine
from tests.clocks import START_MS, VirtualClock
from tests.waiting import eventually

T = TypeVar("T")

ACCOUNT = InstanceId(1101000001)
ME = Address(phone="71101000001")
ANNA = Address(phone="79001234567")
BORIS = Address(lid="222000000000001")
CROWD = [Address(phone=str(1000 + n)) for n in range(100)]
NOW_SECONDS = START_MS // 1000


class Gateway:
    """The parent: commits what an engine tells, in order, and remembers how far it is."""

    def __init__(self, engine: SimulatedEngine, cursor: int = 0) -> None:
        self.engine = engine
        self.cursor = cursor
        self.events: list[EngineEvent] = []
        self.volatile: list[EngineEvent] = []
        self.acking = True
        self._task = asyncio.create_task(self._consume(engine.events(cursor)))

    async def _consume(self, events: AsyncIterator[Sequenced]) -> None:
        async for told in events:
            if told.seq == 0:
                self.volatile += told.events
                continue
            assert told.seq > self.cursor
            self.cursor = told.seq
            self.events += told.events
            if self.acking:
                await self.engine.ack(told.seq)

    async def until(self, condition: Callable[[], object]) -> None:
        def met() -> object:
            if self._task.done():
                self._task.result()
            return condition()

        await eventually(met)

    async def until_told(self) -> None:
        await self.until(lambda: self.events)

    async def until_changes(self, count: int) -> None:
        await self.until(lambda: len(self.of(StateChanged)) == count)

    async def until_it_has_all(self) -> None:
        """Wait until nothing is scheduled back and everything is acknowledged."""
        await self.until(lambda: self.engine.is_settled)

    async def ended(self) -> None:
        """Wait until the engine has ended the events."""
        async with asyncio.timeout(30):
            await self._task

    async def end(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def log(self) -> bytes:
        return msgspec.json.encode(self.events)


class House:
    """Engines on one clock, all stopped at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = VirtualClock()
        self._open: list[tuple[SimulatedEngine, Gateway]] = []

    def engine(self) -> SimulatedEngine:
        return SimulatedEngine(ACCOUNT, self.root / "one", self.clock, {})

    async def start(
        self, name: str = "one", *, cursor: int = 0, seed: str = "test", **options: OptionValue
    ) -> tuple[SimulatedEngine, Gateway]:
        engine = SimulatedEngine(ACCOUNT, self.root / name, self.clock, options, seed)
        await engine.start()
        gateway = Gateway(engine, cursor)
        self._open.append((engine, gateway))
        return engine, gateway

    async def restart(
        self, engine: SimulatedEngine, gateway: Gateway
    ) -> tuple[SimulatedEngine, Gateway]:
        await engine.stop()
        await gateway.end()
        return await self.start(cursor=gateway.cursor)

    def crash(self, name: str = "one") -> str:
        """Return the name of what the disk holds this moment."""
        shutil.copytree(self.root / name, self.root / f"{name}+")
        return f"{name}+"

    async def end(self) -> None:
        for engine, gateway in self._open:
            await gateway.end()
            await engine.stop()


def post(key: str = "3EB00000000000000001", text: str = "Hi") -> StatusPost:
    return StatusPost(key=key, kind=Kind.TEXT, text=text)


def text_of(event: StatusReceived) -> str:
    return event.text


def receipts_told(gateway: Gateway) -> list[tuple[tuple[str, ...], str, Progress]]:
    return [(e.wire_ids, e.viewer.phone, e.kind) for e in gateway.of(StatusReceipt)]
