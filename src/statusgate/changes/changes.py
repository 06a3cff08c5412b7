"""What one transaction changed, for everyone who must follow after the commit."""

from collections.abc import Sequence

import msgspec

from statusgate.domain.contact import KnownContact
from statusgate.domain.instance import Instance
from statusgate.domain.receipt import ReceiptChange
from statusgate.domain.status import Status


class Appeared(msgspec.Struct, frozen=True):
    """A status is new in the journal."""

    status_no: int
    awaits_file: bool
    """its file is still to be fetched; FileSettled follows"""


class FileSettled(msgspec.Struct, frozen=True):
    """The file of a status is stored, or given up."""

    status_no: int


class Concluded(msgspec.Struct, frozen=True):
    """A status of ours became sent or failed."""

    status_no: int


class Viewed(msgspec.Struct, frozen=True):
    """Receipts changed rows."""

    receipts: tuple[ReceiptChange, ...]


class StateReached(msgspec.Struct, frozen=True):
    """The instance came into another state."""

    instance: Instance
    at_ms: int


Fact = Appeared | FileSettled | Concluded | Viewed | StateReached


class Changes(msgspec.Struct, kw_only=True):
    """Collected while a transaction runs, told when it is committed."""

    statuses: dict[int, Status] = {}
    """statuses that are new or changed, as they are now, by number"""
    removed: list[Status] = []
    receipts: list[ReceiptChange] = []
    contacts: list[KnownContact] = []
    people_changed: bool = False
    """names or identities changed: items and statistics may show them"""
    instance: Instance | None = None
    """the instance, if its own row changed"""
    gaps: int = 0
    facts: list[Fact] = []
    """what clients are to be told, in the order in which it happened"""
    queued: int = 0
    """notifications that were put into the queue"""
    last_event_no: int = 0
    """number of the last of *events*"""
    events: list[bytes] = []
    """lines that were put into the event log"""

    @property
    def state_changed(self) -> bool:
        """Whether the instance came into another state."""
        return any(isinstance(fact, StateReached) for fact in self.facts)

    def appeared(self, status: Status, *, awaits_file: bool = False) -> None:
        """Note a status that is new."""
        self.statuses[status.no] = status
        self.facts.append(Appeared(status.no, awaits_file))

    def settled(self, status: Status) -> None:
        """Note a status whose file is stored or given up."""
        self.statuses[status.no] = status
        self.facts.append(FileSettled(status.no))

    def concluded(self, status: Status) -> None:
        """Note a status of ours that became sent or failed just now."""
        self.statuses[status.no] = status
        self.facts.append(Concluded(status.no))

    def viewed(self, receipts: Sequence[ReceiptChange]) -> None:
        """Note rows that receipts changed."""
        self.receipts.extend(receipts)
        if receipts:
            self.facts.append(Viewed(tuple(receipts)))

    def reached_state(self, instance: Instance, at_ms: int) -> None:
        """Note that the instance came into another state."""
        self.instance = instance
        self.facts.append(StateReached(instance, at_ms))
