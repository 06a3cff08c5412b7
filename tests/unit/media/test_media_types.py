"""The table of media types: by first bytes, by declared type, by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.domain.media_types import (
    TABLE,
    UNKNOWN,
    extensions,
    of_mimetype,
    of_name,
    sniff,
)
from statusgate.publishing.uploads import file_type

HEADS = [
    (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg", "jpg"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png", "png"),
    (b"GIF89a\1\0", "image/gif", "gif"),
    (b"GIF87a\1\0", "image/gif", "gif"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp", "webp"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav", "wav"),
    (b"RIFF\x24\0\0\0AVI LIST", "video/x-msvideo", "avi"),
    (b"RIFF\x24\0\0\0CDXA", UNKNOWN.mimetype, "bin"),
    (b"\0\0\0\x18ftypisom\0\0\2\0", "video/mp4", "mp4"),
    (b"\0\0\0\x18ftypmp42", "video/mp4", "mp4"),
    (b"\0\0\0\x14ftypqt  ", "video/quicktime", "mov"),
    (b"\0\0\0\x14ftyp3gp5", "video/3gpp", "3gp"),
    (b"\0\0\0\x14ftyp3g2a", "video/3gpp", "3gp"),
    (b"\0\0\0\x18ftypM4A ", "audio/mp4", "m4a"),
    (b"\0\0\0\x18ftypM4V ", "video/x-m4v", "m4v"),
    (b"\0\0\0\x18ftypheic", "image/heic", "heic"),
    (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\x82\x84webm", "video/webm", "webm"),
    (b"\x1aE\xdf\xa3\xa3B\x86\x81\1B\x82\x88matroska", "video/x-matroska", "mkv"),
    (b"OggS\0\2" + bytes(22) + b"OpusHead", "audio/ogg", "ogg"),
    (b"OggS\0\2" + bytes(22) + b"\1vorbis", "audio/ogg", "ogg"),
    (b"OggS\0\2" + bytes(22) + b"\x80theora", "video/ogg", "ogv"),
    (b"ID3\4\0\0\0\0\0\0", "audio/mpeg", "mp3"),
    (b"\xff\xfb\x90\x64", "audio/mpeg", "mp3"),
    (b"\xff\xf3\x44\xc4", "audio/mpeg", "mp3"),
    (b"\xff\xf1\x50\x80", "audio/aac", "aac"),
    (b"\xff\xf9\x50\x80", "audio/aac", "aac"),
    (b"fLaC\0\0\0\x22", "audio/flac", "flac"),
    (b"#!AMR\n\x3c", "audio/amr", "amr"),
    (b"%PDF-1.7", "application/pdf", "pdf"),
    (b"", UNKNOWN.mimetype, "bin"),
    (b"\xff", UNKNOWN.mimetype, "bin"),
    (b"\xff\xff\xff\xff", UNKNOWN.mimetype, "bin"),
    (b"\xff\xe2\x90\x64", "audio/mpeg", "mp3"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'>", UNKNOWN.mimetype, "bin"),
    (b"<html>", UNKNOWN.mimetype, "bin"),
    (b"#EXTM3U\n#EXT-X-VERSION:3", UNKNOWN.mimetype, "bin"),
    (b"PK\3\4", UNKNOWN.mimetype, "bin"),
]


@pytest.mark.parametrize(("head", "mimetype", "extension"), HEADS)
def test_a_file_is_what_its_bytes_say(head: bytes, mimetype: str, extension: str) -> None:
    found = sniff(head)
    assert (found.mimetype, found.extension) == (mimetype, extension)


@given(st.binary(max_size=80) | st.sampled_from([head for head, *_ in HEADS]).flatmap(
    lambda head: st.integers(0, len(head)).map(lambda cut: head[:cut])
))  # fmt: skip
def test_any_bytes_are_something(head: bytes) -> None:
    assert sniff(head) in (*TABLE, UNKNOWN)


def test_no_two_rows_share_a_name_or_an_extension() -> None:
    names = [name for row in TABLE for name in (row.mimetype, *row.aliases)]
    endings = [extension for row in TABLE for extension in row.extensions]
    assert len(names) == len(set(names))
    assert len(endings) == len(set(endings))


def test_every_row_that_is_converted_can_be_recognised() -> None:
    seen = {sniff(head).mimetype for head, *_ in HEADS}
    assert {row.mimetype for row in TABLE if row.decoder} <= seen


@pytest.mark.parametrize(
    ("mimetype", "extension"),
    [
        ("audio/ogg; codecs=opus", "ogg"),
        ("IMAGE/JPEG", "jpg"),
        (" video/mp4 ", "mp4"),
        ("audio/x-wav", "wav"),
        ("text/html", "bin"),
        ("", "bin"),
    ],
)
def test_declared_types_have_an_extension(mimetype: str, extension: str) -> None:
    assert of_mimetype(mimetype).extension == extension


@pytest.mark.parametrize(
    ("name", "mimetype"),
    [
        ("a.b.JPEG", "image/jpeg"),
        ("song.mp3", "audio/mpeg"),
        ("png", UNKNOWN.mimetype),
        ("a.exe", UNKNOWN.mimetype),
    ],
)
def test_names_have_a_type(name: str, mimetype: str) -> None:
    assert of_name(name).mimetype == mimetype


@pytest.mark.parametrize(
    ("mimetype", "name", "expected"),
    [
        ("image/png", "a.jpg", ("image/png", "png")),
        ("", "My Song.MP3", ("audio/mpeg", "mp3")),
        ("text/javascript", "a.js", (UNKNOWN.mimetype, "js")),
        ("text/html", "", (UNKNOWN.mimetype, "bin")),
        ("", "../../etc/passwd", (UNKNOWN.mimetype, "bin")),
    ],
)
def test_an_upload_outside_the_table_has_no_type(
    mimetype: str, name: str, expected: tuple[str, str]
) -> None:
    assert file_type(mimetype, name) == expected


def test_only_what_can_be_converted_is_accepted_by_its_name() -> None:
    assert extensions("image") == ["gif", "jpeg", "jpg", "png", "webp"]
    assert extensions("video") == ["3gp", "avi", "m4v", "mkv", "mov", "mp4", "ogv", "webm"]
