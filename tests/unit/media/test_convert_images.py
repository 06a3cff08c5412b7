"""Any picture becomes a JPEG that phones show; what is one already is copied."""

import io
import itertools
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat

from statusgate.domain.conversion import ConversionFailed, Converted, ImageWanted
from statusgate.domain.status import FailureReason
from tests.unit.media import corpus, hostile
from tests.unit.media.conftest import Convert, ConvertedFile

WANTED = ImageWanted()
MODES = {
    "png": ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"],
    "jpg": ["L", "1", "CMYK"],
    "webp": ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"],
    "gif": ["RGB", "RGBA", "L", "LA", "P", "1"],
}


def check_for_phones(made: ConvertedFile) -> Image.Image:
    """What every picture must be; returns it decoded."""
    assert (made.mimetype, made.extension, made.seconds) == ("image/jpeg", "jpg", 0)
    assert made.waveform == b""
    image = Image.open(io.BytesIO(made.path.read_bytes()), formats=["JPEG"])
    image.load()
    assert image.mode == "RGB"
    assert image.size == (made.width, made.height)
    assert max(image.size) <= 1920
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"} | {
        "progressive",
        "progression",
        "adobe",
        "adobe_transform",
    }
    assert not image.getexif()
    thumbnail = Image.open(io.BytesIO(made.thumbnail), formats=["JPEG"])
    assert max(thumbnail.size) == min(72, max(image.size))
    return image


