"""Messages between our processes: a length (4 bytes, big endian), then the content."""

import asyncio
import struct
from collections.abc import Callable

_LENGTH = struct.Struct(">I")


class BrokenFrame(Exception):
    """The other side does not speak in frames."""


def framed(content: bytes) -> bytes:
    """Return *content* as it goes through a pipe or socket."""
    return _LENGTH.pack(len(content)) + content


async def read_frame(reader: asyncio.StreamReader, limit: int) -> bytes | None:
    """Return the content of the next frame, None at the end of the stream.

    Raises BrokenFrame if it has more than *limit* bytes or is cut short.
    """
    try:
        head = await reader.readexactly(_LENGTH.size)
        return await reader.readexactly(_length(head, limit))
    except asyncio.IncompleteReadError as end:
        if end.partial or end.expected != _LENGTH.size:
            raise BrokenFrame("the stream ends within a frame") from None
        return None


def read_frame_with(read: Callable[[int], bytes], limit: int) -> bytes | None:
    """As ``read_frame``; *read* returns at most so many bytes, none at the end."""
    head = _exactly(read, _LENGTH.size)
    if not head:
        return None
    length = _length(head, limit)
    content = _exactly(read, length)
    if len(content) != length:
        raise BrokenFrame("the stream ends within a frame")
    return content


def _length(head: bytes, limit: int) -> int:
    if len(head) != _LENGTH.size:
        raise BrokenFrame("the stream ends within a frame")
    length = int(_LENGTH.unpack(head)[0])
    if length > limit:
        raise BrokenFrame(f"a frame of {length} bytes was announced")
    return length


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    content = bytearray()
    while len(content) < count and (piece := read(min(count - len(content), 1 << 16))):
        content += piece
    return bytes(content)
