"""Making a voice note out of any sound; runs in the child process alone."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from statusgate.media import clean
from statusgate.media.frames import Done
from statusgate.media.limits import STEP_SECONDS
from statusgate.media.pictures import CONTAINERS, UnfitFile, opened_container, type_of
from statusgate.media.sources import check_whole, forgiving
from statusgate.media.waveforms import RATE, Loudness

MIMETYPE = "audio/ogg; codecs=opus"
MOST_PASSED_BYTES = 16 * 1024 * 1024
"""the size WhatsApp documents for sound (Cloud API)"""
_OPUS_RATE = 48_000
_BITS_PER_SECOND = 48_000
_ROUNDING_SECONDS = 0.5
"""what a phone's whole seconds hide is not counted as too long"""

Report = Callable[[float], None]


class TooLong(Exception):
    """The voice is longer than it may be."""


def convert(source: BinaryIO, target: BinaryIO, max_seconds: int, report: Report) -> Done:
    """Write the sound of *source* to *target* as Ogg/Opus, unless it is such a voice already.

    *report* hears how many seconds are done. Raises TooLong, whatever the headers say, once
    *max_seconds* are exceeded, or one of ``pictures.FAULTS``.
    """
    mimetype = type_of(source)
    if mimetype not in CONTAINERS:
        raise UnfitFile(f"{mimetype} is no sound")
    check_whole(source, mimetype)
    passed = mimetype == "audio/ogg" and _is_fine(source)
    loudness = Loudness()
    with opened_container(source, CONTAINERS[mimetype]) as opened:
        sound = _heard(_frames(opened), loudness, max_seconds, report)
        seconds = _count(sound) if passed else _encode(sound, target)
    if not seconds:
        raise UnfitFile("no sound can be decoded")
    return Done(
        mimetype=MIMETYPE,
        extension="ogg",
        seconds=seconds,
        waveform=loudness.waveform(),
        passed_through=passed,
    )


def _is_fine(source: BinaryIO) -> bool:
    content = source.read(MOST_PASSED_BYTES + 1)
    source.seek(0)
    return len(content) <= MOST_PASSED_BYTES and clean.is_plain_opus(content)


def _frames(opened: InputContainer) -> Iterator[AudioFrame]:
    if not opened.streams.audio:
        raise UnfitFile("no sound")
    stream = opened.streams.audio[0]
    for packet in opened.demux(stream):
        for frame in forgiving(packet):
            if isinstance(frame, AudioFrame):
                yield frame


def _heard(
    frames: Iterator[AudioFrame], loudness: Loudness, max_seconds: int, report: Report
) -> Iterator[AudioFrame]:
    """Pass frames on while listening; their own times are not trusted, samples are counted."""
    listener = Resampler("s16", RATE)
    seconds, reported = 0.0, 0.0
    for frame in frames:
        if frame.sample_rate <= 0:
            raise UnfitFile("sound without a rate")
        seconds += frame.samples / frame.sample_rate
        if seconds > max_seconds + _ROUNDING_SECONDS:
            raise TooLong
        if seconds - reported >= STEP_SECONDS:
            reported = seconds
            report(seconds)
        for quiet in listener.resample(frame):
            loudness.listen(bytes(quiet.planes[0])[: quiet.samples * 2])
        yield frame
    for quiet in listener.rest():
        loudness.listen(bytes(quiet.planes[0])[: quiet.samples * 2])


def _count(frames: Iterator[AudioFrame]) -> float:
    return sum(frame.samples / frame.sample_rate for frame in frames)


def _encode(frames: Iterator[AudioFrame], target: BinaryIO) -> float:
    """Write frames as Opus; returns how many seconds they were."""
    seconds = 0.0
    with av.open(target, "w", format="ogg") as container:
        stream = _opus_stream(container)
        resampler = Resampler("s16", _OPUS_RATE)
        for frame in frames:
            seconds += frame.samples / frame.sample_rate
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        for piece in resampler.rest():
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return seconds


def _opus_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream(
        "libopus", rate=_OPUS_RATE, layout="mono", options={"application": "audio"}
    )
    if not isinstance(stream, AudioStream):
        raise UnfitFile("no encoder")
    stream.bit_rate = _BITS_PER_SECOND
    return stream


class Resampler:
    """Mono sound of one rate out of frames that may change their form on the way."""

    def __init__(self, sample_format: str, rate: int) -> None:
        self._sample_format = sample_format
        self._rate = rate
        self._form: tuple[str, str, int] | None = None
        self._inner: AudioResampler | None = None
        self._samples = 0

    def resample(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """Yield what is ready after *frame*, numbered without gaps."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._inner is None or form != self._form:
            yield from self.rest()
            self._form = form
            self._inner = AudioResampler(self._sample_format, "mono", self._rate)
        frame.pts = None
        yield from self._numbered(self._inner.resample(frame))

    def rest(self) -> Iterator[AudioFrame]:
        """Yield what was held back."""
        if self._inner is not None:
            yield from self._numbered(self._inner.resample(None))
            self._inner = None

    def _numbered(self, frames: list[AudioFrame]) -> Iterator[AudioFrame]:
        for frame in filter(None, frames):  # PyAV hands a flush through as it came
            frame.pts, frame.time_base = self._samples, Fraction(1, self._rate)
            self._samples += frame.samples
            yield frame