def colour(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return tuple(round(value) for value in pixel)


@pytest.mark.parametrize("extension", MODES)
async def test_every_kind_of_picture(convert: Convert, tmp_path: Path, extension: str) -> None:
    grey = Image.new("L", (300, 150), 200)
    for mode in MODES[extension]:
        if mode == "I;16":
            image = Image.new("I;16", (300, 150), 200 * 256)
        else:
            image = grey.convert(mode)
        path = tmp_path / f"x.{extension}"
        image.save(path)
        made = await convert(path, WANTED)
        assert isinstance(made, Converted), (mode, made)
        shown = check_for_phones(made)
        assert shown.size == (300, 150)
        expected = (255,) * 3 if mode == "1" else (200,) * 3
        found = colour(shown.resize((1, 1), Image.Resampling.BOX), 0, 0)
        assert found == pytest.approx(expected, abs=60 if mode == "1" else 6), mode


@pytest.mark.parametrize("progressive", [False, True])
async def test_a_fine_jpeg_is_copied(
    convert: Convert, tmp_path: Path, progressive: bool
) -> None:
    path = tmp_path / "x.jpg"
    corpus.landscape(1920, 1080).save(path, progressive=progressive)
    made = await convert(path, WANTED)
    assert isinstance(made, Converted)
    assert made.path.read_bytes() == path.read_bytes()
    assert check_for_phones(made).size == (1920, 1080)


async def test_huge_pictures_become_smaller_without_seams(
    convert: Convert, tmp_path: Path
) -> None:
    for mode in ("RGBA", "P"):
        slope = Image.linear_gradient("L").resize((8100, 4500))
        slope.convert(mode).save(tmp_path / "x.png", compress_level=1)
        made = await convert(tmp_path / "x.png", WANTED)
        assert isinstance(made, Converted), (mode, made)
        shown = check_for_phones(made)
        assert shown.size == (1920, 1067)
        column = [colour(shown, 1000, y)[1] for y in range(1067)]
        assert max(abs(a - b) for a, b in itertools.pairwise(column)) <= 4, mode
        assert column[0] < 5
        assert column[-1] > 250


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_every_orientation(convert: Convert, tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = Image.linear_gradient("L").resize((64, 32)).convert("RGB")
    source.paste((255, 0, 0), (0, 0, 32, 16))
    source.save(tmp_path / "x.png", exif=exif)
    made = await convert(tmp_path / "x.png", WANTED)
    assert isinstance(made, Converted)
    with Image.open(tmp_path / "x.png") as opened:
        expected = ImageOps.exif_transpose(opened)
    shown = check_for_phones(made)
    assert shown.size == expected.size
    difference = ImageChops.difference(shown, expected.convert("RGB")).convert("L")
    assert ImageStat.Stat(difference).mean[0] < 6


async def test_large_pictures_become_smaller(convert: Convert, tmp_path: Path) -> None:
    for name, size, shown in [
        ("x.jpg", (4000, 3000), (1920, 1440)),
        ("x.png", (3000, 4000), (1440, 1920)),
        ("x.webp", (2500, 100), (1920, 77)),
        ("long.jpg", (20_000, 3), (1920, 1)),
    ]:
        corpus.landscape(*size).save(tmp_path / name)
        made = await convert(tmp_path / name, WANTED)
        assert isinstance(made, Converted), made
        assert (made.width, made.height) == shown
        check_for_phones(made)


@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
async def test_pictures_are_turned_upright_and_lose_their_metadata(
    convert: Convert, tmp_path: Path, extension: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "where I live"
    path = tmp_path / f"x.{extension}"
    corpus.landscape(400, 200).save(path, exif=exif)
    made = await convert(path, WANTED)
    assert isinstance(made, Converted)
    shown = check_for_phones(made)
    assert shown.size == (200, 400)
    assert min(colour(shown, 195, 200)) > 200, "the white top edge is on the right now"
    assert b"where I live" not in made.path.read_bytes()


async def test_photos_of_200_megapixels_become_smaller(
    convert: Convert, tmp_path: Path
) -> None:
    """Phones take 108 and 200 megapixels, as plain or wide JPEGs."""
    for size, shown in {
        (12_000, 9_000): (1920, 1440),
        (16_320, 12_240): (1920, 1440),
        (65_000, 3_000): (1920, 89),
    }.items():
        corpus.landscape(*size).save(tmp_path / "x.jpg")
        made = await convert(tmp_path / "x.jpg", WANTED)
        assert isinstance(made, Converted), made
        assert (made.width, made.height) == shown
        check_for_phones(made)


async def test_pictures_beyond_the_limit_are_refused_in_plain_words(
    convert: Convert, tmp_path: Path
) -> None:
    for content in (hostile.png(10_000, 5_001), hostile.resized_jpeg(20_000, 10_001)):
        (tmp_path / "x").write_bytes(content)
        refused = await convert(tmp_path / "x", WANTED)
        assert isinstance(refused, ConversionFailed)
        assert refused.reason is FailureReason.BAD_MEDIA
        assert refused.description == (
            "Picture exceeds the limit of 50 megapixels (200 for JPEG)"
        )


async def test_transparency_becomes_black(convert: Convert, tmp_path: Path) -> None:
    for extension in ("png", "webp", "gif"):
        image = Image.new("RGBA", (50, 50), (255, 0, 0, 0))
        image.paste((0, 255, 0, 255), (0, 0, 25, 50))
        image.save(tmp_path / f"x.{extension}", lossless=True)
        made = await convert(tmp_path / f"x.{extension}", WANTED)
        assert isinstance(made, Converted)
        shown = check_for_phones(made)
        assert max(colour(shown, 40, 25)) < 12, extension
        assert colour(shown, 10, 25)[1] > 240, extension


async def test_only_the_first_picture_of_many_is_shown(
    convert: Convert, tmp_path: Path
) -> None:
    red, blue = (Image.new("RGB", (60, 60), name) for name in ("red", "blue"))
    for extension in ("gif", "webp", "png"):
        path = tmp_path / f"x.{extension}"
        red.save(path, save_all=True, append_images=[blue], duration=100)
        made = await convert(path, WANTED)
        assert isinstance(made, Converted)
        assert colour(check_for_phones(made), 30, 30)[0] > 240, extension


async def test_colours_of_a_profile_are_kept(convert: Convert, tmp_path: Path) -> None:
    """A profile that says Lab of what is RGB is ignored, one of RGB is applied."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (srgb, lab, b"no profile"):
        path = tmp_path / "x.png"
        Image.new("RGB", (60, 60), (200, 100, 50)).save(path, icc_profile=profile)
        made = await convert(path, WANTED)
        assert isinstance(made, Converted)
        shown = check_for_phones(made)
        assert colour(shown, 30, 30) == pytest.approx((200, 100, 50), abs=4)


async def test_bytes_decide_what_a_picture_is(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(hostile.jpeg())
    made = await convert(tmp_path / "x.png", WANTED)
    assert isinstance(made, Converted)
    assert made.path.read_bytes() == hostile.jpeg()
    (tmp_path / "x.jpg").write_bytes(hostile.png(20, 20))
    made = await convert(tmp_path / "x.jpg", WANTED)
    assert isinstance(made, Converted)
    check_for_phones(made)
