"""Files: where they are and what they are."""

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
