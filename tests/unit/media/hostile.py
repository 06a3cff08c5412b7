"""Files that want to hurt whoever opens them, and broken ones."""

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

SAMPLES = Path(__file__).parents[3] / "src/statusgate/engines/simulated/samples"


def jpeg(width: int = 200, height: int = 100) -> bytes:
    return _saved(Image.new("RGB", (width, height), "red"), "JPEG")


def _saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(width: int, height: int, *, colour: int = 0, data: bytes | None = None) -> bytes:
    """A PNG of zeros (*colour* 0 grey, 2 RGB, 6 RGBA) or of whatever *data* is."""
    if data is None:
        row = bytes(width * {0: 1, 2: 3, 6: 4}[colour] + 1)
        packer = zlib.compressobj(9)
        data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0\0\0\0\xff\xff\xff"


def webp(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def resized_jpeg(width: int, height: int) -> bytes:
    """A JPEG that says it is larger than it is."""
    content = bytearray(jpeg())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def resized_film(width: int, height: int) -> bytes:
    """The sample film, saying in its header that it is larger."""
    content = bytearray((SAMPLES / "video.mp4").read_bytes())
    at = content.index(b"avc1", content.index(b"stsd")) + 28
    content[at : at + 4] = struct.pack(">HH", width, height)
    return bytes(content)


def bombs() -> dict[str, bytes]:
    """Some fifty hostile or broken files by name."""
    film = (SAMPLES / "video.mp4").read_bytes()
    image = (SAMPLES / "image.jpg").read_bytes()
    found = {
        "grey-30000.png": png(30_000, 30_000, data=zlib.compress(bytes(30_001 * 2_000), 9)),
        "rgba-7000.png": png(7_000, 7_000, colour=6),
        "rgb-6900.png": png(6_900, 6_900, colour=2),
        "endless.png": png(2**31 - 1, 2**31 - 1, data=b""),
        "flat.png": png(2**31 - 1, 1, data=b""),
        "no-data.png": png(100, 100, data=b""),
        "text.png": png(10, 10)[:33]
        + chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**8), 9)),
        "profile.png": png(10, 10)[:33]
        + chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(10**8), 9))
        + png(10, 10)[33:],
        "large.gif": gif(65_535, 65_535),
        "large.webp": webp(2**24, 2**24),
        "large.jpg": resized_jpeg(65_500, 65_500),
        "wide.jpg": resized_jpeg(65_500, 10),
        "large.mp4": resized_film(65_000, 65_000),
        "playlist.mp4": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "concat.mp4": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "svg.jpg": b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>",
        "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "empty.jpg": b"",
        "zeros.mp4": bytes(100_000),
        "ftyp.mp4": b"\0\0\0\x18ftypisom" + b"\xff" * 5_000,
        "deep.mp4": b"\0\0\0\x18ftypisom" + bytes(12) + b"\0\1\0\0moov" * 5_000,
        "ebml.webm": b"\x1aE\xdf\xa3" + b"\xff" * 5_000,
        "riff.avi": b"RIFF\xff\xff\xff\xffAVI LIST" + b"\xff" * 5_000,
        "theora.ogv": b"OggS\0\2" + bytes(22) + b"\x80theora" + b"\xff" * 5_000,
    }
    for percent in (1, 5, 20, 50, 80, 95):
        found[f"cut-{percent}.jpg"] = image[: len(image) * percent // 100]
        found[f"cut-{percent}.mp4"] = film[: len(film) * percent // 100]
    for seed in range(14):
        found[f"noise-{seed}.mp4"] = _with_noise(film, seed)
    return found


def _with_noise(content: bytes, seed: int) -> bytes:
    noisy = bytearray(content)
    for step in range(1, 200):
        at = (seed * 7_919 + step * 104_729) % len(noisy)
        if at >= 16:
            noisy[at] ^= (seed * 31 + step) & 0xFF
    return bytes(noisy)
