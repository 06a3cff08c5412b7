"""Decoding untrusted pictures and films; runs in the child process alone, under its limits.

Whatever is wrong with a file ends in one of the exceptions of :data:`FAULTS`.
"""

import contextlib
import io
from collections.abc import Iterator
from typing import BinaryIO

import av
import av.error
import av.logging
import av.subtitles.stream  # loaded late otherwise, when no file can be opened any more
from av.container import InputContainer
from av.video.frame import VideoFrame
from PIL import Image, ImageOps

from statusgate.domain.media_types import HEAD_SIZE, JPEG, TABLE, sniff
from statusgate.media.limits import MAX_FILM_PIXELS, MAX_JPEG_PIXELS, MAX_PICTURE_PIXELS

_QUALITY = 50
_MAX_PACKETS = 500
_MAX_STREAMS = 8
PICTURES = {row.mimetype: row.decoder for row in TABLE if row.decoder and row.kind == "image"}
CONTAINERS = {row.mimetype: row.decoder for row in TABLE if row.decoder and row.kind != "image"}
_OPTIONS = {"probesize": "4000000", "analyzeduration": "2000000"}


class UnfitFile(Exception):
    """Not a picture or film we read, or one beyond the limits."""


class TooManyPixels(UnfitFile):
    """A picture or film larger than we decode."""


FAULTS = (
    UnfitFile,
    OSError,
    ValueError,
    SyntaxError,
    ArithmeticError,
    LookupError,
    EOFError,
    TypeError,
    AttributeError,
    RuntimeError,
    MemoryError,
    Image.DecompressionBombError,
    av.error.FFmpegError,
)
"""what Pillow and PyAV raise on broken files, wide on purpose: the process is disposable"""


def prepare() -> None:
    """Load what decoding needs later, and switch off logging."""
    Image.init()
    Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS
    av.logging.set_level(None)


def thumbnail(source: BinaryIO, edge: int) -> bytes:
    """Return a JPEG of a picture or of a film's first frame, without metadata."""
    mimetype = type_of(source)
    if mimetype in PICTURES:
        return small_jpeg(_small_picture(source, PICTURES[mimetype], edge))
    if mimetype.startswith("video/") and mimetype in CONTAINERS:
        return small_jpeg(_small_frame(source, CONTAINERS[mimetype], edge))
    raise UnfitFile(f"no thumbnail of {mimetype}")


def type_of(file: BinaryIO) -> str:
    """Return the media type of an open file by its first bytes."""
    file.seek(0)
    head = file.read(HEAD_SIZE)
    file.seek(0)
    return sniff(head).mimetype


@contextlib.contextmanager
def opened_picture(source: BinaryIO, format_name: str) -> Iterator[Image.Image]:
    """Open a picture by the decoder we chose. Raises UnfitFile if it has too many pixels."""
    with Image.open(source, formats=(format_name,)) as image:
        is_jpeg = format_name == JPEG.decoder
        check_pixels(*image.size, MAX_JPEG_PIXELS if is_jpeg else MAX_PICTURE_PIXELS)
        yield image


def _small_picture(source: BinaryIO, format_name: str, edge: int) -> Image.Image:
    with opened_picture(source, format_name) as image:
        image.draft("RGB", (2 * edge, 2 * edge))
        small = image if image.mode in ("RGB", "RGBA", "L") else image.convert("RGBA")
        small.thumbnail((edge, edge))
        return _on_white(ImageOps.exif_transpose(small))


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")


def small_jpeg(image: Image.Image) -> bytes:
    """Return a thumbnail's bytes."""
    buffer = io.BytesIO()
    image.info.clear()  # or Pillow would write the source's comment into it
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


@contextlib.contextmanager
def opened_container(file: BinaryIO, container: str) -> Iterator[InputContainer]:
    """Open a film by the demuxer we chose, from bytes: it can reach no other file or host."""
    with av.open(
        file,
        "r",
        format=container,
        options=_OPTIONS,
        metadata_errors="replace",  # titles in old code pages are no fault
    ) as opened:
        if len(opened.streams) > _MAX_STREAMS:
            raise UnfitFile(f"{len(opened.streams)} streams")
        yield opened


def _small_frame(source: BinaryIO, container: str, edge: int) -> Image.Image:
    with opened_container(source, container) as opened:
        frame = _first_frame(opened)
        check_pixels(frame.width, frame.height, MAX_FILM_PIXELS)
        scale = min(1.0, edge / max(frame.width, frame.height))
        small = frame.reformat(
            width=max(1, round(frame.width * scale)),
            height=max(1, round(frame.height * scale)),
            format="rgb24",
        )
        image: Image.Image = small.to_image()  # type: ignore[no-untyped-call]
        return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def _first_frame(opened: InputContainer) -> VideoFrame:
    if not opened.streams.video:
        raise UnfitFile("no pictures in it")
    stream = opened.streams.video[0]
    check_pixels(stream.codec_context.width, stream.codec_context.height, MAX_FILM_PIXELS)
    stream.thread_type = "NONE"
    stream.thread_count = 1
    for count, packet in enumerate(opened.demux(stream)):
        for frame in packet.decode():
            return frame
        if count == _MAX_PACKETS:
            break
    raise UnfitFile("no frame can be decoded")


def check_pixels(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise TooManyPixels(f"{width} x {height} pixels are over the limit")
