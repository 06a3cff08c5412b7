"""What the services need from the outside, as Protocols.

Nothing gets a port before it has two implementations: the journal (SQLite, PostgreSQL), the
engine (simulated, neonize), the media store (folder, memory, S3), the clock (system, virtual).
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact, KnownContact
from statusgate.domain.conversion import ConversionFailed, Converted, Wanted
from statusgate.domain.events import Sequenced
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance, StateChange
from statusgate.domain.media import Download, MediaRef, StoredFile
from statusgate.domain.notification import (
    Backlog,
    Delivery,
    End,
    LoggedEvents,
    LogRange,
    Notification,
    Streak,
)
from statusgate.domain.outgoing import Fetched, PushOutcome
from statusgate.domain.posting import ContactInfo, SentStatus, StatusPost
from statusgate.domain.receipt import Receipt, ReceiptChange, Recipient
from statusgate.domain.script import ScriptEvent
from statusgate.domain.status import Failure, NewStatus, Status

T = TypeVar("T")


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class Reader(Protocol):
    """Questions to the record. Every one but the operator's names its instance first."""

    # -- the operator's
    def instances(self, since_version: int = 0) -> list[Instance]:
        """All instances, deleted ones too, whose version is above *since_version*, by id."""
        ...

    def due_downloads(self, now_ms: int, limit: int) -> list[Download]:
        """Files to fetch now, oldest first."""
        ...

    # -- an instance's
    def instance(self, instance_id: InstanceId) -> Instance | None:
        """The instance as it is now, deleted or not."""
        ...

    def cursor(self, instance_id: InstanceId) -> int:
        """The last engine sequence number that is recorded; 0 at first."""
        ...

    def state_history(self, instance_id: InstanceId, limit: int) -> list[StateChange]:
        """Newest first."""
        ...

    def statuses(
        self,
        instance_id: InstanceId,
        *,
        outgoing: bool,
        since_ms: int,
        before_ms: int | None = None,
        contacts_only: bool = False,
    ) -> list[Status]:
        """Statuses with ``since_ms <= posted_ms < before_ms``, newest first, ties by id.

        *contacts_only* keeps those whose author now has a non-empty contact name.
        """
        ...

    def status(
        self, instance_id: InstanceId, status_id: str, author: Address | None = None
    ) -> Status | None:
        """The status of that id: outgoing wins, then the newest; *author* selects (12.3)."""
        ...

    def status_by_no(self, instance_id: InstanceId, no: int) -> Status | None: ...

    def recipients(self, status: Status) -> list[Recipient]:
        """Rows of a status, newest ``at_ms`` first, then by participant (contract 3.7)."""
        ...

    def contacts(self, instance_id: InstanceId) -> list[KnownContact]:
        """In the order in which they became known, then by id (contract 7.4)."""
        ...

    def contact(self, instance_id: InstanceId, address: Address) -> KnownContact | None:
        """A known person, a contact or a mere viewer; None if never met."""
        ...

    def file(self, instance_id: InstanceId, key: str, now_ms: int) -> StoredFile | None:
        """A stored file that is alive."""
        ...

    # -- notifications and the live stream
    def backlogs(self) -> list[Backlog]:
        """The operator's: instances with waiting notifications, by id."""
        ...

    def first_notification(self, instance_id: InstanceId) -> Notification | None:
        """The head of the queue, however old."""
        ...

    def notification(self, instance_id: InstanceId, receipt_id: int) -> Notification | None:
        """A notification, waiting or ended."""
        ...

    def notifications(
        self, instance_id: InstanceId, *, waiting: bool, after: int = 0, limit: int
    ) -> list[Notification]:
        """Waiting or ended ones with a receipt id above *after*, in order."""
        ...

    def count_notifications(self, instance_id: InstanceId) -> int:
        """How many wait."""
        ...

    def deliveries(self, instance_id: InstanceId, receipt_id: int) -> list[Delivery]:
        """Attempts to push a notification, in order."""
        ...

    def push_streak(self, instance_id: InstanceId) -> Streak | None:
        """The streak of failures, None while pushes succeed."""
        ...

    def logged_events(
        self, instance_id: InstanceId, after: int, limit: int
    ) -> list[LoggedEvents]:
        """Transactions whose last event is above number *after*, in order; whole ones, so the
        first may begin at or below it."""
        ...

    def log_range(self, instance_id: InstanceId) -> LogRange: ...


