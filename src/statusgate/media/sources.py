"""How far an untrusted film or sound is believed; runs in the child process alone."""

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.frame import Frame
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from statusgate.media.limits import MAX_FILM_PIXELS
from statusgate.media.pictures import CONTAINERS, UnfitFile, check_pixels

_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF)
"""what recorders write that cannot go back"""
_MOST_PACKETS = 500
"""looked at for a first frame"""
_LONG_BOXES = frozenset({b"mdat", b"moov", b"moof", b"free", b"skip", b"wide", b"uuid"})
"""a box that does not fit and has another name is another file after the film"""


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
    size = file.seek(0, os.SEEK_END)
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        length, kind, shortest = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 0:
            return  # up to the end of the file
        if length == 1:
            length, shortest = int.from_bytes(head[8:16], "big"), 16
        if length < shortest or at + length > size:
            if kind in _LONG_BOXES:
                raise UnfitFile(f"cut off: a box of {length} bytes at {at} of {size}")
            return
        at += length


def _check_riff(file: BinaryIO) -> None:
    file.seek(4)
    declared = int.from_bytes(file.read(4), "little")
    size = file.seek(0, os.SEEK_END)
    if declared not in _UNKNOWN_LENGTHS and declared + 8 > size + 1:
        raise UnfitFile(f"cut off: {size} of {declared + 8} bytes")


def start_over(source: BinaryIO, target: BinaryIO) -> None:
    """Have the source read, and the target written, from the start."""
    source.seek(0)
    target.seek(0)
    target.truncate(0)


def decodable_frames(packet: "Packet[Any]") -> Iterator[Frame]:
    """Yield a packet's frames; none if it is broken, as some are in files that play well."""
    try:
        yield from (frame for frame in packet.decode() if isinstance(frame, Frame))
    except av.error.InvalidDataError:
        return


def film_of(opened: InputContainer) -> VideoStream:
    """Return the first moving picture, made ready to be decoded. Raises UnfitFile."""
    for stream in opened.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            check_pixels(stream.width, stream.height, MAX_FILM_PIXELS)
            stream.thread_type = "NONE"
            stream.thread_count = 1
            return stream
    raise UnfitFile("no moving picture")


def first_frame_of(opened: InputContainer, stream: VideoStream | AudioStream) -> Frame | None:
    """Return the first frame that can be decoded, None if none of the first packets can."""
    for count, packet in enumerate(opened.demux(stream)):
        for frame in decodable_frames(packet):
            return frame
        if count == _MOST_PACKETS:
            break
    return None
