"""Copying films that phones can decode into a container of our own; runs in the child alone.

Nothing but the coded packets of one film and its sound gets into the copy: whatever else a
file carries (places, tags, other streams, a second file after the first) is left out.
"""

from fractions import Fraction
from typing import BinaryIO

import av
import av.error
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from statusgate.domain.conversion import Converted
from statusgate.domain.media_types import MP4, MediaType
from statusgate.media import mp4
from statusgate.media.sources import (
    Report,
    film_of,
    opened_container,
    shown_seconds,
    thumbnail_of,
)

LONGEST_EDGE = 1920
"""pixels of a film that is copied"""
_MOST_FRAMES_A_SECOND = 61
_MOST_SOUND_RATE = 48_000
_ROUNDING_SECONDS = 0.1
"""the last frame's own length is not counted as too long"""
_PROFILES = frozenset({"Baseline", "Constrained Baseline", "Main", "High"})
_AVCC = b"\1"
"""how the decoder's setup starts that an MP4 can take over"""
_WITHOUT_SEI = "filter_units=remove_types=6"
"""SEI units carry what the encoder and the camera write about themselves"""


def remuxed_film(
    source: BinaryIO, found: MediaType, target: BinaryIO, max_seconds: int, report: Report
) -> Converted | None:
    """Copy film and sound of an MP4 or MOV to *target*, cut at *max_seconds*.

    None if phones could not show the copy: it takes H.264 (yuv420p), upright with square
    pixels, AAC or no sound, key frames that can be decoded, and a copy of at most
    ``mp4.WANTED_BYTES``.
    """
    try:
        first = _first_key_frame(source, found, max_seconds, report)
        if first is None:
            return None
        with opened_container(source, found) as opened, mp4.opened_mp4(target) as made:
            if not _copy(opened, made, max_seconds):
                return None
        with opened_container(target, found) as written:
            length, size = _seconds_of(written), written.size
    except av.error.FFmpegError:
        return None  # encoding tolerates more
    if not 0 < length <= max_seconds + _ROUNDING_SECONDS or size > mp4.WANTED_BYTES:
        return None
    return Converted(
        mimetype=MP4.mimetype,
        extension=MP4.extension,
        seconds=shown_seconds(length),
        width=first.width,
        height=first.height,
        thumbnail=thumbnail_of(first),
    )


def _first_key_frame(
    source: BinaryIO, found: MediaType, max_seconds: int, report: Report
) -> VideoFrame | None:
    """Decode all key frames and return the first; None if the film has to be encoded."""
    first: VideoFrame | None = None
    with opened_container(source, found) as opened:
        most_seconds = max(_seconds_of(opened), max_seconds)
        if opened.size * max_seconds > mp4.WANTED_BYTES * most_seconds:
            return None  # what is in front of the cut is too large
        if not _common_streams(opened):
            return None
        film = film_of(opened)
        film.codec_context.skip_frame = "NONKEY"
        for number, packet in enumerate(opened.demux(film)):
            if number == 0 and not packet.is_keyframe:
                return None
            for frame in packet.decode():
                if frame.rotation:
                    return None
                first = first or frame
                report(frame.time or 0.0)
    return first


def _copy(opened: InputContainer, made: OutputContainer, max_seconds: int) -> bool:
    """Copy packets up to the cut; False if one does not say when it is to be decoded."""
    streams = _common_streams(opened)
    copies = {stream.index: made.add_stream_from_template(stream) for stream in streams}
    film = streams[0]
    cleaner = BitStreamFilterContext(_WITHOUT_SEI, film, copies[film.index])
    start = Fraction(opened.start_time or 0, av.time_base)
    delays = dict.fromkeys(copies, 0)
    """by how much a stream's packets may come before they are shown"""
    going = set(copies)
    for packet in opened.demux(*streams):
        index = packet.stream.index
        if packet.size == 0 or index not in going:
            continue
        if packet.dts is None or packet.pts is None:
            return False
        shift = round(start / packet.time_base)
        packet.dts, packet.pts = packet.dts - shift, packet.pts - shift
        delays[index] = max(delays[index], packet.pts - packet.dts)
        if (packet.dts + delays[index]) * packet.time_base >= max_seconds:
            going.discard(index)
            continue
        for piece in cleaner.filter(packet) if index == film.index else [packet]:
            piece.stream = copies[index]
            made.mux(piece)
    return True


def _seconds_of(opened: InputContainer) -> float:
    return (opened.duration or 0) / av.time_base


def _common_streams(opened: InputContainer) -> list[VideoStream | AudioStream]:
    """Return the film and its sound if phones can decode both, else nothing."""
    film, sounds = film_of(opened), opened.streams.audio[:1]
    is_common = _is_common_film(film) and all(map(_is_common_sound, sounds))
    return [film, *sounds] if is_common else []


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
