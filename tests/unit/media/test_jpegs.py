"""Which JPEGs may be copied as they are, and which may not."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.media.jpegs import is_plain_jpeg
from tests.unit.media import corpus, hostile

JPEG = hostile.jpeg()


def progressive() -> bytes:
    buffer = io.BytesIO()
    corpus.landscape(64, 48).save(buffer, "JPEG", progressive=True)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [JPEG, progressive()])
def test_a_plain_jpeg(content: bytes) -> None:
    assert is_plain_jpeg(content)
    for cut in range(len(content)):
        assert not is_plain_jpeg(content[:cut])
    assert not is_plain_jpeg(content + b"\0")
    assert not is_plain_jpeg(content + content)


@pytest.mark.parametrize("kind", [0xE1, 0xE2, 0xED, 0xFE, 0xC3, 0xC9])
def test_a_jpeg_with_other_segments_is_not_plain(kind: int) -> None:
    segment = bytes([0xFF, kind]) + struct.pack(">H", 6) + b"data"
    assert not is_plain_jpeg(JPEG[:2] + segment + JPEG[2:])


def test_a_jpeg_with_a_long_application_segment_is_not_plain() -> None:
    segment = b"\xff\xe0" + struct.pack(">H", 42) + bytes(40)
    assert not is_plain_jpeg(JPEG[:2] + segment + JPEG[2:])


@pytest.mark.parametrize("sign", [b"PK\x05\x06", b"<ScRipt>", b"%PDF-1.4", b"<svg "])
def test_signs_of_other_files_are_found(sign: bytes) -> None:
    end = JPEG.rindex(b"\xff\xd9")
    assert not is_plain_jpeg(JPEG[:end] + sign + JPEG[end:])


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(content: bytes) -> None:
    assert not is_plain_jpeg(content)
    assert not is_plain_jpeg(b"\xff\xd8" + content)
