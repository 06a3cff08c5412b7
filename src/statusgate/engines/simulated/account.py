"""A sandbox account: its log records, and the state that follows from them.

The log is the truth: the account is what its records, applied in order, make of an empty one.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.events import (
    ContactsChanged,
    EngineEvent,
    EngineState,
    StateChanged,
    StatusReaction,
    StatusReceipt,
    StatusReceived,
    StatusReply,
)
from statusgate.domain.instance import State
from statusgate.domain.post import StatusAnswer
from statusgate.domain.reply import Reply

MAX_REMEMBERED_IDS = 20_000


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the account stands with WhatsApp."""

    state: State = State.NOT_AUTHORIZED
    phone: str = ""
    """digits; ``""`` while not linked"""
    device: int = 0
    """rises with each linking"""
    offline: bool = False
    """the connection is down for a moment"""

    @property
    def is_open(self) -> bool:
        """Whether WhatsApp answers."""
        return self.state is State.AUTHORIZED and not self.offline


class Scheduled(msgspec.Struct, frozen=True):
    """An event that is yet to happen."""

    due_ms: int
    event: EngineEvent


class Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reaction or a reply that the account sent."""

    answer: StatusAnswer
    at_ms: int


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of the log; it happens as a whole or not at all."""

    events: tuple[EngineEvent, ...] = ()
    """what the gateway gets"""
    scheduled: tuple[Scheduled, ...] = msgspec.field(default=(), name="held")
    """what it will get later"""
    released: int = 0
    """so many of the scheduled events, the earliest, are among *events* now"""
    withdrawn: str = ""
    """nobody will see the status of this wire id any more"""
    link: Link | None = None
    """None: as before"""
    answered: Answered | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The account after the record *seq*."""

    seq: int
    link: Link
    contacts: tuple[Contact, ...]
    people: tuple[Address, ...]
    scheduled: tuple[Scheduled, ...] = msgspec.field(name="held")
    wire_ids: dict[str, str]
    answers: dict[str, int] = {}


class Account:
    """What the sandbox remembers; changed by :meth:`apply` alone, except for *wire_ids*."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        self.seq = snapshot.seq if snapshot else 0
        self.link = snapshot.link if snapshot else Link()
        self.scheduled = list(snapshot.scheduled) if snapshot else []
        """by time, those of one time in the order they were thought of"""
        self.wire_ids = dict(snapshot.wire_ids) if snapshot else {}
        """WhatsApp's id of the account's own statuses, by the id that scripts know"""
        self.answers = dict(snapshot.answers) if snapshot else {}
        """when each reaction or reply was sent, by its key"""
        self._contacts: dict[str, Contact] = {}
        self._people: dict[str, Address] = {}
        if snapshot:
            self._meet(snapshot.people)
            self._keep(snapshot.contacts)

    def apply(self, seq: int, record: Record) -> None:
        """Let a record of the log happen."""
        self.seq = seq
        self.link = record.link or self.link
        del self.scheduled[: record.released]
        if record.answered:
            self.answers[record.answered.answer.key] = record.answered.at_ms
            _forget_oldest(self.answers)
        if record.withdrawn:
            self.scheduled = [
                one for one in self.scheduled if not _is_viewers(one, record.withdrawn)
            ]
        if record.scheduled:
            self.scheduled = sorted(
                [*self.scheduled, *record.scheduled], key=lambda one: one.due_ms
            )
        for event in record.events:
            self._learn(event)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            seq=self.seq,
            link=self.link,
            contacts=tuple(self._contacts.values()),
            people=tuple(self._people.values()),
            scheduled=tuple(self.scheduled),
            wire_ids=dict(self.wire_ids),
            answers=dict(self.answers),
        )

    def knows(self, address: Address) -> bool:
        """Tell whether somebody is on the simulated WhatsApp: was met, posted or viewed."""
        return any(chat_id in self._people for chat_id in _chat_ids(address))

    def named_contacts(self) -> list[Address]:
        """Everybody in the account's address book, in the order they came."""
        return [c.address for c in self._contacts.values() if c.contact_name]

    def name_of(self, address: Address) -> str:
        """What the account calls somebody; ``""`` if it does not know."""
        contact = self._contacts.get(address.chat_id)
        return (contact.contact_name or contact.name or "") if contact else ""

    def remember_wire_id(self, script_id: str, wire_id: str) -> None:
        """Remember a status of the account; the oldest are forgotten in time."""
        self.wire_ids.pop(script_id, None)
        self.wire_ids[script_id] = wire_id
        _forget_oldest(self.wire_ids)

    def expects_viewers_of(self, wire_id: str) -> bool:
        """Tell whether viewers of a status are still to come."""
        return any(_is_viewers(one, wire_id) for one in self.scheduled)

    def _learn(self, event: EngineEvent) -> None:
        match event:
            case ContactsChanged():
                self._keep(event.contacts)
            case StatusReceived():
                self._meet((event.author,))
            case StatusReceipt() | StatusReaction():
                self._meet((event.viewer,))
            case StatusReply():
                self._meet((event.reply.viewer,))
            case StateChanged():
                offline = event.state is EngineState.CLOSED
                self.link = msgspec.structs.replace(self.link, offline=offline)
            case _:
                pass

    def _keep(self, contacts: Iterable[Contact]) -> None:
        for contact in contacts:
            self._contacts[contact.address.chat_id] = contact
            self._meet((contact.address,))

    def _meet(self, addresses: Iterable[Address]) -> None:
        for address in addresses:
            for chat_id in _chat_ids(address):
                self._people.setdefault(chat_id, address)


def _forget_oldest(remembered: dict[str, Any]) -> None:
    while len(remembered) > MAX_REMEMBERED_IDS:
        del remembered[next(iter(remembered))]


def _chat_ids(address: Address) -> list[str]:
    found = [f"{address.phone}@c.us"] if address.phone else []
    return [*found, f"{address.lid}@lid"] if address.lid else found


def _is_viewers(scheduled: Scheduled, wire_id: str) -> bool:
    """Tell whether it is what somebody will do with the status *wire_id*."""
    match scheduled.event:
        case StatusReceipt(wire_ids=wire_ids):
            return wire_id in wire_ids
        case StatusReaction(wire_id=found) | StatusReply(reply=Reply(wire_id=found)):
            return found == wire_id
        case _:
            return False
