"""Files: where they are and what they are."""

from typing import Any

import msgspec

from statusgate.domain.ids import InstanceId


class MediaRef(msgspec.Struct, frozen=True, kw_only=True):
    """All that an engine needs to fetch a file later, also after a restart."""

    handle: bytes
    """opaque outside its engine"""
    mimetype: str
    size: int = 0
    """bytes, as the sender says; 0 if unknown"""
    sha256: bytes = b""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says of its file, for phones to show before they have it."""

    seconds: int = 0
    """rounded as phones do, at least 1; 0 for images"""
    width: int = 0
    """pixels, as shown; 0 for voices"""
    height: int = 0
    thumbnail: bytes = b""
    """JPEG of at most 72 pixels either way; empty for voices"""
    waveform: bytes = b""
    """voices: 64 values of 0 to 100, the loudest 100 (all 0: silence)"""

    def preview(self) -> dict[str, Any]:
        """These fields alone, by name."""
        return {name: getattr(self, name) for name in Preview.__struct_fields__}


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a status that still has to be fetched from WhatsApp."""

    instance_id: InstanceId
    status_no: int
    ref: MediaRef
    attempts: int


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the media store, addressed by an unguessable key (contract 7.2)."""

    key: str
    extension: str
    """without dot, lower case"""
    mimetype: str
    size: int
    created_ms: int
    expires_ms: int | None = None
    """None: alive as long as the status it belongs to"""

    @property
    def name(self) -> str:
        """The last segment of its URL."""
        return f"{self.key}.{self.extension}"


def media_url(public_url: str, instance_id: int, name: str) -> str:
    """Return the ``downloadUrl`` or ``urlFile`` of a stored file."""
    return f"{public_url}/media/{instance_id}/{name}"
