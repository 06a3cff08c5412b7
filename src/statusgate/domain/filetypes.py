"""What a file is, told from its first bytes; names and declared types are never trusted."""

HEAD_SIZE = 4096
"""bytes that :func:`sniff` wants to see; fewer will do for most types"""

UNKNOWN = ("application/octet-stream", "bin")

_PREFIXES: tuple[tuple[bytes, tuple[str, str]], ...] = (
    (b"\xff\xd8\xff", ("image/jpeg", "jpg")),
    (b"\x89PNG\r\n\x1a\n", ("image/png", "png")),
    (b"GIF87a", ("image/gif", "gif")),
    (b"GIF89a", ("image/gif", "gif")),
    (b"%PDF-", ("application/pdf", "pdf")),
    (b"ID3", ("audio/mpeg", "mp3")),
    (b"fLaC", ("audio/flac", "flac")),
    (b"#!AMR", ("audio/amr", "amr")),
)
_RIFF_FORMS = {
    b"WEBP": ("image/webp", "webp"),
    b"WAVE": ("audio/wav", "wav"),
    b"AVI ": ("video/x-msvideo", "avi"),
}
_BRANDS = {
    b"M4A ": ("audio/mp4", "m4a"),
    b"M4B ": ("audio/mp4", "m4a"),
    b"M4V ": ("video/x-m4v", "m4v"),
    b"M4VH": ("video/x-m4v", "m4v"),
    b"M4VP": ("video/x-m4v", "m4v"),
    b"qt  ": ("video/quicktime", "mov"),
    b"heic": ("image/heic", "heic"),
    b"heix": ("image/heic", "heic"),
    b"mif1": ("image/heic", "heic"),
    b"avif": ("image/avif", "avif"),
}
_MP4 = ("video/mp4", "mp4")
_EXTENSIONS = {
    "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif",
    "image/heic": "heic", "image/avif": "avif",
    "video/mp4": "mp4", "video/quicktime": "mov", "video/3gpp": "3gp", "video/x-m4v": "m4v",
    "video/webm": "webm", "video/x-matroska": "mkv", "video/x-msvideo": "avi",
    "video/ogg": "ogv",
    "audio/ogg": "ogg", "audio/mpeg": "mp3", "audio/wav": "wav", "audio/x-wav": "wav",
    "audio/mp4": "m4a", "audio/aac": "aac", "audio/flac": "flac", "audio/amr": "amr",
    "application/pdf": "pdf",
}  # fmt: skip


def sniff(head: bytes) -> tuple[str, str]:
    """Return Media Type and extension of a file that starts with *head*."""
    for prefix, found in _PREFIXES:
        if head.startswith(prefix):
            return found
    if head.startswith(b"RIFF"):
        return _RIFF_FORMS.get(head[8:12], UNKNOWN)
    if head[4:8] == b"ftyp":
        return _iso_media(head[8:12])
    if head.startswith(b"\x1aE\xdf\xa3"):
        return ("video/webm", "webm") if b"webm" in head[:64] else ("video/x-matroska", "mkv")
    if head.startswith(b"OggS"):
        return ("video/ogg", "ogv") if b"\x80theora" in head[:128] else ("audio/ogg", "ogg")
    return _mpeg_audio(head)


def extension_of(mimetype: str) -> str:
    """Return the extension for a Media Type, parameters ignored; ``bin`` if it is unknown."""
    return _EXTENSIONS.get(mimetype.partition(";")[0].strip().lower(), UNKNOWN[1])


def _iso_media(brand: bytes) -> tuple[str, str]:
    if brand.startswith((b"3gp", b"3g2")):
        return ("video/3gpp", "3gp")
    return _BRANDS.get(brand, _MP4)


def _mpeg_audio(head: bytes) -> tuple[str, str]:
    """Tell bare frames apart: eleven (AAC: twelve) set bits, then the layer."""
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return UNKNOWN
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:
        return ("audio/aac", "aac") if version >= 2 else UNKNOWN
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or bitrate == 15 or rate == 3:
        return UNKNOWN
    return ("audio/mpeg", "mp3")
