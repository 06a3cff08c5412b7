"""What parent and child say to each other: length-prefixed msgpack frames on two pipes."""

import asyncio
from enum import StrEnum
from typing import BinaryIO

import msgspec

from statusgate.domain.conversion import Wanted
from statusgate.domain.framing import framed, read_frame, read_frame_with

MAX_FRAME_BYTES = 1024 * 1024


class Frame(msgspec.Struct, frozen=True, tag=True):
    """Root of all frames."""


class MakeThumbnail(Frame, frozen=True):
    """Ask for a JPEG of at most *edge* pixels either way; answered Made.

    The source comes as an open file over the child's socket, never as a name.
    """

    edge: int


class Convert(Frame, frozen=True):
    """Make what is wanted of the file sent along; answered by some Progress, then Done.

    Source and target come as open files, likewise.
    """

    wanted: Wanted


Request = MakeThumbnail | Convert


class Ready(Frame, frozen=True):
    """The child is up; its first frame."""

    confined: bool = True
    """the kernel refuses it whatever decoding does not need"""


class Made(Frame, frozen=True):
    """The bytes that were asked for."""

    content: bytes


class Progress(Frame, frozen=True):
    """Further frames will follow; so much of the content is converted."""

    seconds: float


class Done(Frame, frozen=True, kw_only=True):
    """The target is written."""

    mimetype: str
    extension: str
    seconds: float = 0.0
    width: int = 0
    height: int = 0
    thumbnail: bytes = b""
    waveform: bytes = b""


class Cause(StrEnum):
    """What a failure is due to."""

    FILE = "file"
    """what is in it, or what it did to the child"""
    LENGTH = "length"
    """the voice is too long"""
    PIXELS = "pixels"
    """the picture or film is too large to be decoded"""
    ROOM = "room"
    """the disk of the target is full"""
    TIME = "time"
    CHILD = "child"
    """no child could be started"""


class Failed(Frame, frozen=True):
    """The file cannot be read, or not within the limits."""

    reason: str
    cause: Cause = Cause.FILE


Reply = Ready | Made | Progress | Done | Failed

requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def pack(frame: Frame) -> bytes:
    """Return a frame as it goes through the pipe."""
    return framed(msgspec.msgpack.encode(frame))


def read_request(pipe: BinaryIO) -> Request | None:
    """Read the next request; None once the other side has hung up. Raises BrokenFrame."""
    content = read_frame_with(pipe.read, MAX_FRAME_BYTES)
    return None if content is None else requests.decode(content)


async def read_reply(pipe: asyncio.StreamReader) -> Reply:
    """Read the next reply. Raises EOFError if the child is gone, BrokenFrame, MsgspecError."""
    content = await read_frame(pipe, MAX_FRAME_BYTES)
    if content is None:
        raise EOFError
    return replies.decode(content)
