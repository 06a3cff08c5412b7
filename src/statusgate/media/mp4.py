"""Writing the MP4 that phones show; runs in the child process alone."""

import os
from fractions import Fraction
from typing import BinaryIO, NamedTuple

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from statusgate.domain.media_types import MAX_FILE_BYTES
from statusgate.media.pictures import UnfitFile
from statusgate.media.resampling import RATE, Resampler
from statusgate.media.sources import thumbnail_of

LONGEST_EDGE = 1280
"""pixels"""
WANTED_BYTES = 16 * 1024 * 1024
"""the size WhatsApp documents for films (Cloud API)"""
_MOST_BITS_PER_SECOND = 4_000_000
_FEWEST_BITS_PER_SECOND = 500_000
_SOUND_BITS_PER_SECOND = 128_000
_SOUND_FRAME = 1024
_CONTAINER_SHARE = 0.9
"""of the bytes, left for film and sound by peaks and indices"""
_FRAME_SECONDS = Fraction(1, 30)
_UNEVEN_SECONDS = Fraction(1, 150)
"""how much earlier than its turn a frame may come"""
_TICK = Fraction(1, 90_000)
_MOST_STRETCH = 8
"""how far from square the form of a pixel is believed"""
_TURNS = {
    90: (("transpose", "cclock"),),
    -90: (("transpose", "clock"),),
    180: (("hflip", None), ("vflip", None)),
    -180: (("hflip", None), ("vflip", None)),
}


