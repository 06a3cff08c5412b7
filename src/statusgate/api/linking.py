"""``scanqrcode``: codes over a WebSocket (contract 5)."""

import asyncio
from contextlib import aclosing

import msgspec

from statusgate.accounts.linking import STARTING, AccountData, Frame
from statusgate.api.answers import Send, until_gone
from statusgate.api.context import Services
from statusgate.api.edge.body import Receive
from statusgate.domain.errors import EngineUnavailable, InstanceUnknown, NotOwned
from statusgate.domain.instance import Instance

_encode = msgspec.json.Encoder().encode
_NORMAL = 1000


async def scan_qr_code(
    services: Services, instance: Instance, receive: Receive, send: Send
) -> None:
    """Codes to scan as they change, until the account is linked.

    Ends earlier with a frame that says why, or when the client has gone.
    """
    sending = asyncio.create_task(_send_codes(services, instance, send))
    leaving = asyncio.create_task(until_gone(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
    finally:
        sending.cancel()
        leaving.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)


async def _send_codes(services: Services, instance: Instance, send: Send) -> None:
    try:
        engine = services.accounts.engine(instance.id)
        if engine is None:
            await _send_frame(send, Frame(type="error", message=STARTING))
        else:
            async with aclosing(services.linking.watch(instance, engine)) as frames:
                async for frame in frames:
                    await _send_frame(send, frame)
    except (EngineUnavailable, InstanceUnknown):
        await _send_frame(send, Frame(type="error", message=STARTING))
    except NotOwned as error:
        await _send_frame(send, Frame(type="error", message=str(error)))
    await send({"type": "websocket.close", "code": _NORMAL})


async def _send_frame(send: Send, frame: Frame | AccountData) -> None:
    await send({"type": "websocket.send", "text": _encode(frame).decode()})
