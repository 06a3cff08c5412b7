"""How far a foreign film or sound is believed; runs in the child process alone."""

import os
from collections.abc import Iterator
from typing import BinaryIO

import av.error
from av.frame import Frame
from av.packet import Packet

from statusgate.media import clean
from statusgate.media.pictures import CONTAINERS, UnfitFile

_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF)
"""what recorders write that cannot go back"""


def check_whole(file: BinaryIO, mimetype: str) -> None:
    """Raise UnfitFile if a file says itself that more should follow; leaves it at its start."""
    try:
        if CONTAINERS.get(mimetype) == "mov":
            _check_boxes(file)
        if mimetype in ("audio/wav", "video/x-msvideo"):
            _check_riff(file)
    finally:
        file.seek(0)


def _check_boxes(file: BinaryIO) -> None:
    try:
        clean.boxes(file)
    except ValueError as error:
        raise UnfitFile(f"cut off: {error}") from error


def _check_riff(file: BinaryIO) -> None:
    file.seek(4)
    told = int.from_bytes(file.read(4), "little")
    size = file.seek(0, os.SEEK_END)
    if told not in _UNKNOWN_LENGTHS and told + 8 > size + 1:
        raise UnfitFile(f"cut off: {size} of {told + 8} bytes")


def forgiving(packet: Packet) -> Iterator[Frame]:
    """Yield a packet's frames; none if it is broken, as some are in files that play well."""
    try:
        yield from packet.decode()
    except av.error.InvalidDataError:
        return
