"""Making the MP4 that phones show out of any film; runs in the child process alone."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from statusgate.domain.conversion import Converted
from statusgate.domain.media_types import MP4, MediaType
from statusgate.media.limits import MAX_FILM_PIXELS
from statusgate.media.mp4 import Geometry, Mp4Writer, geometry, opened_mp4
from statusgate.media.pictures import UnfitFile, check_pixels
from statusgate.media.remux import remuxed_film
from statusgate.media.sources import (
    Report,
    check_whole,
    decodable_frames,
    film_of,
    first_frame_of,
    opened_container,
    shown_seconds,
    start_over,
    thumbnail_of,
)

_BELIEVED_SECONDS = 10


def convert(
    source: BinaryIO, found: MediaType, target: BinaryIO, max_seconds: int, report: Report
) -> Converted:
    """Write *source* to *target* as MP4, cut at *max_seconds*; copied without loss if possible.

    Raises one of ``pictures.FAULTS``.
    """
    check_whole(source, found)
    if found.decoder == "mov":
        remuxed = remuxed_film(source, found, target, max_seconds, report)
        if remuxed is not None:
            return remuxed
        start_over(source, target)
    return _encode(source, found, target, max_seconds, report)


def thumbnail(source: BinaryIO, found: MediaType) -> bytes:
    """Return a small JPEG of a film's first frame."""
    with opened_container(source, found) as opened:
        frame = _first_picture(opened, film_of(opened))
        return thumbnail_of(frame, frame.rotation)


def _encode(
    source: BinaryIO, found: MediaType, target: BinaryIO, max_seconds: int, report: Report
) -> Converted:
    picture, has_sound = _layout_of(source, found)
    with opened_container(source, found) as opened, opened_mp4(target) as made:
        writer = Mp4Writer(made, picture, has_sound=has_sound, max_seconds=max_seconds)
        sounds = opened.streams.audio[:1] if has_sound else ()
        for frame, at in _in_time(opened, [film_of(opened), *sounds], max_seconds):
            report(float(at))
            if isinstance(frame, VideoFrame):
                check_pixels(frame.width, frame.height, MAX_FILM_PIXELS)
                writer.show(frame, at)
            else:
                writer.play(frame, at)
        writer.finish()
    width, height = picture.shown
    return Converted(
        mimetype=MP4.mimetype,
        extension=MP4.extension,
        seconds=shown_seconds(writer.seconds),
        width=width,
        height=height,
        thumbnail=writer.thumbnail,
    )


def _layout_of(source: BinaryIO, found: MediaType) -> tuple[Geometry, bool]:
    """Return how the film is to be shown, and whether any of its sound can be decoded."""
    with opened_container(source, found) as opened:
        film = film_of(opened)
        picture = geometry(_first_picture(opened, film), film.sample_aspect_ratio)
    with opened_container(source, found) as opened:
        sounds = opened.streams.audio
        return picture, bool(sounds) and first_frame_of(opened, sounds[0]) is not None


def _first_picture(opened: InputContainer, film: VideoStream) -> VideoFrame:
    frame = first_frame_of(opened, film)
    if not isinstance(frame, VideoFrame):
        raise UnfitFile("no frame can be decoded")
    return frame


def _in_time(
    opened: InputContainer, streams: Sequence[VideoStream | AudioStream], max_seconds: int
) -> Iterator[tuple[VideoFrame | AudioFrame, Fraction]]:
    """Yield frames with their seconds since the start, until all streams reach the cut.

    A frame that does not say its time follows upon the last.
    """
    origin: Fraction | None = None
    ends = {stream.index: Fraction(0) for stream in streams}
    """of the last frames of the streams that go on"""
    for packet in opened.demux(*streams):
        index = packet.stream.index
        for frame in decodable_frames(packet) if index in ends else ():
            tick = frame.time_base or Fraction(0)
            time = ends[index] if frame.pts is None else frame.pts * tick
            ends[index] = time + frame.duration * tick
            origin = _origin(opened, time) if origin is None else origin
            if time - origin >= max_seconds:
                del ends[index]
                break
            yield frame, time - origin
        if not ends:
            return


def _origin(opened: InputContainer, first: Fraction) -> Fraction:
    """Return when the film starts: as its header says, if its first frame does not deny it."""
    declared = Fraction(opened.start_time or 0, av.time_base)
    return declared if abs(first - declared) <= _BELIEVED_SECONDS else first
