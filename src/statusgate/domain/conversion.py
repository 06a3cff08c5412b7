"""What a posted file is to become before it is sent to phones, and what became of it."""

from typing import ClassVar

import msgspec

from statusgate.domain.media import Preview
from statusgate.domain.status import FailureReason

BAD_MEDIA = "File is not media that WhatsApp can show"


class ImageWanted(msgspec.Struct, frozen=True, tag=True):
    """A JPEG."""

    kinds: ClassVar = ("image",)


class VideoWanted(msgspec.Struct, frozen=True, tag=True):
    """An MP4 with H.264 and AAC; what comes after *max_seconds* is cut off."""

    kinds: ClassVar = ("video",)
    max_seconds: int


class VoiceWanted(msgspec.Struct, frozen=True, tag=True):
    """Ogg/Opus, mono; a voice longer than *max_seconds* fails."""

    kinds: ClassVar = ("audio", "video")
    max_seconds: int


Wanted = ImageWanted | VideoWanted | VoiceWanted


class Converted(Preview, frozen=True, kw_only=True, tag=True):
    """A file that phones can show."""

    mimetype: str
    extension: str
    """without dot"""


class ConversionFailed(msgspec.Struct, frozen=True):
    """The file will never be shown; reason and description are those of contract 3.5."""

    reason: FailureReason = FailureReason.BAD_MEDIA
    """BAD_MEDIA: the file is broken, of a wrong kind, or beyond the limits"""
    description: str = BAD_MEDIA
    detail: str = ""
    """for logs: what the decoder said"""
