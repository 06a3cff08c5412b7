"""Making the JPEG that phones show of an untrusted picture; runs in the child process alone."""

import contextlib
import io
import math
from typing import BinaryIO

from PIL import Image, ImageCms

from statusgate.domain.conversion import Converted
from statusgate.domain.media_types import JPEG, MediaType
from statusgate.media.jpegs import is_plain_jpeg
from statusgate.media.limits import MAX_PICTURE_PIXELS
from statusgate.media.pictures import check_pixels, on_ground, opened_picture, small_jpeg

LONGEST_EDGE = 1920
"""pixels; phones themselves post statuses of 1600 to 1920"""
_MOST_COPIED_BYTES = 5 * 1024 * 1024
"""the size WhatsApp documents for images (Cloud API)"""
_QUALITY = 85
_SIXTEEN_BITS = 256
_BAND_ROWS = 64
"""of the result"""
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientations"""


def convert(source: BinaryIO, found: MediaType, target: BinaryIO) -> Converted:
    """Write *source* to *target* as JPEG; one that needs no change is copied.

    Upright, in sRGB, on black where it was transparent, without metadata. Raises one of
    ``pictures.FAULTS``.
    """
    fine = _fine_jpeg(source) if found is JPEG else b""
    image = _decoded(source, found)
    if fine:
        _write(target, fine)
    else:
        image.save(target, "JPEG", quality=_QUALITY, optimize=True)
    width, height = image.size
    return Converted(
        mimetype=JPEG.mimetype,
        extension=JPEG.extension,
        width=width,
        height=height,
        thumbnail=small_jpeg(image),
    )


def _fine_jpeg(source: BinaryIO) -> bytes:
    """Return a JPEG that phones can be shown as it is; ``b""`` if it has to be encoded."""
    content = source.read(_MOST_COPIED_BYTES + 1)
    source.seek(0)
    if len(content) > _MOST_COPIED_BYTES or not is_plain_jpeg(content):
        return b""
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
        is_fine = image.mode == "RGB" and max(image.size) <= LONGEST_EDGE
    return content if is_fine else b""


def _write(target: BinaryIO, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[target.write(left) :]


def _decoded(source: BinaryIO, found: MediaType) -> Image.Image:
    """Decode all of a picture, no larger than wanted, as RGB."""
    with opened_picture(source, found) as image:
        if found is JPEG:
            width, height = image.size
            scale = LONGEST_EDGE / max(width, height)
            image.draft("RGB", (max(1, int(width * scale)), max(1, int(height * scale))))
            check_pixels(*image.size, MAX_PICTURE_PIXELS)
        image.load()
        check_pixels(*image.size, MAX_PICTURE_PIXELS)
        profile, orientation = image.info.get("icc_profile"), image.getexif().get(_ORIENTATION)
        small = _reduced(image)
        small.thumbnail((LONGEST_EDGE, LONGEST_EDGE))
        made = _in_srgb(on_ground(_upright(small, orientation), "black"), profile)
        made.info.clear()  # or Pillow would write the source's comment into it
        return made


def _reduced(image: Image.Image) -> Image.Image:
    """Bring a large picture to about twice the wanted size, band by band.

    As a whole it would need its memory twice.
    """
    factor = max(image.size) // (2 * LONGEST_EDGE)
    if factor < 2:
        return _blendable(image)
    width, height = image.size
    made: Image.Image | None = None
    for top in range(0, height, _BAND_ROWS * factor):
        bottom = min(height, top + _BAND_ROWS * factor)
        band = _blendable(image.crop((0, top, width, bottom))).reduce(factor)
        if made is None:
            made = Image.new(band.mode, (band.width, math.ceil(height / factor)))
        made.paste(band, (0, top // factor))
    return made or image


def _upright(image: Image.Image, orientation: int | None) -> Image.Image:
    turn = _TURNS.get(orientation or 1)
    return image if turn is None else image.transpose(turn)


def _blendable(image: Image.Image) -> Image.Image:
    """Bring rare kinds of pixels to those that can be made smaller without stains."""
    if image.mode in ("RGB", "RGBA", "L"):
        return image
    if image.mode.startswith("I"):
        return image.point(lambda value: value * (1 / _SIXTEEN_BITS)).convert("L")
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV", "1"):
        return image.convert("RGB")
    return image.convert("RGBA")


def _in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Keep the colours of a wide-gamut photo, as its profile will not travel along."""
    if not isinstance(profile, bytes):
        return image
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if own.profile.xcolor_space.strip() == "RGB":
            turned = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"))
            return turned or image
    return image
