"""What may be passed through byte for byte, and what may not."""

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.media import clean
from tests.unit.media import corpus, hostile

JPEG = hostile.jpeg()


def progressive() -> bytes:
    buffer = io.BytesIO()
    corpus.landscape(64, 48).save(buffer, "JPEG", progressive=True)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [JPEG, progressive()])
def test_a_plain_jpeg(content: bytes) -> None:
    assert clean.is_plain_jpeg(content)
    for cut in range(len(content)):
        assert not clean.is_plain_jpeg(content[:cut])
    assert not clean.is_plain_jpeg(content + b"\0")
    assert not clean.is_plain_jpeg(content + content)


@pytest.mark.parametrize("kind", [0xE1, 0xE2, 0xED, 0xFE, 0xC3, 0xC9])
def test_a_jpeg_with_other_segments_is_not_plain(kind: int) -> None:
    segment = bytes([0xFF, kind]) + struct.pack(">H", 6) + b"data"
    assert not clean.is_plain_jpeg(JPEG[:2] + segment + JPEG[2:])


def test_a_jpeg_with_a_long_application_segment_is_not_plain() -> None:
    segment = b"\xff\xe0" + struct.pack(">H", 42) + bytes(40)
    assert not clean.is_plain_jpeg(JPEG[:2] + segment + JPEG[2:])


@pytest.mark.parametrize("sign", [b"PK\x05\x06", b"<ScRipt>", b"%PDF-1.4", b"<svg "])
def test_signs_of_other_files_are_found(sign: bytes) -> None:
    assert clean.carries_foreign(bytes(9) + sign)
    end = JPEG.rindex(b"\xff\xd9")
    assert not clean.is_plain_jpeg(JPEG[:end] + sign + JPEG[end:])


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(content: bytes) -> None:
    assert not clean.is_plain_jpeg(content)
    assert not clean.is_plain_jpeg(b"\xff\xd8" + content)
    assert not clean.is_plain_opus(b"OggS" + content)
    assert not clean.is_plain_mp4(io.BytesIO(content), 0, 1.0)


def plain_mp4(fine_film: Path) -> tuple[bytes, int]:
    content = fine_film.read_bytes()
    found = {kind: length for kind, _, length in clean.boxes(io.BytesIO(content))}
    return content, found[b"mdat"]


def test_a_plain_mp4(fine_film: Path) -> None:
    content, media_bytes = plain_mp4(fine_film)
    assert clean.is_plain_mp4(io.BytesIO(content), media_bytes, 2.0)
    assert not clean.is_plain_mp4(io.BytesIO(content), media_bytes - 1, 2.0)
    assert not clean.is_plain_mp4(io.BytesIO(content), media_bytes, 0.5)
    for cut in range(0, len(content), 97):
        assert not clean.is_plain_mp4(io.BytesIO(content[:cut]), media_bytes, 2.0)


@pytest.mark.parametrize(
    "box",
    [
        b"\0\0\0\x0cuuid1234",
        b"\0\0\0\x0cmoov1234",
        b"\0\0\0\x0cfree1234",
        b"\0\0\0\x0cmdat1234",
        b"\0\0\0\0free",
        struct.pack(">I", 2008) + b"free" + bytes(2000),
        b"trailing",
    ],
)
def test_an_mp4_with_more_in_it_is_not_plain(fine_film: Path, box: bytes) -> None:
    content, media_bytes = plain_mp4(fine_film)
    plain = box == b"\0\0\0\0free"
    assert clean.is_plain_mp4(io.BytesIO(content + box), media_bytes, 2.0) is plain


def test_boxes_of_64_bit_length() -> None:
    wide = b"\0\0\0\1mdat" + struct.pack(">Q", 20) + b"1234"
    assert clean.boxes(io.BytesIO(wide)) == [(b"mdat", 16, 4)]
    with pytest.raises(clean.BrokenBoxes):
        clean.boxes(io.BytesIO(wide[:-1]))
    with pytest.raises(clean.BrokenBoxes):
        clean.boxes(io.BytesIO(b"\0\0\0\1mdat" + struct.pack(">Q", 2**63)))


def test_a_plain_voice(fine_voice: Path, tmp_path: Path) -> None:
    content = fine_voice.read_bytes()
    assert clean.is_plain_opus(content)
    for cut in range(0, len(content), 31):
        assert not clean.is_plain_opus(content[:cut])
    assert not clean.is_plain_opus(content + b"\0")
    assert not clean.is_plain_opus(content + content)
    stereo = corpus.write_sound(tmp_path / "x.ogg", "libopus", layout="stereo")
    assert not clean.is_plain_opus(stereo.read_bytes())
