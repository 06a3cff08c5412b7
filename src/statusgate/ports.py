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
from statusgate.domain.outbox import Outgoing, Phase, Prepared, Publication
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

    # -- publishing: the operator's
    def instances_with_outgoing(self) -> list[InstanceId]:
        """Instances that have anything to publish, now or later."""
        ...

    def outgoing_to_prepare(self, now_ms: int, limit: int) -> list[Outgoing]:
        """Statuses whose files have to be fetched now, the longest due first."""
        ...

    def outgoing_due(self, now_ms: int, limit: int) -> list[tuple[InstanceId, str]]:
        """Scheduled statuses whose time has come, the earliest first."""
        ...

    def next_send_at_ms(self) -> int | None:
        """When the next scheduled status is due; None if there is none."""
        ...

    # -- publishing: an instance's
    def outgoing(self, instance_id: InstanceId) -> list[Outgoing]:
        """The queue in its order, then what is scheduled, the earliest first."""
        ...

    def outgoing_one(self, instance_id: InstanceId, status_id: str) -> Outgoing | None: ...

    def next_outgoing(self, instance_id: InstanceId) -> Outgoing | None:
        """The head of the queue."""
        ...

    def count_outgoing(self, instance_id: InstanceId) -> int:
        """How many wait or are scheduled; what the engine has is not counted."""
        ...

    def publication(self, instance_id: InstanceId, status_no: int) -> Publication | None:
        """What is remembered of a status that the API accepted; None for others."""
        ...

    def known_people(
        self, instance_id: InstanceId, addresses: Sequence[Address]
    ) -> dict[Address, KnownContact]:
        """Those of *addresses* who have been met."""
        ...


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

    # -- publishing
    def add_outgoing(self, outgoing: Outgoing) -> None:
        """Keep an accepted status; it has no place in the queue yet."""
        ...

    def enqueue(
        self, instance_id: InstanceId, status_id: str, status_no: int, expires_ms: int
    ) -> None:
        """Give it the last place of the queue; *status_no* is its row in the journal."""
        ...

    def set_phase(self, instance_id: InstanceId, status_id: str, phase: Phase) -> bool:
        """False: it is gone."""
        ...

    def postpone_outgoing(self, instance_id: InstanceId, status_id: str, due_ms: int) -> None:
        """Try to fetch its file at *due_ms*."""
        ...

    def prepare_outgoing(
        self, instance_id: InstanceId, status_id: str, prepared: Prepared
    ) -> tuple[bool, Status | None]:
        """Its file is stored: it is ready. False: it is gone. The status, if it has one."""
        ...

    def forget_outgoing(self, instance_id: InstanceId, status_id: str) -> bool:
        """Its outcome is recorded, or it is cancelled; the file of a scheduled one ends."""
        ...

    def record_publication(
        self, instance_id: InstanceId, status_no: int, publication: Publication
    ) -> None:
        """Remember; a repeat replaces *resolved* and *skipped* alone."""
        ...

    def add_rows(
        self, instance_id: InstanceId, status_no: int, people: Sequence[KnownContact]
    ) -> None:
        """Give a status rows; strangers (number 0) become known."""
        ...

    def leave_out(
        self, instance_id: InstanceId, status_no: int, addresses: Sequence[Address]
    ) -> None:
        """Take rows away from those who will not get it; a row with a receipt stays."""
        ...

    def refuse(
        self, instance_id: InstanceId, status_no: int, codes: Sequence[tuple[Address, int]]
    ) -> None:
        """WhatsApp refused these recipients, with its codes: their rows are failed."""
        ...

    def mark_viewed(self, instance_id: InstanceId, status_no: int, at_ms: int) -> Status | None:
        """The account looked at a status; the first time counts."""
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
