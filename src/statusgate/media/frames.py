"""What parent and child say to each other: length-prefixed msgpack frames on two pipes."""

import struct
from enum import StrEnum
from typing import BinaryIO

import msgspec

from statusgate.domain.conversion import Wanted

MAX_FRAME_BYTES = 1024 * 1024
_LENGTH = struct.Struct(">I")
LENGTH_BYTES = _LENGTH.size


class Frame(msgspec.Struct, frozen=True, tag=True):
    """Root of all frames."""


class MakeThumbnail(Frame, frozen=True):
    """Ask for a JPEG of at most *edge* pixels either way; answered Made."""

    source: str
    edge: int


class Convert(Frame, frozen=True):
    """Make what is wanted of the file sent along; answered by some Progress, then Done.

    Source and target come as open files over the child's socket, never as names.
    """

    wanted: Wanted


Request = MakeThumbnail | Convert


class Ready(Frame, frozen=True):
    """The child is up; its first frame."""


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


class BrokenFrame(Exception):
    """The other side does not speak in frames."""


def pack(frame: Frame) -> bytes:
    """Return a frame as it goes through the pipe."""
    content = msgspec.msgpack.encode(frame)
    return _LENGTH.pack(len(content)) + content


def length_in(head: bytes) -> int:
    """Return how many bytes follow *head*. Raises BrokenFrame if they are too many."""
    length = int(_LENGTH.unpack(head)[0])
    if length > MAX_FRAME_BYTES:
        raise BrokenFrame(f"a frame of {length} bytes")
    return length


def read_request(pipe: BinaryIO) -> Request | None:
    """Read the next request; None once the other side has hung up."""
    head = pipe.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    content = pipe.read(length_in(head))
    return requests.decode(content)
