"""The one table of media types: what each is called, looks like and may be used for.

A new format is a new row. Names and declared types only choose an extension or a header; what
a file really is, :func:`sniff` decides from its first bytes.
"""

import re

import msgspec

MAX_FILE_BYTES = 100 * 1024 * 1024
"""the largest file that is taken in, fetched or sent (contract 3.4, 7.1)"""
HEAD_SIZE = 4096
"""bytes that :func:`sniff` wants to see; fewer will do for most types"""


class MediaType(msgspec.Struct, frozen=True):
    """A row of the table."""

    mimetype: str
    extensions: tuple[str, ...]
    """without dot; files get the first"""
    signature: bytes = b"(?!)"
    """a regular expression for a file's first bytes; the first row that matches wins"""
    decoder: str = ""
    """the Pillow format or FFmpeg demuxer that reads it; empty if we convert none of them"""
    inline: bool = False
    """a browser may show it (contract 7.2); everything else is an attachment"""
    aliases: tuple[str, ...] = ()
    """other names it is declared by"""

    @property
    def extension(self) -> str:
        return self.extensions[0]

    @property
    def kind(self) -> str:
        """``image``, ``video``, ``audio`` or ``application``."""
        return self.mimetype.partition("/")[0]


UNKNOWN = MediaType("application/octet-stream", ("bin",))

JPEG = MediaType(
    "image/jpeg",
    ("jpg", "jpeg"),
    rb"\xff\xd8\xff",
    "JPEG",
    inline=True,
    aliases=("image/jpg", "image/pjpeg"),
)
MP4 = MediaType("video/mp4", ("mp4",), rb".{4}ftyp", "mov", inline=True)
OGG = MediaType(
    "audio/ogg", ("ogg", "oga", "opus"), rb"OggS", "ogg", inline=True, aliases=("audio/opus",)
)
OPUS_MIMETYPE = "audio/ogg; codecs=opus"
"""of voice notes"""

_MPEG_RATES = b"".join(rb"\x%x0-\x%xb" % (bits, bits) for bits in range(15))
"""third byte of an MPEG frame: any bit rate but 15, any sampling rate but 3"""

TABLE = (
    JPEG,
    MediaType("image/png", ("png",), rb"\x89PNG\r\n\x1a\n", "PNG", inline=True),
    MediaType("image/webp", ("webp",), rb"RIFF.{4}WEBP", "WEBP", inline=True),
    MediaType("image/gif", ("gif",), rb"GIF8[79]a", "GIF", inline=True),
    MediaType("image/heic", ("heic", "heif"), rb".{4}ftyp(?:heic|heix|mif1)"),
    MediaType("image/avif", ("avif",), rb".{4}ftypavif"),
    MediaType("video/quicktime", ("mov",), rb".{4}ftypqt  ", "mov"),
    MediaType("video/3gpp", ("3gp",), rb".{4}ftyp3g[p2]", "mov"),
    MediaType("video/x-m4v", ("m4v",), rb".{4}ftypM4V[ HP]", "mov"),
    MediaType(
        "audio/mp4", ("m4a",), rb".{4}ftypM4[AB] ", "mov", inline=True, aliases=("audio/x-m4a",)
    ),
    MP4,
    MediaType("video/webm", ("webm",), rb"\x1aE\xdf\xa3.{0,56}webm", "matroska", inline=True),
    MediaType("video/x-matroska", ("mkv",), rb"\x1aE\xdf\xa3", "matroska"),
    MediaType("video/x-msvideo", ("avi",), rb"RIFF.{4}AVI ", "avi"),
    MediaType("video/ogg", ("ogv",), rb"OggS.{0,117}\x80theora", "ogg"),
    OGG,
    MediaType(
        "audio/mpeg",
        ("mp3",),
        rb"ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][%b]" % _MPEG_RATES,
        "mp3",
        inline=True,
        aliases=("audio/mp3",),
    ),
    MediaType(
        "audio/wav",
        ("wav",),
        rb"RIFF.{4}WAVE",
        "wav",
        inline=True,
        aliases=("audio/x-wav", "audio/wave", "audio/vnd.wave"),
    ),
    MediaType("audio/aac", ("aac",), rb"\xff[\xf0\xf1\xf8\xf9].", "aac"),
    MediaType("audio/flac", ("flac",), rb"fLaC", "flac", aliases=("audio/x-flac",)),
    MediaType("audio/amr", ("amr",), rb"#!AMR", "amr"),
    MediaType("application/pdf", ("pdf",), rb"%PDF-"),
    MediaType("text/plain", ("txt",)),
)

_SIGNATURES = tuple((re.compile(row.signature, re.DOTALL), row) for row in TABLE)
_BY_MIMETYPE = {name: row for row in TABLE for name in (row.mimetype, *row.aliases)}
_BY_EXTENSION = {extension: row for row in TABLE for extension in row.extensions}


def sniff(head: bytes) -> MediaType:
    """Return the type of a file that starts with *head*, UNKNOWN if no signature matches."""
    return next((row for pattern, row in _SIGNATURES if pattern.match(head)), UNKNOWN)


def of_mimetype(mimetype: str) -> MediaType:
    """Return the row of a declared type, parameters ignored; UNKNOWN if there is none."""
    return _BY_MIMETYPE.get(mimetype.partition(";")[0].strip().lower(), UNKNOWN)


def of_name(name: str) -> MediaType:
    """Return the row that a file name's extension belongs to; UNKNOWN if there is none."""
    _, dot, extension = name.rpartition(".")
    return _BY_EXTENSION.get(extension.lower(), UNKNOWN) if dot else UNKNOWN


def extensions(*kinds: str) -> list[str]:
    """Return all extensions of the types of these kinds that can be converted, sorted."""
    return sorted(
        extension
        for row in TABLE
        if row.decoder and row.kind in kinds
        for extension in row.extensions
    )
