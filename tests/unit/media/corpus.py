"""Small films and sounds of every kind, made anew for each run of the tests."""

import math
import struct
from array import array
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

RATE = 48_000


def landscape(width: int, height: int) -> Image.Image:
    """A picture whose left half is red, right half blue, with a white top edge."""
    image = Image.new("RGB", (width, height), (200, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height), fill=(0, 0, 200))
    draw.rectangle((0, 0, width, height // 8), fill=(255, 255, 255))
    return image


def write_film(
    path: Path,
    *,
    codec: str = "libx264",
    sound: str | None = "aac",
    size: tuple[int, int] = (320, 240),
    seconds: float = 2.0,
    rate: int = 20,
    pix_fmt: str = "yuv420p",
    container: str | None = None,
    options: dict[str, str] | None = None,
    sound_rate: int = RATE,
    film_options: dict[str, str] | None = None,
    pixel_form: Fraction | None = None,
) -> Path:
    """Write a film of a landscape that slowly darkens, with a tone."""
    with av.open(path, "w", format=container, options=options or {}) as made:
        film = made.add_stream(codec, rate=rate, options=film_options or {})
        assert isinstance(film, VideoStream)
        film.width, film.height = size
        film.pix_fmt = pix_fmt
        if pixel_form is not None:
            film.codec_context.sample_aspect_ratio = pixel_form
        tone = made.add_stream(sound, rate=sound_rate, layout="mono") if sound else None
        picture = landscape(*size)
        for number in range(round(seconds * rate)):
            dark = picture.point(lambda value, step=number: max(0, value - step))
            frame: VideoFrame = VideoFrame.from_image(dark)  # type: ignore[no-untyped-call]
            frame.pts, frame.time_base = number, Fraction(1, rate)
            made.mux(film.encode(frame.reformat(format=pix_fmt)))
        made.mux(film.encode(None))
        if isinstance(tone, AudioStream):
            made.mux(tone.encode(tone_frame(seconds, sound_rate)))
            made.mux(tone.encode(None))
    return path


def write_fine_film(path: Path, **how: object) -> Path:
    """Write an MP4 that phones could show as it is."""
    return write_film(path, options={"movflags": "faststart"}, **how)  # type: ignore[arg-type]


def turned(film: bytes, degrees: int) -> bytes:
    """An MP4 whose header says that it is shown turned clockwise."""
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 1 << 16
    matrix = (cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30)
    content = bytearray(film)
    at = content.index(b"tkhd") + 44
    content[at : at + 36] = struct.pack(">9i", *matrix)
    return bytes(content)


def tone_frame(seconds: float, rate: int = RATE, loudness: float = 0.5) -> AudioFrame:
    """A tone of 440 Hz."""
    samples = array(
        "h",
        (
            int(32_000 * loudness * math.sin(math.tau * 440 * at / rate))
            for at in range(round(seconds * rate))
        ),
    )
    return frame_of(samples, rate)


def frame_of(samples: "array[int]", rate: int = RATE) -> AudioFrame:
    """Mono sound of these samples."""
    frame = AudioFrame(format="s16", layout="mono", samples=len(samples))
    frame.planes[0].update(samples.tobytes())
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    return frame


def write_sound(
    path: Path,
    codec: str,
    *,
    seconds: float = 2.0,
    rate: int = RATE,
    layout: str = "mono",
    container: str | None = None,
    frame: AudioFrame | None = None,
    tags: dict[str, str] | None = None,
) -> Path:
    """Write a tone, or *frame*."""
    with av.open(path, "w", format=container) as made:
        stream = made.add_stream(codec, rate=rate, layout=layout, options={"strict": "-2"})
        assert isinstance(stream, AudioStream)
        stream.metadata.update(tags or {})
        made.mux(stream.encode(frame or tone_frame(seconds, rate)))
        made.mux(stream.encode(None))
    return path


def packets_of(path: Path) -> list[list[bytes]]:
    """The content of each stream."""
    with av.open(path) as opened:
        found: list[list[bytes]] = [[] for _ in opened.streams]
        for packet in opened.demux():
            if packet.size:
                found[packet.stream.index].append(bytes(packet))
    return found


def repaged(ogg: bytes, old: bytes, new: bytes) -> bytes:
    """An Ogg file with one packet exchanged for another of its length."""
    assert len(old) == len(new)
    at = ogg.index(old)
    content = ogg[:at] + new + ogg[at + len(old) :]
    start = content.rindex(b"OggS", 0, at)
    segments = content[start + 26]
    end = start + 27 + segments + sum(content[start + 27 : start + 27 + segments])
    page = content[start : start + 22] + bytes(4) + content[start + 26 : end]
    return (
        content[:start]
        + page[:22]
        + struct.pack("<I", _ogg_crc(page))
        + page[26:]
        + content[end:]
    )


def _ogg_crc(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
