"""Lines of the live stream (contract 12.7): an event's name, a space, its data as JSON."""

from typing import Literal

import msgspec

from statusgate.domain.contact import KnownContact
from statusgate.domain.instance import Instance, State
from statusgate.domain.receipt import PROGRESS_NAMES, Progress, ProgressName
from statusgate.domain.status import Status
from statusgate.wire.statuses import FailureAnswer, encode_item, failure_answer

RETRY = b"retry: 3000\n\n"
HEARTBEAT = b":\n\n"
EXPIRED = b'resync {"reason":"expired"}'
_encode = msgspec.json.Encoder().encode


class _Data(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Root of all data; times are unix seconds."""


class StatusChanged(_Data, frozen=True, kw_only=True):
    """A status of ours came further, or failed."""

    id_message: str
    status_message: ProgressName
    timestamp: int
    failure: FailureAnswer | None


class StatusReceipt(_Data, frozen=True, kw_only=True):
    """A viewer got or saw a status for the first time."""

    id_message: str
    participant: str
    status: Literal["delivered", "read"]
    timestamp: int


class StatusDeleted(_Data, frozen=True, kw_only=True):
    """A status left the journal; *chatId*: its author."""

    id_message: str
    type: Literal["incoming", "outgoing"]
    chat_id: str


class ContactChanged(_Data, frozen=True, kw_only=True):
    """A contact is new or shown otherwise."""

    id: str
    name: str
    contact_name: str


class StateChanged(_Data, frozen=True, kw_only=True):
    """The instance came into another state."""

    state_instance: State
    timestamp: int


def status_line(status: Status, public_url: str) -> bytes:
    """``incomingStatus`` or ``outgoingStatus``: the item of its journal."""
    name = b"outgoingStatus " if status.outgoing else b"incomingStatus "
    return name + encode_item(status, public_url)


def changed_line(status: Status) -> bytes:
    """``statusChanged``, with the time of the last action."""
    failed = status.progress is Progress.FAILED
    return b"statusChanged " + _encode(
        StatusChanged(
            id_message=status.status_id,
            status_message=PROGRESS_NAMES[status.progress],
            timestamp=status.last_action_ms // 1000,
            failure=failure_answer(status.failure if failed else None),
        )
    )


def receipt_line(
    status_id: str, participant: str, status: Literal["delivered", "read"], at_ms: int
) -> bytes:
    """``statusReceipt``."""
    return b"statusReceipt " + _encode(
        StatusReceipt(
            id_message=status_id,
            participant=participant,
            status=status,
            timestamp=at_ms // 1000,
        )
    )


def deleted_line(status: Status) -> bytes:
    """``statusDeleted``."""
    return b"statusDeleted " + _encode(
        StatusDeleted(
            id_message=status.status_id,
            type="outgoing" if status.outgoing else "incoming",
            chat_id=status.author.chat_id,
        )
    )


def contact_line(contact: KnownContact) -> bytes:
    """``contactChanged``."""
    return b"contactChanged " + _encode(
        ContactChanged(
            id=contact.address.chat_id, name=contact.name, contact_name=contact.contact_name
        )
    )


def state_line(instance: Instance, at_ms: int) -> bytes:
    """``stateChanged``."""
    return b"stateChanged " + _encode(
        StateChanged(state_instance=instance.state, timestamp=at_ms // 1000)
    )


def sse(number: int, line: bytes) -> bytes:
    """A line as server-sent event; JSON has no line breaks of its own."""
    name, _, data = line.partition(b" ")
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name, data)
