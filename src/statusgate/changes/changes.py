"""What one transaction changed, for everything that follows commits."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from statusgate.domain.contact import KnownContact
from statusgate.domain.instance import Instance
from statusgate.domain.outbox import AnswerOutcome
from statusgate.domain.receipt import ReceiptChange
from statusgate.domain.reply import Reply
from statusgate.domain.status import Status


class StatusAdded(msgspec.Struct, frozen=True):
    """A status is new in the journal."""

    status_no: int
    awaits_file: bool
    """its file is still to be fetched; FileSettled follows"""


class FileSettled(msgspec.Struct, frozen=True):
    """The file of a status is stored, or given up."""

    status_no: int


class OutcomeRecorded(msgspec.Struct, frozen=True):
    """An outgoing status became sent or failed."""

    status_no: int


class ReceiptsRecorded(msgspec.Struct, frozen=True):
    """Receipts changed rows."""

    receipts: tuple[ReceiptChange, ...]


class ReplyRecorded(msgspec.Struct, frozen=True):
    """Somebody answered an outgoing status."""

    status: Status
    reply: Reply


class StatusRemoved(msgspec.Struct, frozen=True):
    """A status was deleted: by its author, or one of ours with deleteStatus."""

    status: Status
    at_ms: int


class InstanceStateChanged(msgspec.Struct, frozen=True):
    """The instance changed to another state."""

    instance: Instance
    at_ms: int


Fact = (
    StatusAdded
    | FileSettled
    | OutcomeRecorded
    | AnswerOutcome
    | ReceiptsRecorded
    | ReplyRecorded
    | StatusRemoved
    | InstanceStateChanged
)


OutboxChange = Literal["files", "schedule", "queue"]


class Changes(msgspec.Struct, kw_only=True):
    """Collected while a transaction runs, given to the followers once it is committed."""

    statuses: dict[int, Status] = {}
    """statuses that are new or changed, as they are now, by number"""
    removed: list[Status] = []
    receipts: list[ReceiptChange] = []
    contacts: list[KnownContact] = []
    people_changed: bool = False
    """names or identities changed: items and statistics may show them"""
    instance: Instance | None = None
    """the instance, if its own row changed"""
    seen: Instance | None = None
    """the instance as the work found it, if it looked"""
    gaps: int = 0
    """statuses that could not be read"""
    facts: list[Fact] = []
    """what notifications and live events are made of, in the order in which it happened"""
    queued: int = 0
    """notifications that were put into the queue"""
    last_event_no: int = 0
    """number of the last of *events*"""
    events: list[bytes] = []
    """lines that were put into the event log"""

    unposted: list[str] = []
    """ids of accepted statuses that were removed before they were published"""
    outbox: set[OutboxChange] = set()
    """which parts of publishing have something to do"""
    in_doubt: bool = False
    """it is not known whether this was committed: followers read the journal again"""

    def doubted(self) -> "Changes":
        """The same if its commit is in doubt: nothing to take over, everything to look up."""
        return msgspec.structs.replace(
            self,
            statuses={},
            removed=[],
            unposted=[],
            instance=None,
            people_changed=True,
            in_doubt=True,
        )

    def status_added(self, status: Status, *, awaits_file: bool = False) -> None:
        """Note a status that is new."""
        self.statuses[status.no] = status
        self.facts.append(StatusAdded(status.no, awaits_file))

    def file_settled(self, status: Status) -> None:
        """Note a status whose file is stored or given up."""
        self.statuses[status.no] = status
        self.facts.append(FileSettled(status.no))

    def outcome_recorded(self, status: Status) -> None:
        """Note an outgoing status that became sent or failed."""
        self.statuses[status.no] = status
        self.facts.append(OutcomeRecorded(status.no))

    def answer_ended(self, outcome: AnswerOutcome) -> None:
        """Note an answer of ours that was sent or failed."""
        self.facts.append(outcome)

    def receipts_recorded(self, receipts: Sequence[ReceiptChange]) -> None:
        """Note rows that receipts changed."""
        self.receipts.extend(receipts)
        if receipts:
            self.facts.append(ReceiptsRecorded(tuple(receipts)))

    def reply_recorded(self, status: Status, reply: Reply) -> None:
        """Note a reply to a status of ours."""
        self.statuses[status.no] = status
        self.facts.append(ReplyRecorded(status, reply))

    def status_removed(self, status: Status, at_ms: int) -> None:
        """Note a status that was deleted."""
        self.statuses.pop(status.no, None)
        self.removed.append(status)
        self.facts.append(StatusRemoved(status, at_ms))

    def state_changed(self, instance: Instance, at_ms: int) -> None:
        """Note that the instance changed to another state."""
        self.instance = instance
        self.facts.append(InstanceStateChanged(instance, at_ms))
