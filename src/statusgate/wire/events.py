"""Lines of the live stream (contract 12.7): an event's name, a space, its data as JSON.

Times are unix seconds.
"""

from typing import Literal

import msgspec

from statusgate.domain.contact import KnownContact
from statusgate.domain.instance import Instance
from statusgate.domain.outbox import AnswerOutcome
from statusgate.domain.receipt import PROGRESS_NAMES, Progress, Reaction
from statusgate.domain.reply import Reply
from statusgate.domain.status import Status
from statusgate.wire.engagement import REPLY_TYPE
from statusgate.wire.statuses import encode_item, failure_answer

RETRY = b"retry: 3000\n\n"
HEARTBEAT = b":\n\n"
EXPIRED = b'resync {"reason":"expired"}'
_encode = msgspec.json.Encoder().encode


def status_line(status: Status, public_url: str) -> bytes:
    """``incomingStatus`` or ``outgoingStatus``: the item of its journal."""
    name = b"outgoingStatus " if status.outgoing else b"incomingStatus "
    return name + encode_item(status, public_url)


def changed_line(status: Status) -> bytes:
    """``statusChanged``: one of ours came further, or failed; the time of the last action."""
    failed = status.progress is Progress.FAILED
    return b"statusChanged " + _encode(
        {
            "idMessage": status.status_id,
            "statusMessage": PROGRESS_NAMES[status.progress],
            "timestamp": status.last_action_ms // 1000,
            "failure": failure_answer(status.failure if failed else None),
        }
    )


def answer_line(outcome: AnswerOutcome) -> bytes:
    """``answerChanged``: a reaction or a reply of ours was sent, or failed."""
    return b"answerChanged " + _encode(
        {
            "idMessage": outcome.answer_id,
            "chatId": outcome.chat_id,
            "status": "failed" if outcome.failure else "sent",
            "timestamp": outcome.at_ms // 1000,
            "failure": failure_answer(outcome.failure),
        }
    )


def receipt_line(
    status_id: str, participant: str, status: Literal["delivered", "read"], at_ms: int
) -> bytes:
    """``statusReceipt``: a viewer got or saw a status for the first time."""
    return b"statusReceipt " + _encode(
        {
            "idMessage": status_id,
            "participant": participant,
            "status": status,
            "timestamp": at_ms // 1000,
        }
    )


def reaction_line(status_id: str, participant: str, reaction: Reaction) -> bytes:
    """``statusReaction``: somebody reacted to a status; ``""``: took the reaction back."""
    return b"statusReaction " + _encode(
        {
            "idMessage": status_id,
            "participant": participant,
            "reaction": reaction.emoji,
            "timestamp": reaction.at_ms // 1000,
        }
    )


def reply_line(status_id: str, reply: Reply) -> bytes:
    """``statusReply``: somebody answered a status; ``replyId``: the private message."""
    return b"statusReply " + _encode(
        {
            "idMessage": status_id,
            "participant": reply.viewer.chat_id,
            "replyId": reply.reply_id,
            "typeMessage": REPLY_TYPE[reply.kind],
            "textMessage": reply.text,
            "timestamp": reply.at_ms // 1000,
        }
    )


def deleted_line(status: Status) -> bytes:
    """``statusDeleted``: a status left the journal; ``chatId``: its author."""
    return b"statusDeleted " + _encode(
        {
            "idMessage": status.status_id,
            "type": "outgoing" if status.outgoing else "incoming",
            "chatId": status.author.chat_id,
        }
    )


def contact_line(contact: KnownContact) -> bytes:
    """``contactChanged``: a contact is new or shown otherwise."""
    return b"contactChanged " + _encode(
        {
            "id": contact.address.chat_id,
            "name": contact.name,
            "contactName": contact.contact_name,
        }
    )


def state_line(instance: Instance, at_ms: int) -> bytes:
    """``stateChanged``: the instance came into another state."""
    return b"stateChanged " + _encode(
        {"stateInstance": instance.state, "timestamp": at_ms // 1000}
    )


def sse(number: int, line: bytes) -> bytes:
    """A line as server-sent event; JSON has no line breaks of its own."""
    name, _, data = line.partition(b" ")
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name, data)
