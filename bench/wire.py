"""A keep-alive HTTP/1.1 client that costs little, so that what it asks is what is measured."""

import asyncio
from collections import deque
from typing import Self, cast

import httptools

from bench.servers import HOST


class Closed(Exception):
    """The other side closed the connection, or said something that is not HTTP."""


class Answer:
    """One answer as it comes in."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""


class AnswerParser:
    """Reads answers from bytes, however they are cut."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._now = Answer()
        self._whole: list[Answer] = []

    def feed(self, data: bytes) -> list[Answer]:
        """Return the answers that *data* completes; raises Closed if it is not HTTP."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise Closed(str(error)) from error
        whole, self._whole = self._whole, []
        return whole

    # -- called by httptools

    def on_message_begin(self) -> None:
        self._now = Answer()

    def on_body(self, body: bytes) -> None:
        self._now.body += body

    def on_message_complete(self) -> None:
        self._now.status = self._parser.get_status_code()
        self._whole.append(self._now)


def request(verb: str, path: str, body: bytes = b"") -> bytes:
    """The bytes of one request."""
    lines = [f"{verb} {path} HTTP/1.1", f"Host: {HOST}"]
    if body or verb == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One connection; a request after the other, or several behind each other."""

    def __init__(self) -> None:
        self._parser = AnswerParser()
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self._transport: asyncio.WriteTransport | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect; raises OSError."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(cls, HOST, port)
        return made

    async def ask(self, data: bytes) -> Answer:
        """Send a request and return its answer; raises Closed."""
        if self._transport is None or self._transport.is_closing():
            raise Closed("closed")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._transport.write(data)
        return await answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # -- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            answers = self._parser.feed(data)
        except Closed as error:
            self._fail(error)
            self.close()
            return
        for answer in answers:
            if self._waiting:
                self._waiting.popleft().set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(Closed(str(exc or "closed by the server")))

    def _fail(self, error: Closed) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(error)
