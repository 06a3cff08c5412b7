"""Bodies of notifications: exactly the shapes of contract 6.4, no key more."""

from base64 import b64encode
from hashlib import sha256
from typing import Any, Literal

import msgspec

from statusgate.domain.contact import KnownContact
from statusgate.domain.instance import Instance
from statusgate.domain.media import media_url
from statusgate.domain.outbox import AnswerOutcome
from statusgate.domain.receipt import Progress, Reaction
from statusgate.domain.reply import Reply
from statusgate.domain.status import Failure, Kind, Status, colour, font_name
from statusgate.wire.statuses import TYPE_MESSAGE

STATUS_BROADCAST = "status@broadcast"
ReceiptStatus = Literal["delivered", "read"]
_encode = msgspec.json.Encoder().encode


class Received(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The head of the queue."""

    receipt_id: int
    body: msgspec.Raw


class DeletedAnswer(msgspec.Struct, frozen=True):
    """*reason* is ``""`` if it is done."""

    result: bool
    reason: str = ""


class WebhooksClearedAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """*leftTime*: seconds until it may be cleared again; only if it was not."""

    is_cleared: bool
    reason: str = ""
    left_time: int | msgspec.UnsetType = msgspec.UNSET


def state_body(instance: Instance, at_ms: int) -> bytes:
    """``stateInstanceChanged`` of an instance as it is now."""
    return _encode(
        {
            "typeWebhook": "stateInstanceChanged",
            "instanceData": _instance_data(instance),
            "timestamp": at_ms // 1000,
            "stateInstance": instance.state,
        }
    )


def webhook_test_body(instance: Instance, at_ms: int) -> bytes:
    """What ``testWebhook`` sends (contract 12.18); it is in no queue."""
    return _encode(
        {
            "typeWebhook": "test",
            "instanceData": _instance_data(instance),
            "timestamp": at_ms // 1000,
        }
    )


def message_body(instance: Instance, status: Status, public_url: str) -> bytes:
    """The status itself; one of the API counts from its acknowledgement."""
    by_api = status.outgoing and status.by_api
    return _message(
        instance,
        {"chatId": STATUS_BROADCAST, **_author(status)},
        {"typeMessage": TYPE_MESSAGE[status.kind], **_content(status, public_url)},
        kind=_message_type(status),
        message_id=status.status_id,
        at_ms=status.base_ms if by_api else status.posted_ms,
    )


def reaction_body(
    instance: Instance, status_id: str, person: KnownContact, reaction: Reaction
) -> bytes:
    """Somebody reacted to a status of ours; text ``""``: took the reaction back."""
    who = person.address.chat_id
    return _message(
        instance,
        _sender(person),
        {
            "typeMessage": "reactionMessage",
            "extendedTextMessageData": {"text": reaction.emoji},
            "quotedMessage": _quoted(instance, status_id),
        },
        message_id=_derived_id("reaction", status_id, who, str(reaction.at_ms), reaction.emoji),
        at_ms=reaction.at_ms,
    )


def reply_body(instance: Instance, status: Status, person: KnownContact, reply: Reply) -> bytes:
    """Somebody answered a status of ours.

    A reply without words is told by its kind, ``[sticker]``: the chat-bot library fails on
    text without a word, and receives it again for ever.
    """
    quoted = _quoted(instance, status.status_id)
    text = reply.text if reply.text.split() else f"[{reply.kind.name.lower()}]"
    return _message(
        instance,
        _sender(person),
        {
            "typeMessage": "quotedMessage",
            "extendedTextMessageData": {"text": text, **quoted},
            "quotedMessage": {**quoted, "typeMessage": TYPE_MESSAGE[status.kind]},
        },
        message_id=reply.reply_id,
        at_ms=reply.at_ms,
    )


def deleted_body(instance: Instance, status: Status, at_ms: int) -> bytes:
    """The author deleted an incoming status."""
    who = status.author.chat_id
    return _message(
        instance,
        {"chatId": who, **_author(status)},
        {
            "typeMessage": "deletedMessage",
            "deletedMessageData": {"stanzaId": status.status_id},
        },
        message_id=_derived_id("deletion", status.status_id, who),
        at_ms=at_ms,
    )


def outcome_body(instance: Instance, status: Status) -> bytes:
    """What became of a publication: ``sent``, or ``failed`` with a description."""
    sent = status.base is Progress.SENT
    return _progress_body(
        instance,
        STATUS_BROADCAST,
        status.status_id,
        "sent" if sent else "failed",
        status.base_ms,
        failure=None if sent else status.failure,
        by_api=status.by_api,
    )


def answer_body(instance: Instance, outcome: AnswerOutcome) -> bytes:
    """What became of a reaction or a reply, as of a publication; ``chatId``: for whom."""
    return _progress_body(
        instance,
        outcome.chat_id,
        outcome.answer_id,
        "failed" if outcome.failure else "sent",
        outcome.at_ms,
        failure=outcome.failure,
    )


def receipt_body(
    instance: Instance, status_id: str, viewer: str, status: ReceiptStatus, at_ms: int,
    *, by_api: bool,
) -> bytes:  # fmt: skip
    """A viewer got or saw a status for the first time."""
    return _progress_body(instance, viewer, status_id, status, at_ms, by_api=by_api)


def _progress_body(
    instance: Instance,
    chat_id: str,
    id_message: str,
    status: str,
    at_ms: int,
    *,
    failure: Failure | None = None,
    by_api: bool = True,
) -> bytes:
    described = {"description": failure.description} if failure else {}
    return _encode(
        {
            "typeWebhook": "outgoingMessageStatus",
            "chatId": chat_id,
            "instanceData": _instance_data(instance),
            "timestamp": at_ms // 1000,
            "idMessage": id_message,
            "status": status,
            **described,
            "sendByApi": by_api,
        }
    )


def _message(
    instance: Instance,
    sender: dict[str, str],
    data: dict[str, Any],
    *,
    kind: str = "incomingMessageReceived",
    message_id: str,
    at_ms: int,
) -> bytes:
    return _encode(
        {
            "typeWebhook": kind,
            "instanceData": _instance_data(instance),
            "timestamp": at_ms // 1000,
            "idMessage": message_id,
            "senderData": sender,
            "messageData": data,
        }
    )


def _author(status: Status) -> dict[str, str]:
    """All of ``senderData`` but the chat."""
    return {
        "sender": status.author.chat_id,
        "chatName": "",
        "senderName": status.author_name,
        "senderContactName": status.author_contact_name,
    }


def _sender(person: KnownContact) -> dict[str, str]:
    """``senderData`` of what somebody did in private."""
    return {
        "chatId": person.address.chat_id,
        "sender": person.address.chat_id,
        "chatName": "",
        "senderName": person.name,
        "senderContactName": person.contact_name,
    }


def _quoted(instance: Instance, status_id: str) -> dict[str, str]:
    """The status of ours that is meant."""
    return {"stanzaId": status_id, "participant": instance.me.chat_id}


def _derived_id(*parts: str) -> str:
    """An id for what has none in the journal: the same for the same fact."""
    return sha256("\n".join(parts).encode()).hexdigest()[:32].upper()


def _instance_data(instance: Instance) -> dict[str, Any]:
    """Whose notification it is; *wid* is ``""`` while not authorized."""
    return {"idInstance": instance.id, "wid": instance.wid, "typeInstance": "whatsapp"}


def _message_type(status: Status) -> str:
    if not status.outgoing:
        return "incomingMessageReceived"
    return "outgoingAPIMessageReceived" if status.by_api else "outgoingMessageReceived"


def _content(status: Status, public_url: str) -> dict[str, Any]:
    """The text, or where the file is; ``downloadUrl`` is ``""`` if it was given up."""
    if status.kind is Kind.TEXT:
        return {
            "extendedTextMessageData": {
                "text": status.text,
                "description": "",
                "title": "",
                "previewType": "None",
                "jpegThumbnail": "",
                "forwardingScore": 0,
                "isForwarded": False,
                "backgroundColor": colour(status.background),
                "font": font_name(status.font),
                "participants": status.participants,
            }
        }
    file = status.file
    return {
        "fileMessageData": {
            "downloadUrl": media_url(public_url, status.instance_id, file.name) if file else "",
            "caption": "" if status.kind is Kind.AUDIO else status.text,
            "fileName": file.name if file else "",
            "jpegThumbnail": b64encode(status.thumbnail).decode(),
            "mimeType": file.mimetype if file else status.mimetype,
            "forwardingScore": 0,
            "isForwarded": False,
            "participants": status.participants,
        }
    }
