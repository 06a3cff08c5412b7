"""A server-side WebSocket over an asyncio stream, with hands on the transport for faults."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.whatsapp.certificates import CHAT_HOST
from tests.whatsapp.nodes import MAX_FRAME

_READ = 1 << 18
_PATH = "/ws/chat"


class ClosedError(Exception):
    """The other end is gone, or we have hung up."""


class UpgradeError(Exception):
    """The client asks for something else than the chat."""


class WebSocket:
    """Sends one frame of the chat protocol per binary message, reads any split."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = ServerProtocol(max_size=MAX_FRAME + 3)
        self._buffer = bytearray()
        self._closing = False

    async def accept(self) -> None:
        """Answer the upgrade request."""
        while not (events := self._protocol.events_received()):
            await self._receive()
        request = events[0]
        if not isinstance(request, Request):
            raise ClosedError("no upgrade request")
        origin = f"https://{CHAT_HOST}"
        asked = (
            request.path,
            request.headers.get("Host"),
            request.headers.get("Origin", origin),  # not every client names one
        )
        if asked != (_PATH, CHAT_HOST, origin):
            raise UpgradeError(f"unexpected upgrade request {asked}")
        self._protocol.send_response(self._protocol.accept(request))
        await self._flush()

    async def read(self, size: int) -> bytes:
        """Exactly `size` bytes of the stream of binary messages."""
        while len(self._buffer) < size:
            if self._closing:
                raise ClosedError("closed by the client")
            await self._receive()
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode in (Opcode.BINARY, Opcode.CONT):
                    self._buffer += event.data
                elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                    self._closing = True  # what came before it is read first
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    async def read_frame(self) -> bytes:
        """The payload of the next frame: 3 bytes of length, then that many."""
        return await self.read(int.from_bytes(await self.read(3), "big"))

    async def send_frame(self, payload: bytes) -> None:
        self._protocol.send_binary(len(payload).to_bytes(3, "big") + payload)
        await self._flush()

    async def close(self) -> None:
        """Let go of a connection which the other end has left."""
        with contextlib.suppress(ClosedError):
            await self._flush()
        self._writer.close()

    async def hang_up(self, how: str, payload: bytes = b"") -> None:
        """End the connection: `close` politely (1011), `rst`, or `midframe` in a frame."""
        if how == "midframe":
            self._protocol.send_binary((len(payload) + 100).to_bytes(3, "big") + payload)
            data = b"".join(self._protocol.data_to_send())
            self._writer.write(data[: max(1, len(data) // 2)])
            await asyncio.sleep(0.05)
        if how == "close":
            self._protocol.send_close(1011)
            for piece in self._protocol.data_to_send():
                self._writer.write(piece)
            self._writer.close()
            return
        raw = self._writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _receive(self) -> None:
        try:
            data = await self._reader.read(_READ)
        except OSError as error:
            raise ClosedError(str(error)) from error
        if not data:
            raise ClosedError("end of stream")
        self._protocol.receive_data(data)
        await self._flush()

    async def _flush(self) -> None:
        try:
            for piece in self._protocol.data_to_send():
                if piece:
                    self._writer.write(piece)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise ClosedError(str(error)) from error
