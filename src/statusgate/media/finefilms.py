"""Films that phones show as they are, or nearly so; runs in the child process alone."""

import os
from collections.abc import Callable
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from statusgate.media import clean, mp4
from statusgate.media.frames import Done
from statusgate.media.limits import STEP_SECONDS
from statusgate.media.pictures import opened_container
from statusgate.media.sources import film_of

LONGEST_EDGE = 1920
"""pixels of a film that is passed through"""
_MOST_FRAMES_A_SECOND = 61
_MOST_SOUND_RATE = 48_000
_ROUNDING_SECONDS = 0.1
"""the last frame's own length is not counted as too long"""
_PROFILES = frozenset({"Baseline", "Constrained Baseline", "Main", "High"})
_NOT_COPIED = -1
_AVCC = b"\1"
"""how the decoder's setup starts that an MP4 can take over"""
Report = Callable[[float], None]


def fine_film(source: BinaryIO, max_seconds: int, report: Report) -> Done | None:
    """Return what to tell of an MP4 that phones show as it is, None if it must be changed.

    H.264 (yuv420p) upright with square pixels and AAC or no sound, nothing else, its index in
    front, not too long or large, and every key frame of it can be decoded. Raises one of
    ``pictures.FAULTS`` if it cannot be read at all.
    """
    source.seek(0)
    with opened_container(source, "mov") as opened:
        length = _seconds_of(opened)
        streams = _common_streams(opened)
        if (
            len(streams) != len(opened.streams)
            or not 0 < length <= max_seconds + _ROUNDING_SECONDS
            or opened.size > mp4.WANTED_BYTES
        ):
            return None
        media_bytes = sum(packet.size for packet in opened.demux())
    if not clean.is_plain_mp4(source, media_bytes, length):
        return None
    first = _first_of_sound_key_frames(source, report)
    return None if first is None else _done(first, length, passed_through=True)


def copied_film(
    source: BinaryIO, target: BinaryIO, max_seconds: int, report: Report
) -> Done | None:
    """Write film and sound of an MP4 or MOV to *target* if only the rest of it is not fine.

    Metadata, other streams and what is behind *max_seconds* stay behind. None if that would
    not make a fine film.
    """
    source.seek(0)
    with opened_container(source, "mov") as opened:
        length = min(_seconds_of(opened), float(max_seconds))
        share = length / _seconds_of(opened) if length > 0 else 1.0
        if not _common_streams(opened) or opened.size * share > mp4.WANTED_BYTES:
            return None
    first = _first_of_sound_key_frames(source, report)
    if first is None:
        return None
    source.seek(0)
    with opened_container(source, "mov") as opened, mp4.opened_mp4(target) as made:
        media_bytes = _copy(opened, made, max_seconds)
    with opened_container(target, "mov") as written:
        length = _seconds_of(written)
    fits = 0 < length <= max_seconds + _ROUNDING_SECONDS
    size = target.seek(0, os.SEEK_END)
    if not fits or size > mp4.WANTED_BYTES or media_bytes == _NOT_COPIED:
        return None
    if not clean.is_plain_mp4(target, media_bytes, length):
        return None
    return _done(first, length, passed_through=False)


def _copy(opened: InputContainer, made: OutputContainer, max_seconds: int) -> int:
    """Copy packets up to the cut; returns how many bytes of media they hold.

    -1 if one does not say when it is to be decoded.
    """
    streams = _common_streams(opened)
    copies = {stream.index: made.add_stream_from_template(stream) for stream in streams}
    start = Fraction(opened.start_time or 0, av.time_base)
    delays = dict.fromkeys(copies, 0)
    """by how much a stream's packets may come before they are shown"""
    going = set(copies)
    media_bytes = 0
    for packet in opened.demux(*streams):
        index = packet.stream.index
        if packet.size == 0 or index not in going:
            continue
        if packet.dts is None or packet.pts is None:
            return _NOT_COPIED
        shift = round(start / packet.time_base)
        packet.dts, packet.pts = packet.dts - shift, packet.pts - shift
        delays[index] = max(delays[index], packet.pts - packet.dts)
        if (packet.dts + delays[index]) * packet.time_base >= max_seconds:
            going.discard(index)
            continue
        media_bytes += packet.size
        packet.stream = copies[index]
        made.mux(packet)
    return media_bytes


def _done(first: VideoFrame, length: float, *, passed_through: bool) -> Done:
    return Done(
        mimetype=mp4.MIMETYPE,
        extension=mp4.EXTENSION,
        seconds=length,
        width=first.width,
        height=first.height,
        thumbnail=mp4.thumbnail_of(first),
        passed_through=passed_through,
    )


def _seconds_of(opened: InputContainer) -> float:
    return (opened.duration or 0) / av.time_base


def _common_streams(opened: InputContainer) -> list[VideoStream | AudioStream]:
    """Return the film and its sound if phones can decode both, else nothing."""
    streams: list[VideoStream | AudioStream] = [film_of(opened), *opened.streams.audio[:1]]
    return streams if all(map(_is_common, streams)) else []


def _is_common(stream: VideoStream | AudioStream) -> bool:
    if isinstance(stream, VideoStream):
        return _is_common_film(stream)
    return _is_common_sound(stream)


def _is_common_film(film: VideoStream) -> bool:
    rate = film.average_rate
    return (
        film.codec_context.name == "h264"
        and film.codec_context.pix_fmt == "yuv420p"
        and film.profile in _PROFILES
        and film.sample_aspect_ratio in (None, 0, 1)
        and max(film.width, film.height) <= LONGEST_EDGE
        and rate is not None
        and rate <= _MOST_FRAMES_A_SECOND
        and (film.codec_context.extradata or b"").startswith(_AVCC)
    )


def _is_common_sound(sound: AudioStream) -> bool:
    return (
        sound.codec_context.name == "aac"
        and sound.profile == "LC"
        and sound.channels <= 2
        and sound.rate <= _MOST_SOUND_RATE
    )


def _first_of_sound_key_frames(source: BinaryIO, report: Report) -> VideoFrame | None:
    """Decode all key frames; return the first, None if one is broken or not upright."""
    first: VideoFrame | None = None
    reported = 0.0
    source.seek(0)
    with opened_container(source, "mov") as opened:
        film = film_of(opened)
        film.codec_context.skip_frame = "NONKEY"
        for number, packet in enumerate(opened.demux(film)):
            if number == 0 and not packet.is_keyframe:
                return None
            for frame in packet.decode():
                if frame.rotation:
                    return None
                first = first or frame
                if frame.time is not None and frame.time - reported >= STEP_SECONDS:
                    reported = frame.time
                    report(reported)
    return first
