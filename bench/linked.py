"""Memory of the worker process that a linked account costs.

The unmodified WhatsApp library links to the fake WhatsApp server of the tests and stays online.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bench import memory
from bench.figures import Figure
from bench.servers import family, memory_of
from statusgate.domain.events import EngineState, QrCode, StateChanged

_DEADLINE_SECONDS = 60.0
_SETTLE_SECONDS = 5.0
_NAME = "worker of a linked account, online and idle: PSS"
_UNIT = "MB"


def figure(root: Path) -> Figure:
    """Link an account and look at its worker; says so where that cannot be done."""
    try:
        return asyncio.run(_measured(root))
    except Exception as error:  # noqa: BLE001 - the one figure that needs so much around it
        return Figure(
            section=memory.SECTION,
            name=_NAME,
            unit=_UNIT,
            value=None,
            note=f"not measured: {type(error).__name__}: {str(error)[:200]}",
        )


async def _measured(root: Path) -> Figure:
    from statusgate.engines.neonize.config import Setup
    from statusgate.engines.neonize.engine import NeonizeEngine
    from statusgate.engines.neonize.ipc import VERSION
    from tests.whatsapp.client import FakeWhatsApp, people

    with await asyncio.to_thread(FakeWhatsApp, root / "whatsapp") as fake:
        engine = NeonizeEngine(
            Setup(version=VERSION, directory=str(root / "account"), proxy=fake.proxy),
            worker_module="tests.whatsapp.worker",
            environment=fake.environment(),
        )
        await engine.start()
        try:
            async with online(engine, fake, people(1, 1)[0]):
                pass
            await asyncio.sleep(_SETTLE_SECONDS)
            if engine.pid is None:
                raise RuntimeError("the worker ended")
            found = memory_of(family(engine.pid))
        finally:
            await engine.stop()
    return Figure(
        section=memory.SECTION,
        name=_NAME,
        unit=_UNIT,
        value=found.pss,
        note="against the tests' WhatsApp server, one worker alone",
        detail=memory.detail(found),
    )


@contextlib.asynccontextmanager
async def online(engine: Any, fake: Any, person: Any) -> AsyncIterator[None]:
    """The account linked and online; what it tells is acknowledged and forgotten."""
    opened = asyncio.Event()

    async def listen() -> None:
        async for sequenced in engine.events(0):
            for event in sequenced.events:
                if isinstance(event, QrCode) and event.payload and not scanned.done():
                    scanned.set_result(event.payload)
                if isinstance(event, StateChanged) and event.state is EngineState.OPEN:
                    opened.set()
            if sequenced.seq:
                await engine.ack(sequenced.seq)

    scanned: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    listening = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            await engine.begin_linking()
            await asyncio.to_thread(fake.scan, await scanned, person, 1)
            await opened.wait()
        yield
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
