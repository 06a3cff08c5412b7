"""Time, engines, files and calls: what lies outside the record."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from statusgate.domain.address import Address
from statusgate.domain.conversion import ConversionFailed, Converted, Wanted
from statusgate.domain.events import Sequenced
from statusgate.domain.media import MediaRef
from statusgate.domain.outgoing import Fetched, PushOutcome
from statusgate.domain.posting import AudiencePrivacy, ContactInfo, SentStatus, StatusPost
from statusgate.domain.script import ScriptEvent


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class Engine(Protocol):
    """One account on one WhatsApp library."""

    async def start(self) -> None:
        """Return once the engine runs, not once it is connected."""
        ...

    async def stop(self, deadline_seconds: float = 10.0) -> None:
        """Drain and end; idempotent, bounded."""
        ...

    def events(self, after: int) -> AsyncIterator[Sequenced]:
        """Events with ``seq > after``, in order, and volatile ones as they come."""
        ...

    async def ack(self, seq: int) -> None:
        """Everything up to *seq* is committed."""
        ...

    async def begin_linking(self) -> None:
        """Make codes come as QrCode events; idempotent while one is shown."""
        ...

    async def request_pairing_code(self, phone: str) -> str:
        """Return 8 characters to type on the phone. EngineUnavailable if not obtainable."""
        ...

    async def logout(self) -> None:
        """Unlink the device; also when it is not linked."""
        ...

    async def post_status(
        self, post: StatusPost, audience: Sequence[Address] | None
    ) -> SentStatus:
        """Publish to *audience* (None: every contact with a contact name).

        Raises EngineRejected, EngineUnavailable or EngineUncertain.
        """
        ...

    async def delete_status(self, wire_id: str, audience: Sequence[Address]) -> None: ...

    async def mark_viewed(self, wire_id: str, author: Address) -> None: ...

    async def download(self, ref: MediaRef, to: Path, limit: int) -> None:
        """Write the file to *to*. MediaUnavailable if it cannot be had or is over *limit*."""
        ...

    async def privacy(self) -> AudiencePrivacy:
        """Ask WhatsApp who may see the account's statuses; a live query."""
        ...

    async def look_up(self, address: Address) -> ContactInfo:
        """Ask WhatsApp about a number; a live query."""
        ...


class Sandbox(Protocol):
    """What a simulated engine can beyond an engine (contract 12.9)."""

    async def simulate(self, events: Sequence[ScriptEvent]) -> None:
        """Take validated script events, all or none; returns once they are committed."""
        ...


class MediaStore(Protocol):
    """Files by path ``instance/key.ext``."""

    async def put(self, path: str, source: Path) -> None:
        """Store a file durably. MediaFull if there is no room."""
        ...

    def read(self, path: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes ``start <= i < end`` in chunks; MediaUnavailable if it is not there."""
        ...

    async def remove(self, paths: Sequence[str]) -> None:
        """Forget files; those that are gone already are fine."""
        ...


class Thumbnailer(Protocol):
    """Makes JPEG previews of foreign files, in a process of its own with limits."""

    async def thumbnail(self, source: Path, mimetype: str) -> bytes:
        """A small JPEG of an image or of a video's first frame; ``b""`` if none can be made."""
        ...


class Converter(Protocol):
    """Makes files what phones show, in a process of its own with limits."""

    async def convert(
        self, source: Path, wanted: Wanted, target: Path
    ) -> Converted | ConversionFailed:
        """Convert *source*; writes *target* unless the source is fine as it is."""
        ...


class Fetcher(Protocol):
    """Fetches files from foreign URLs, under guard."""

    async def fetch(self, url: str, to: Path, limit_bytes: int, deadline: float) -> Fetched:
        """Write the file at *url* to *to*, within *deadline* seconds in all.

        Raises FileTooLarge, FetchFailed or MediaFull; there is no file then.
        """
        ...


class Sender(Protocol):
    """Pushes notifications to foreign URLs, under guard."""

    async def push(
        self, url: str, body: bytes, headers: Mapping[str, str], deadline: float
    ) -> PushOutcome:
        """POST *body*; PushAnswer if a complete status line came within *deadline* seconds,
        else PushFailed."""
        ...
