"""Frames on the socket between the gateway and a worker.

A frame (``domain/framing.py``) holds JSON. Its ``t`` names its kind; unknown members are
ignored, an unknown kind is an error. Files never travel in frames, only their paths.
"""

import asyncio
import socket
import threading
from typing import Any, cast

import msgspec

from statusgate.domain.framing import BrokenFrame, framed, read_frame, read_frame_with
from statusgate.engines.neonize.config import Setup

VERSION = 1
MAX_FRAME = 64 << 20
"""bytes: a post to 100,000 people takes 6 MiB, a spooled record up to 32"""

NOT_BEGUN = "the post was not begun"
"""a worker's answer when asked for the outcome of a post it does not know"""


class ProtocolError(Exception):
    """The other side sent something that is no frame."""


class GatewayGone(Exception):
    """Nobody is at the other end of the socket any more."""


class FrameTooLong(ValueError):
    """Something of ours does not fit into a frame."""


class _Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", omit_defaults=True):
    pass


class From(_Frame, frozen=True, kw_only=True, tag="from"):
    """Stream the records behind *seq*; those up to *acked* are journaled."""

    seq: int
    acked: int


class Ack(_Frame, frozen=True, kw_only=True, tag="ack"):
    """Everything up to *seq* is journaled."""

    seq: int


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker is."""

    state: str = ""
    waiting: int = 0
    """records not yet confirmed"""
    poisoned: int = 0
    threads: int = 0
    resident_bytes: int = 0


class Beat(_Frame, frozen=True, kw_only=True, tag="hb"):
    """A sign of life; the worker answers the gateway's at once."""

    vitals: Vitals | None = None


class Drain(_Frame, frozen=True, kw_only=True, tag="drain"):
    """Finish what runs, then end."""


class Move(_Frame, frozen=True, kw_only=True, tag="move"):
    """End as ``Drain`` does; the account goes on in another process."""


class Request(_Frame, frozen=True, kw_only=True, tag="req"):
    """Do *op*, with the arguments in the array *p* (see ``operations``)."""

    id: int
    op: str
    p: msgspec.Raw = msgspec.Raw(b"[]")


class Hello(_Frame, frozen=True, kw_only=True, tag="hello"):
    """The worker's first frame."""

    v: int
    pid: int


class Began(_Frame, frozen=True, kw_only=True, tag="began"):
    """Answers ``from``: the records that follow are those behind *seq*."""

    seq: int


class Record(_Frame, frozen=True, kw_only=True, tag="ev"):
    """A record of the spool: a JSON array of events."""

    seq: int
    p: msgspec.Raw


class Now(_Frame, frozen=True, kw_only=True, tag="now"):
    """A volatile event."""

    p: msgspec.Raw


class Ended(_Frame, frozen=True, kw_only=True, tag="ended"):
    """The worker's last frame: why it ended, as a code of ``Exit``."""

    code: int


class Response(_Frame, frozen=True, kw_only=True, tag="res"):
    id: int
    ok: bool
    p: msgspec.Raw = msgspec.Raw(b"null")
    err: str = ""
    """``rejected``, ``unavailable``, ``silent``, ``uncertain``, ``media``, ``gone``"""
    code: int = 0
    text: str = ""


ToWorker = Setup | From | Ack | Beat | Drain | Move | Request
FromWorker = Hello | Began | Record | Now | Beat | Response
ToGateway = FromWorker | Ended

_to_worker = msgspec.json.Decoder(ToWorker)
_to_gateway = msgspec.json.Decoder(ToGateway)


def pack(frame: Any) -> bytes:
    """Return *frame* as it goes on the socket. Raises FrameTooLong."""
    body = msgspec.json.encode(frame)
    if len(body) > MAX_FRAME:
        raise FrameTooLong(f"a frame of {len(body)} bytes is too long")
    return framed(body)


def raw(value: Any) -> msgspec.Raw:
    """Return *value* as the payload of a frame."""
    return msgspec.Raw(msgspec.json.encode(value))


async def receive(reader: asyncio.StreamReader) -> ToGateway | None:
    """Return the next frame of a worker, None at the end. Raises ProtocolError."""
    try:
        body = await read_frame(reader, MAX_FRAME)
    except BrokenFrame as error:
        raise ProtocolError(str(error)) from None
    except ConnectionError:
        return None
    return None if body is None else cast(ToGateway, _decoded(_to_gateway, body))


class Channel:
    """The worker's end of the socket; any thread may send, one receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, frame: Any) -> None:
        """Send *frame*; blocks while the gateway does not read. Raises GatewayGone."""
        data = pack(frame)
        try:
            with self._sending:
                self._connection.sendall(data)
        except OSError:
            raise GatewayGone from None

    def receive(self) -> ToWorker | None:
        """Return the next frame of the gateway, None at the end. Raises ProtocolError."""
        try:
            body = read_frame_with(self._read, MAX_FRAME)
        except BrokenFrame as error:
            raise ProtocolError(str(error)) from None
        return None if body is None else cast(ToWorker, _decoded(_to_worker, body))

    def close(self) -> None:
        """Make a blocked ``send`` or ``receive`` end."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _read(self, most: int) -> bytes:
        try:
            return self._connection.recv(most)
        except OSError:
            return b""


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"no frame: {error}") from None