class Transaction(Reader, Protocol):
    """Changes to the record. All of a transaction is on disk, or none of it."""

    def create_instance(self, instance: Instance) -> Instance:
        """Add an instance; ``id=0`` chooses the next free one. Taken: InvalidRequest."""
        ...

    def save_instance(self, instance: Instance) -> Instance:
        """Replace an instance's row; returns it with its new version."""
        ...

    def record_state(self, instance: Instance, at_ms: int) -> Instance:
        """Save an instance whose state changed, with a line in its history."""
        ...

    def advance_cursor(self, instance_id: InstanceId, seq: int) -> None: ...

    def record_status(self, instance_id: InstanceId, new: NewStatus) -> Status | None:
        """Journal a status, with the receipts that came before it.

        None if (author, id) is known already or was deleted: a repeat changes nothing.
        """
        ...

    def add_recipients(
        self, instance_id: InstanceId, status_no: int, addresses: Sequence[Address]
    ) -> None:
        """Give a status rows; those it has already stay as they are."""
        ...

    def mark_sent(
        self, instance_id: InstanceId, status_no: int, wire_id: str, at_ms: int
    ) -> Status | None:
        """WhatsApp took a status of ours, as *wire_id*; applies receipts that came first."""
        ...

    def mark_failed(
        self, instance_id: InstanceId, status_no: int, failure: Failure, at_ms: int
    ) -> Status | None:
        """A status of ours will not be published."""
        ...

    def record_receipts(
        self, instance_id: InstanceId, receipts: Sequence[Receipt], now_ms: int
    ) -> list[ReceiptChange]:
        """Raise rows by the lattice; what is for an unknown status waits 24 h for it.

        Unknown viewers become known. The status's own ``reached`` and ``last_receipt_ms``
        follow. Returns the rows that changed; a repeat changes nothing.
        """
        ...

    def record_deletion(
        self,
        instance_id: InstanceId,
        wire_id: str,
        author: Address | None,
        at_ms: int,
    ) -> Status | None:
        """Remove a status by WhatsApp's id (*author* None: the account's own; one that is not
        out yet by our id), with its rows and file; remembered, so that a late copy does not
        bring it back. Returns what was removed."""
        ...

    def record_gap(
        self, instance_id: InstanceId, wire_id: str, author: Address, at_ms: int
    ) -> None:
        """Remember a status that could not be read."""
        ...

    def record_contacts(
        self, instance_id: InstanceId, contacts: Sequence[Contact]
    ) -> list[KnownContact]:
        """Take over what WhatsApp tells; returns contacts that are new or shown otherwise."""
        ...

    def record_name(self, instance_id: InstanceId, address: Address, name: str) -> bool:
        """Learn a person's own name (and both addresses); True if the shown name changed."""
        ...

    def name_contact(
        self, instance_id: InstanceId, address: Address, contact_name: str
    ) -> KnownContact:
        """Name a contact in the instance's own book; it wins over the synced name (7.4)."""
        ...

    def learn_identity(self, instance_id: InstanceId, address: Address) -> bool:
        """Join phone and LID to one person; rows and statuses merge. True if news."""
        ...

    def want_download(
        self, instance_id: InstanceId, status_no: int, ref: MediaRef, due_ms: int
    ) -> None: ...

    def postpone_download(self, instance_id: InstanceId, status_no: int, due_ms: int) -> None:
        """Count an attempt and try again at *due_ms*."""
        ...

    def drop_download(self, instance_id: InstanceId, status_no: int) -> None: ...

    def attach_file(
        self,
        instance_id: InstanceId,
        status_no: int,
        file: StoredFile,
        thumbnail: bytes | None,
    ) -> Status | None:
        """A status's file is stored: ends its download. None if the status is gone."""
        ...

    def add_file(self, instance_id: InstanceId, file: StoredFile) -> None:
        """Record a stored file that belongs to no status (an upload)."""
        ...

    # -- notifications and the live stream
    def add_notifications(
        self, instance_id: InstanceId, bodies: Sequence[bytes], now_ms: int
    ) -> None:
        """Put JSON bodies (at least one) at the end of the queue."""
        ...

    def end_notification(
        self, instance_id: InstanceId, receipt_id: int, outcome: End, now_ms: int
    ) -> bool:
        """Take one out of the queue; False if it does not wait there."""
        ...

    def end_notifications(self, instance_id: InstanceId, outcome: End, now_ms: int) -> int:
        """Take all out of the queue; returns how many."""
        ...

    def expire_notifications(
        self, instance_id: InstanceId, before_ms: int, now_ms: int, limit: int
    ) -> int:
        """Take out about *limit* of those that wait since *before_ms* or longer."""
        ...

    def replay_notification(
        self, instance_id: InstanceId, receipt_id: int, now_ms: int
    ) -> int | None:
        """Queue an ended one again, same body and webhook id; returns its new receipt id."""
        ...

    def record_delivery(self, instance_id: InstanceId, delivery: Delivery) -> None:
        """Keep what came of an attempt; its number follows from those before."""
        ...

    def set_push_streak(self, instance_id: InstanceId, streak: Streak | None) -> None:
        """Begin or go on with a streak of failures; None ends it."""
        ...

    def log_events(self, instance_id: InstanceId, lines: Sequence[bytes], now_ms: int) -> int:
        """Number and keep lines (at least one) for the live stream; returns the last number."""
        ...

    # -- the operator's
    def expire(self, now_ms: int, keep_ms: int, limit: int) -> tuple[int, list[str]]:
        """Delete about *limit* of what is older than *keep_ms*: statuses with rows and files,
        tombstones, early receipts (24 h), expired uploads, instances deleted long ago.
        A status goes with all its rows, so a step may end a little over the limit.

        Returns how many records went (0: nothing left to do) and the store paths
        (``instance/name``) of files to remove.
        """
        ...

    def purge_instance(self, instance_id: InstanceId, limit: int) -> tuple[int, list[str]]:
        """Delete about *limit* records of a deleted instance; as ``expire``."""
        ...


class Journal(Protocol):
    """The record. Work is a plain function of a transaction; it may be run twice."""

    async def write(
        self, instance_id: InstanceId | None, work: Callable[[Transaction], T]
    ) -> T:
        """Return the result of *work* once it is on disk.

        Works of one instance run in the order of the calls. Raises what *work* raises (with
        none of its changes kept) or JournalUnavailable.
        """
        ...

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run *work* on one consistent view of what is committed."""
        ...

    async def close(self) -> None: ...

    @property
    def healthy(self) -> bool:
        """False once a disk or server fault makes further answers unsafe."""
        ...


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
