"""A webhook receiver that does nothing but remember: ``python -m bench.receiver PORT``.

Every POST is answered with 200 and kept with the moment of its arrival. ``GET /count`` tells
how many there are, ``GET /arrivals`` tells all of them, ``DELETE /arrivals`` forgets them.
"""

import asyncio
import sys
import time
import urllib.request
from pathlib import Path
from typing import cast

import httptools
import msgspec
import uvloop

from bench.servers import HOST, Process, free_port

_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_TIMEOUT_SECONDS = 30.0


class Arrival(msgspec.Struct, frozen=True, array_like=True):
    """One webhook; the time is monotonic."""

    at_ns: int
    path: str
    body: bytes


class Receiver(Process):
    """The receiver's process, and what it has received."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.port = port
        log = folder / "receiver.log"
        super().__init__(["bench.receiver", str(port)], port, log, "/count")

    def count(self) -> int:
        """How many have arrived."""
        return int(self._ask("GET", "/count"))

    def take(self) -> list[Arrival]:
        """Return all that arrived, in order, and forget them."""
        found = msgspec.json.decode(self._ask("GET", "/arrivals"), type=list[Arrival])
        self._ask("DELETE", "/arrivals")
        return found

    def wait_for(self, count: int, seconds: float) -> bool:
        """Wait until so many have arrived; False if *seconds* pass without a new one."""
        before, since = -1, time.monotonic()
        while (now := self.count()) < count:
            if now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > seconds:
                return False
            time.sleep(0.1)
        return True

    def _ask(self, verb: str, path: str) -> bytes:
        asked = urllib.request.Request(self.url + path, method=verb)
        with urllib.request.urlopen(asked, timeout=_TIMEOUT_SECONDS) as response:
            return bytes(response.read())


class Connection(asyncio.Protocol):
    """One connection of a sender."""

    def __init__(self, arrivals: list[Arrival]) -> None:
        self._arrivals = arrivals
        self._parser = httptools.HttpRequestParser(self)
        self._path = ""
        self._parts: list[bytes] = []
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    # -- called by httptools

    def on_message_begin(self) -> None:
        self._parts = []

    def on_url(self, url: bytes) -> None:
        self._path = url.decode()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        if self._transport is not None:
            self._transport.write(self._answer(self._parser.get_method()))

    def _answer(self, verb: bytes) -> bytes:
        if verb == b"POST":
            body = b"".join(self._parts)
            self._arrivals.append(Arrival(time.monotonic_ns(), self._path, body))
            return _EMPTY
        if verb == b"DELETE":
            self._arrivals.clear()
            return _EMPTY
        if self._path == "/arrivals":
            told = msgspec.json.encode(self._arrivals)
        else:
            told = str(len(self._arrivals)).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told


async def serve(port: int) -> None:
    """Serve until told to stop."""
    arrivals: list[Arrival] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(arrivals), HOST, port)
    await server.serve_forever()


def main() -> None:
    """Serve on the port that the command names."""
    uvloop.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
