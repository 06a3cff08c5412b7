"""What parent and child say to each other: length-prefixed msgpack frames on two pipes.

A request's files, source and target, come as open files over the child's socket, never as
names. It is answered by some Progress, then Made, Converted or Failed.
"""

import asyncio
from enum import StrEnum
from typing import BinaryIO, ClassVar

import msgspec

from statusgate.domain.conversion import Converted, Wanted
from statusgate.domain.framing import framed, read_frame, read_frame_with

MAX_FRAME_BYTES = 1024 * 1024


class MakeThumbnail(msgspec.Struct, frozen=True, tag=True):
    """Ask for a small JPEG of the source; answered Made."""

    kinds: ClassVar = ("image", "video")


Request = MakeThumbnail | Wanted


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The child is up; its first frame."""

    confined: bool = True
    """the kernel refuses it whatever decoding does not need"""


class Made(msgspec.Struct, frozen=True, tag=True):
    """The bytes that were asked for."""

    content: bytes


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Further frames will follow; so much of the content is converted."""

    seconds: float


class Cause(StrEnum):
    """What a failure is due to."""

    FILE = "file"
    """what is in it"""
    LENGTH = "length"
    """the voice is too long"""
    PIXELS = "pixels"
    """the picture or film is too large to be decoded"""
    ROOM = "room"
    """the disk of the target is full"""
    TIME = "time"
    DEATH = "death"
    """the child died, or answered nonsense"""
    CHILD = "child"
    """no child could be started"""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The file cannot be read, or not within the limits."""

    reason: str
    cause: Cause = Cause.FILE


Reply = Ready | Made | Progress | Converted | Failed

requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def pack(frame: Request | Reply) -> bytes:
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
