"""Bodies of notifications: exactly the shapes of contract 6.4, no key more."""

from base64 import b64encode
from typing import Any, Literal

import msgspec

from statusgate.domain.instance import Instance
from statusgate.domain.media import media_url
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind, Status, colour, font_name
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


def message_body(instance: Instance, status: Status, public_url: str) -> bytes:
    """The status itself; one of the API counts from its acknowledgement."""
    by_api = status.outgoing and status.by_api
    at_ms = status.base_ms if by_api else status.posted_ms
    return _encode(
        {
            "typeWebhook": _message_type(status),
            "instanceData": _instance_data(instance),
            "timestamp": at_ms // 1000,
            "idMessage": status.status_id,
            "senderData": {
                "chatId": STATUS_BROADCAST,
                "sender": status.author.chat_id,
                "chatName": "",
                "senderName": status.author_name,
                "senderContactName": status.author_contact_name,
            },
            "messageData": {
                "typeMessage": TYPE_MESSAGE[status.kind],
                **_content(status, public_url),
            },
        }
    )


def outcome_body(instance: Instance, status: Status) -> bytes:
    """What became of a publication: ``sent``, or ``failed`` with a description."""
    sent = status.base is Progress.SENT
    described = (
        {} if sent or not status.failure else {"description": status.failure.description}
    )
    return _encode(
        {
            "typeWebhook": "outgoingMessageStatus",
            "chatId": STATUS_BROADCAST,
            "instanceData": _instance_data(instance),
            "timestamp": status.base_ms // 1000,
            "idMessage": status.status_id,
            "status": "sent" if sent else "failed",
            **described,
            "sendByApi": status.by_api,
        }
    )


def receipt_body(
    instance: Instance, status_id: str, viewer: str, status: ReceiptStatus, at_ms: int,
    *, by_api: bool,
) -> bytes:  # fmt: skip
    """A viewer got or saw a status for the first time."""
    return _encode(
        {
            "typeWebhook": "outgoingMessageStatus",
            "chatId": viewer,
            "instanceData": _instance_data(instance),
            "timestamp": at_ms // 1000,
            "idMessage": status_id,
            "status": status,
            "sendByApi": by_api,
        }
    )


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
