"""A linked account on the tests' WhatsApp server, with the unmodified library."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from statusgate.domain.events import EngineState, QrCode, StateChanged

_DEADLINE_SECONDS = 60.0


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
