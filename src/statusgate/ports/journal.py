"""The record: questions, changes, and who runs them."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact, KnownContact
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
from statusgate.domain.outbox import Outgoing, Phase, Prepared, Publication
from statusgate.domain.receipt import Receipt, ReceiptChange, Recipient
from statusgate.domain.status import Failure, NewStatus, Status

T = TypeVar("T")


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
