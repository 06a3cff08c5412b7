"""Making a voice note out of any sound; runs in the child process alone."""

from array import array
from fractions import Fraction
from typing import BinaryIO

import av
import av.error
from av.audio.frame import AudioFrame
from av.container import InputContainer, OutputContainer

from statusgate.domain.conversion import Converted
from statusgate.domain.media_types import OGG, OPUS_MIMETYPE, MediaType
from statusgate.media import waveforms
from statusgate.media.frames import Cause
from statusgate.media.pictures import UnfitFile
from statusgate.media.resampling import RATE, Resampler
from statusgate.media.sources import (
    Report,
    check_whole,
    decodable_frames,
    opened_container,
    shown_seconds,
    start_over,
)
from statusgate.media.waveforms import Loudness

_BITS_PER_SECOND = 48_000
_MOST_COPIED_BYTES = 16 * 1024 * 1024
"""the size WhatsApp documents for sound (Cloud API)"""
_PLAIN_HEAD_BYTES = 19
"""of an OpusHead for one or two channels"""
_LONGEST_PACKET = Fraction(120, 1000)
"""seconds; Opus has no longer ones"""
_ROUNDING_SECONDS = 0.5
"""what a phone's whole seconds hide is not counted as too long"""


def convert(
    source: BinaryIO, found: MediaType, target: BinaryIO, max_seconds: int, report: Report
) -> Converted:
    """Write the sound of *source* to *target* as Ogg/Opus, mono.

    The packets of a voice note are copied, anything else is encoded. Raises UnfitFile,
    whatever the headers say, once *max_seconds* are exceeded, or one of ``pictures.FAULTS``.
    """
    check_whole(source, found)
    heard = None
    if found is OGG:
        heard = _copy(source, target, _Listener(max_seconds, report))
    if heard is None:
        start_over(source, target)
        heard = _encode(source, found, target, _Listener(max_seconds, report))
    if not heard.seconds:
        raise UnfitFile("no sound can be decoded")
    return Converted(
        mimetype=OPUS_MIMETYPE,
        extension=OGG.extension,
        seconds=shown_seconds(heard.seconds),
        waveform=heard.loudness.waveform(),
    )


class _Listener:
    """Turns frames into mono sound at 48 kHz, and remembers how long and how loud it was.

    The times of frames are not trusted; samples are counted.
    """

    def __init__(self, max_seconds: int, report: Report) -> None:
        self.seconds = 0.0
        self.loudness = Loudness()
        self._most_seconds = max_seconds + _ROUNDING_SECONDS
        self._report = report
        self._resampler = Resampler("s16", "mono")

    def hear(self, frame: AudioFrame) -> list[AudioFrame]:
        """Return what is ready after *frame*. Raises UnfitFile if that is too much."""
        if frame.sample_rate <= 0:
            raise UnfitFile("sound without a rate")
        self.seconds += frame.samples / frame.sample_rate
        if self.seconds > self._most_seconds:
            raise UnfitFile("the voice is too long", Cause.LENGTH)
        self._report(self.seconds)
        return self._listen(self._resampler.resample(frame))

    def rest(self) -> list[AudioFrame]:
        """Return what was held back."""
        return self._listen(self._resampler.rest())

    def _listen(self, frames: list[AudioFrame]) -> list[AudioFrame]:
        for frame in frames:
            samples = array("h", bytes(frame.planes[0])[: frame.samples * 2])
            self.loudness.listen(samples[:: RATE // waveforms.RATE])
        return frames


def _copy(source: BinaryIO, target: BinaryIO, listener: _Listener) -> _Listener | None:
    """Copy a voice note's packets into a file of our own; None if it is not plainly one."""
    try:
        with opened_container(source, OGG) as opened, _opened_ogg(target) as made:
            is_whole = _is_voice_note(opened) and _copy_packets(opened, made, listener)
    except av.error.FFmpegError:
        return None  # encoding tolerates more
    listener.rest()
    return listener if is_whole else None


def _is_voice_note(opened: InputContainer) -> bool:
    if len(opened.streams) != 1 or not opened.streams.audio:
        return False
    sound = opened.streams.audio[0].codec_context
    return (
        opened.size <= _MOST_COPIED_BYTES
        and sound.name in ("opus", "libopus")
        and sound.channels == 1
        and len(sound.extradata or b"") == _PLAIN_HEAD_BYTES
    )


def _copy_packets(opened: InputContainer, made: OutputContainer, listener: _Listener) -> bool:
    """Copy packets one after the other, each decoded for its loudness; False at an odd one."""
    stream = opened.streams.audio[0]
    copy = made.add_stream_from_template(stream)
    at = 0
    for packet in opened.demux(stream):
        for frame in packet.decode():
            listener.hear(frame)
        if packet.size == 0:
            continue
        duration = packet.duration or 0
        if not 0 < duration * packet.time_base <= _LONGEST_PACKET:
            return False
        packet.pts = packet.dts = at
        at += duration
        packet.stream = copy
        made.mux(packet)
    return True


def _encode(
    source: BinaryIO, found: MediaType, target: BinaryIO, listener: _Listener
) -> _Listener:
    with opened_container(source, found) as opened, _opened_ogg(target) as made:
        if not opened.streams.audio:
            raise UnfitFile("no sound")
        encoder = made.add_stream(
            "libopus", rate=RATE, layout="mono", options={"application": "audio"}
        )
        encoder.bit_rate = _BITS_PER_SECOND
        for packet in opened.demux(opened.streams.audio[0]):
            for frame in decodable_frames(packet):
                for piece in listener.hear(frame):
                    made.mux(encoder.encode(piece))
        for rest in (*listener.rest(), None):
            made.mux(encoder.encode(rest))
    return listener


def _opened_ogg(target: BinaryIO) -> OutputContainer:
    return av.open(target, "w", format="ogg", options={"fflags": "+bitexact"})