class Geometry(NamedTuple):
    """How frames are to be shown: scaled to *width* and *height*, then turned."""

    width: int
    height: int
    rotation: int
    """degrees counter-clockwise; a multiple of 90"""

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height in the end."""
        lies = self.rotation % 180 != 0
        return (self.height, self.width) if lies else (self.width, self.height)


def geometry(frame: VideoFrame, pixel_form: Fraction | None) -> Geometry:
    """Return how a film is to be shown that starts with *frame*; its edges will be even."""
    form = pixel_form or Fraction(1)
    if not Fraction(1, _MOST_STRETCH) <= form <= _MOST_STRETCH:
        form = Fraction(1)
    width, height = Fraction(frame.width) * form, Fraction(frame.height)
    scale = min(Fraction(1), Fraction(LONGEST_EDGE) / max(width, height))
    rotation = round(frame.rotation / 90) * 90
    return Geometry(
        _even(width * scale), _even(height * scale), rotation if rotation in _TURNS else 0
    )


def _even(length: Fraction) -> int:
    return max(2, int(length / 2) * 2)


class Mp4Writer:
    """Encodes a film as H.264 and AAC; whole once ``finish`` was called."""

    def __init__(
        self, made: OutputContainer, picture: Geometry, *, has_sound: bool, max_seconds: int
    ) -> None:
        self._picture = picture
        self._container = made
        self._film = self._add_film(_film_bits(max_seconds))
        self._sound = self._add_sound() if has_sound else None
        self._reformatter = VideoReformatter()
        self._turning = _turning(picture)
        self._resampler = Resampler("fltp", "stereo", _SOUND_FRAME, keeps_time=True)
        self._max_seconds = max_seconds
        self._shown_at: Fraction | None = None
        self._film_end = Fraction(0)
        self.thumbnail = b""

    @property
    def seconds(self) -> Fraction:
        """How long it is so far."""
        longest = max(self._film_end, Fraction(self._resampler.samples, RATE))
        return min(longest, Fraction(self._max_seconds))

    def show(self, frame: VideoFrame, at: Fraction) -> None:
        """Add a frame to be seen from *at* seconds on; the first one from the start on.

        One that comes too soon after the last is left out.
        """
        if self._shown_at is None:
            at = Fraction(0)
        elif at < self._shown_at + _FRAME_SECONDS - _UNEVEN_SECONDS:
            return
        upright = self._upright(frame)
        if self._shown_at is None:
            self.thumbnail = thumbnail_of(upright)
        self._shown_at, self._film_end = at, at + _FRAME_SECONDS
        upright.pts, upright.time_base = round(at / _TICK), _TICK
        upright.pict_type = PictureType.NONE
        self._container.mux(self._film.encode(upright))

    def play(self, frame: AudioFrame, at: Fraction) -> None:
        """Add sound to be heard from *at* seconds on; gaps become silence."""
        if self._sound is None or frame.sample_rate <= 0:
            return
        frame.pts = round(at * frame.sample_rate)
        frame.time_base = Fraction(1, frame.sample_rate)
        self._mux_sound(self._sound, self._resampler.resample(frame))

    def finish(self) -> None:
        """Write what was held back. Raises UnfitFile if no frame was shown."""
        if self._shown_at is None:
            raise UnfitFile("no frame can be decoded")
        self._container.mux(self._film.encode(None))
        if self._sound is not None:
            self._mux_sound(self._sound, self._resampler.rest())
            self._container.mux(self._sound.encode(None))

    def _add_film(self, bits_per_second: int) -> VideoStream:
        stream = self._container.add_stream(
            "libx264",
            rate=30,
            options={
                "preset": "veryfast",
                "profile": "high",
                "crf": "23",
                "maxrate": str(bits_per_second),
                "bufsize": str(2 * bits_per_second),
            },
        )
        stream.width, stream.height = self._picture.shown
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _TICK
        stream.codec_context.gop_size = 60
        stream.codec_context.thread_count = 2
        return stream

    def _add_sound(self) -> AudioStream:
        stream = self._container.add_stream("aac", rate=RATE, layout="stereo")
        stream.bit_rate = _SOUND_BITS_PER_SECOND
        return stream

    def _mux_sound(self, sound: AudioStream, frames: list[AudioFrame]) -> None:
        """Encode what is in front of the cut."""
        for frame in frames:
            if (frame.pts or 0) + frame.samples <= self._max_seconds * RATE:
                self._container.mux(sound.encode(frame))

    def _upright(self, frame: VideoFrame) -> VideoFrame:
        small = self._reformatter.reformat(
            frame,
            width=self._picture.width,
            height=self._picture.height,
            format="yuv420p",
            dst_color_range="MPEG",
        )
        if self._turning is None:
            return small
        small.pts, small.time_base = 0, _TICK
        self._turning.vpush(small)
        return self._turning.vpull()


def _turning(picture: Geometry) -> Graph | None:
    """Return what turns frames of one size by quarters; None if they stand upright."""
    if not picture.rotation:
        return None
    graph = Graph()
    chain: list[FilterContext] = [
        graph.add_buffer(
            width=picture.width,
            height=picture.height,
            format=av.VideoFormat("yuv420p"),
            time_base=_TICK,
        ),
        *(graph.add(name, args) for name, args in _TURNS[picture.rotation]),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*chain).configure()
    return graph


def opened_mp4(target: BinaryIO) -> OutputContainer:
    """Start an MP4 that will have its index in front once it is closed."""
    return av.open(
        target,
        "w",
        format="mp4",
        options={"movflags": "faststart", "fflags": "+bitexact"},
        io_open=lambda *_: _Reading(target.fileno()),
    )


class _Reading:
    """A second place in a file that is being written, by which FFmpeg moves the index."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._at = 0

    def read(self, size: int) -> bytes:
        content = os.pread(self._number, size, self._at)
        self._at += len(content)
        return content

    def seek(self, offset: int, _whence: int) -> int:
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at


def _film_bits(max_seconds: int) -> int:
    """Return the most bits a second that let the longest film fit."""
    fitting = _bits_per_second(WANTED_BYTES, max_seconds)
    pleasant = min(_MOST_BITS_PER_SECOND, max(_FEWEST_BITS_PER_SECOND, fitting))
    return max(1, min(pleasant, _bits_per_second(MAX_FILE_BYTES, max_seconds)))


def _bits_per_second(size: int, seconds: int) -> int:
    return int(_CONTAINER_SHARE * size * 8 / seconds) - _SOUND_BITS_PER_SECOND
