"""Items of the two journals (contract 3.8, 3.9) and of ``getMessage`` (7.5)."""

from base64 import b64encode
from typing import Any

import msgspec

from statusgate.domain.media import media_url
from statusgate.domain.receipt import PROGRESS_NAMES
from statusgate.domain.status import Kind, Status, colour, font_name

TYPE_MESSAGE = {
    Kind.TEXT: "extendedTextMessage",
    Kind.IMAGE: "imageMessage",
    Kind.VIDEO: "videoMessage",
    Kind.AUDIO: "audioMessage",
}
_encode = msgspec.json.Encoder().encode


def encode_item(status: Status, public_url: str) -> bytes:
    """Return the item of *status* as JSON bytes."""
    return _encode(item(status, public_url))


def item(status: Status, public_url: str) -> dict[str, Any]:
    """Return the item of *status*: exactly the keys that belong to its type and direction."""
    return _outgoing(status, public_url) if status.outgoing else _incoming(status, public_url)


def _incoming(status: Status, public_url: str) -> dict[str, Any]:
    author = status.author.chat_id
    return {
        "type": "incoming",
        "idMessage": status.status_id,
        "timestamp": status.posted_ms // 1000,
        "typeMessage": TYPE_MESSAGE[status.kind],
        "chatId": author,
        **(_text(status) if status.kind is Kind.TEXT else _file(status, public_url)),
        "senderId": author,
        "senderName": status.author_name,
        "senderContactName": status.author_contact_name,
    }


def _outgoing(status: Status, public_url: str) -> dict[str, Any]:
    content = _text(status) if status.kind is Kind.TEXT else _file(status, public_url)
    if status.kind is Kind.TEXT:
        content["extendedTextMessage"]["participants"] = status.participants
    return {
        "type": "outgoing",
        "idMessage": status.status_id,
        "timestamp": status.last_action_ms // 1000,
        "typeMessage": TYPE_MESSAGE[status.kind],
        "chatId": status.author.chat_id,
        **content,
        "participants": status.participants,
        "statusMessage": PROGRESS_NAMES[status.progress],
        "sendByApi": status.by_api,
    }


def _text(status: Status) -> dict[str, Any]:
    return {
        "textMessage": status.text,
        "extendedTextMessage": {
            "text": status.text,
            "backgroundColor": colour(status.background),
            "font": font_name(status.font),
        },
    }


def _file(status: Status, public_url: str) -> dict[str, Any]:
    file = status.file
    told: dict[str, Any] = {
        "downloadUrl": media_url(public_url, status.instance_id, file.name) if file else "",
        "fileName": file.name if file else "",
        "mimeType": file.mimetype if file else status.mimetype,
    }
    if status.kind is not Kind.AUDIO:
        told["caption"] = status.text
        told["jpegThumbnail"] = b64encode(status.thumbnail).decode()
    return told
