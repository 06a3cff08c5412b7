"""How far an untrusted film or sound is believed; runs in the child process alone."""

import contextlib
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain, islice
from typing import Any, BinaryIO

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from statusgate.domain.media_types import MediaType
from statusgate.media.limits import MAX_FILM_PIXELS, THUMBNAIL_PIXELS
from statusgate.media.pictures import UnfitFile, check_pixels, small_jpeg

Report = Callable[[float], None]
"""called with the seconds of content that are done so far"""
_OPTIONS = {"probesize": "4000000", "analyzeduration": "2000000"}
_MOST_STREAMS = 8
_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF)
"""what recorders write that cannot go back"""
_MOST_PACKETS = 500
"""looked at for a first frame"""
_LONG_BOXES = frozenset({b"mdat", b"moov", b"moof", b"free", b"skip", b"wide", b"uuid"})
"""a box that does not fit and has another name is another file after the film"""


@contextlib.contextmanager
def opened_container(file: BinaryIO, found: MediaType) -> Iterator[InputContainer]:
    """Open a film or sound from its start, by the demuxer we chose.

    It is read as bytes: it can reach no other file or host. Raises UnfitFile.
    """
    file.seek(0)
    with av.open(
        file,
        "r",
        format=found.decoder,
        options=_OPTIONS,
        metadata_errors="replace",  # titles in old code pages are no fault
    ) as opened:
        if len(opened.streams) > _MOST_STREAMS:
            raise UnfitFile(f"{len(opened.streams)} streams")
        yield opened


def check_whole(file: BinaryIO, found: MediaType) -> None:
    """Raise UnfitFile if a file says itself that more should follow."""
    if found.decoder == "mov":
        _check_boxes(file)
    if found.decoder in ("wav", "avi"):
        _check_riff(file)


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


def shown_seconds(seconds: float | Fraction) -> int:
    """Return a length as phones round it, at least 1."""
    return max(1, int(seconds + 0.5))


def start_over(source: BinaryIO, target: BinaryIO) -> None:
    """Have the source read, and the target written, from the start."""
    source.seek(0)
    target.seek(0)
    target.truncate(0)


def decodable_frames(packet: "Packet[Any]") -> list[Any]:
    """Return the frames of a packet of film or sound.

    None if it is broken, as some are in files that play well.
    """
    try:
        return packet.decode()
    except av.error.InvalidDataError:
        return []


def film_of(opened: InputContainer) -> VideoStream:
    """Return the first moving picture, made ready to be decoded. Raises UnfitFile."""
    for stream in opened.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            check_pixels(stream.width, stream.height, MAX_FILM_PIXELS)
            stream.thread_type = "NONE"
            stream.thread_count = 1
            return stream
    raise UnfitFile("no moving picture")


def first_frame_of(
    opened: InputContainer, stream: VideoStream | AudioStream
) -> VideoFrame | AudioFrame | None:
    """Return the first frame that can be decoded, None if none of the first packets can."""
    frames = map(decodable_frames, islice(opened.demux(stream), _MOST_PACKETS))
    return next(chain.from_iterable(frames), None)


def thumbnail_of(frame: VideoFrame, rotation: int = 0) -> bytes:
    """Return a frame as a small JPEG, turned by *rotation* degrees counter-clockwise."""
    check_pixels(frame.width, frame.height, MAX_FILM_PIXELS)
    scale = min(1.0, THUMBNAIL_PIXELS / max(frame.width, frame.height))
    small = frame.reformat(
        width=max(1, round(frame.width * scale)),
        height=max(1, round(frame.height * scale)),
        format="rgb24",
    )
    image: Image.Image = small.to_image()  # type: ignore[no-untyped-call]
    return small_jpeg(image.rotate(rotation, expand=True))
