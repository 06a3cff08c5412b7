"""Types of files by their first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.domain.filetypes import UNKNOWN, extension_of, sniff

HEADS = [
    (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg", "jpg"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png", "png"),
    (b"GIF89a\1\0", "image/gif", "gif"),
    (b"GIF87a\1\0", "image/gif", "gif"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp", "webp"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav", "wav"),
    (b"RIFF\x24\0\0\0AVI LIST", "video/x-msvideo", "avi"),
    (b"RIFF\x24\0\0\0CDXA", *UNKNOWN),
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
    (b"", *UNKNOWN),
    (b"\xff", *UNKNOWN),
    (b"\xff\xff\xff\xff", *UNKNOWN),
    (b"\xff\xe2\x90\x64", "audio/mpeg", "mp3"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'>", *UNKNOWN),
    (b"<html>", *UNKNOWN),
    (b"#EXTM3U\n#EXT-X-VERSION:3", *UNKNOWN),
    (b"PK\3\4", *UNKNOWN),
]


@pytest.mark.parametrize(("head", "mimetype", "extension"), HEADS)
def test_a_file_is_what_its_bytes_say(head: bytes, mimetype: str, extension: str) -> None:
    assert sniff(head) == (mimetype, extension)
    assert extension_of(mimetype) == extension


@given(st.binary(max_size=80) | st.sampled_from([head for head, *_ in HEADS]).flatmap(
    lambda head: st.integers(0, len(head)).map(lambda cut: head[:cut])
))  # fmt: skip
def test_any_bytes_are_something(head: bytes) -> None:
    mimetype, extension = sniff(head)
    assert extension_of(mimetype) == extension


@pytest.mark.parametrize(
    ("mimetype", "extension"),
    [
        ("audio/ogg; codecs=opus", "ogg"),
        ("IMAGE/JPEG", "jpg"),
        (" video/mp4 ", "mp4"),
        ("text/html", "bin"),
        ("", "bin"),
    ],
)
def test_extensions_of_told_types(mimetype: str, extension: str) -> None:
    assert extension_of(mimetype) == extension
