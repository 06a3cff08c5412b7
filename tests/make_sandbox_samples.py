"""Makes the sandbox's built-in files anew; run it with ``python -m``.

Everything is drawn and played here, so the files belong to the project. They are checked in.
"""

import math
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageDraw

from statusgate.engines import simulated

_SAMPLES = Path(simulated.__file__).parent / "samples"
_SECONDS = 2
_FRAMES_PER_SECOND = 15
_SAMPLES_PER_SECOND = 48_000
_THUMBNAIL_EDGE = 72


def picture(width: int, height: int, phase: float) -> Image.Image:
    """Draw hills under a sun that moves with *phase* (0 to 1)."""
    image = Image.new("RGB", (width, height), (250, 214, 165))
    draw = ImageDraw.Draw(image)
    sun_x = width * (0.15 + 0.7 * phase)
    sun_y = height * (0.55 - 0.35 * math.sin(math.pi * phase))
    radius = height / 8
    draw.ellipse(
        (sun_x - radius, sun_y - radius, sun_x + radius, sun_y + radius), (255, 120, 60)
    )
    for depth, colour in enumerate(((96, 145, 120), (54, 106, 90), (24, 66, 62))):
        top = height * (0.55 + 0.13 * depth)
        ridge = [
            (x, top + height / 14 * math.sin(x / width * (5 + 3 * depth) + depth))
            for x in range(0, width + 4, 4)
        ]
        draw.polygon([*ridge, (width, height), (0, height)], colour)
    return image


def save_thumbnail(image: Image.Image, name: str) -> None:
    small = image.copy()
    small.thumbnail((_THUMBNAIL_EDGE, _THUMBNAIL_EDGE))
    small.save(_SAMPLES / name, "JPEG", quality=50, optimize=True)


def make_image() -> None:
    image = picture(360, 640, 0.7)
    image.save(_SAMPLES / "image.jpg", "JPEG", quality=70, optimize=True, progressive=True)
    save_thumbnail(image, "image.thumbnail.jpg")


def make_video() -> None:
    options = {"crf": "34", "preset": "veryslow", "movflags": "+faststart"}
    with av.open(_SAMPLES / "video.mp4", "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=_FRAMES_PER_SECOND, options=options)
        stream.width, stream.height, stream.pix_fmt = 180, 320, "yuv420p"
        frames = _SECONDS * _FRAMES_PER_SECOND
        for index in range(frames):
            image = picture(180, 320, index / frames)
            frame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    save_thumbnail(picture(180, 320, 0), "video.thumbnail.jpg")


def make_audio() -> None:
    with av.open(_SAMPLES / "audio.ogg", "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=_SAMPLES_PER_SECOND, layout="mono")
        stream.bit_rate = 12_000
        size = 960
        for start in range(0, _SECONDS * _SAMPLES_PER_SECOND, size):
            frame = av.AudioFrame(format="s16", layout="mono", samples=size)
            frame.sample_rate = _SAMPLES_PER_SECOND
            frame.pts = start
            frame.time_base = Fraction(1, _SAMPLES_PER_SECOND)
            frame.planes[0].update(b"".join(tone(start + i) for i in range(size)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def tone(at: int) -> bytes:
    """One 16-bit sample of a falling, then rising note."""
    seconds = at / _SAMPLES_PER_SECOND
    pitch = 440 if seconds < 1 else 660
    loudness = 9000 * math.sin(math.pi * (seconds % 1))
    value = int(loudness * math.sin(2 * math.pi * pitch * seconds))
    return value.to_bytes(2, "little", signed=True)


if __name__ == "__main__":
    make_image()
    make_video()
    make_audio()
