"""Decoding untrusted pictures; runs in the child process alone, under its limits.

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
from PIL import Image, ImageOps

from statusgate.domain.media_types import HEAD_SIZE, JPEG, MediaType, sniff
from statusgate.media.frames import Cause
from statusgate.media.limits import MAX_JPEG_PIXELS, MAX_PICTURE_PIXELS, THUMBNAIL_PIXELS

_QUALITY = 50
_THUMBNAIL_SIZE = (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)


class UnfitFile(Exception):
    """Not a file we read, or one beyond the limits."""

    def __init__(self, reason: str, cause: Cause = Cause.FILE) -> None:
        super().__init__(reason)
        self.cause = cause


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


def type_of(file: BinaryIO, kinds: tuple[str, ...]) -> MediaType:
    """Return what an open file is by its first bytes, which must be of one of *kinds*.

    Raises UnfitFile.
    """
    found = sniff(file.read(HEAD_SIZE))
    file.seek(0)
    if found.kind not in kinds or not found.decoder:
        raise UnfitFile(f"{found.mimetype} is not what is wanted")
    return found


@contextlib.contextmanager
def opened_picture(source: BinaryIO, found: MediaType) -> Iterator[Image.Image]:
    """Open a picture by the decoder we chose. Raises UnfitFile if it has too many pixels."""
    with Image.open(source, formats=(found.decoder,)) as image:
        check_pixels(*image.size, MAX_JPEG_PIXELS if found is JPEG else MAX_PICTURE_PIXELS)
        yield image


def thumbnail(source: BinaryIO, found: MediaType) -> bytes:
    """Return a small JPEG of a picture, on white where it is transparent."""
    with opened_picture(source, found) as image:
        image.draft("RGB", (2 * THUMBNAIL_PIXELS, 2 * THUMBNAIL_PIXELS))
        small = image if image.mode in ("RGB", "RGBA", "L") else image.convert("RGBA")
        small.thumbnail(_THUMBNAIL_SIZE)
        return small_jpeg(on_ground(ImageOps.exif_transpose(small), "white"))


def on_ground(image: Image.Image, colour: str) -> Image.Image:
    """Return an image of RGB, RGBA or L as RGB, on *colour* where it is transparent."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, colour)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def small_jpeg(image: Image.Image) -> bytes:
    """Return a thumbnail's bytes, without metadata; *image* becomes that small."""
    buffer = io.BytesIO()
    image.thumbnail(_THUMBNAIL_SIZE)
    image.info.clear()  # or Pillow would write the source's comment into it
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def check_pixels(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise UnfitFile(f"{width} x {height} pixels are over the limit", Cause.PIXELS)
