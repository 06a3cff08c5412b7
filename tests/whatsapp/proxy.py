"""An HTTP CONNECT proxy that terminates TLS itself and leads to the chat or the media host.

Engines are pointed here as their proxy, so nothing in them has to know another host name.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import traceback
from typing import TYPE_CHECKING

from tests.whatsapp.certificates import CHAT_HOST, MEDIA_HOSTS
from tests.whatsapp.chat import Connection
from tests.whatsapp.handshake import Certificates
from tests.whatsapp.media import serve_media
from tests.whatsapp.websocket import WebSocket

if TYPE_CHECKING:
    from tests.whatsapp.world import World

_BUFFER = 32 * 1024 * 1024


class Proxy:
    """Accepts connections until it is stopped."""

    def __init__(self, world: World, tls: ssl.SSLContext) -> None:
        self._world, self._tls = world, tls
        self._certificates = Certificates(world.root)
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=_BUFFER, backlog=256
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._tunnel(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has left
        except Exception:  # noqa: BLE001  a bug of ours has to fail the test, not to hang it
            self._world.history.violate("server_error", detail=traceback.format_exc())
        finally:
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode("latin-1").split(" ", 2)
        host = target.rpartition(":")[0]
        if method != "CONNECT" or host not in (CHAT_HOST, *MEDIA_HOSTS):
            self._world.history.violate("unknown_host", method=method, target=target)
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()
        await writer.start_tls(self._tls)
        if host in MEDIA_HOSTS:
            await serve_media(self._world, reader, writer)
            return
        connection = Connection(self._world, WebSocket(reader, writer), next(self._numbers))
        await connection.run(self._certificates)
