"""Items of the two journals (contract 3.8, 3.9) and of ``getMessage`` (7.5)."""

from base64 import b64encode
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from statusgate.domain.media import media_url
from statusgate.domain.receipt import PROGRESS_NAMES, ProgressName
from statusgate.domain.status import (
    Failure,
    FailureReason,
    FontName,
    Kind,
    Status,
    colour,
    font_name,
)

TypeMessage = Literal["extendedTextMessage", "imageMessage", "videoMessage", "audioMessage"]
TYPE_MESSAGE: dict[Kind, TypeMessage] = {
    Kind.TEXT: "extendedTextMessage",
    Kind.IMAGE: "imageMessage",
    Kind.VIDEO: "videoMessage",
    Kind.AUDIO: "audioMessage",
}
_encode = msgspec.json.Encoder().encode


class IncomingText(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A text, its colour (#RRGGBB) and font."""

    text: str
    background_color: str
    font: FontName


class OutgoingText(IncomingText, frozen=True, kw_only=True, rename="camel"):
    """As incoming, and whom it was sent to; ``[]``: all contacts."""

    participants: tuple[str, ...]


class Item(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type"):
    """What items of every direction have."""

    id_message: str
    timestamp: int
    type_message: TypeMessage
    chat_id: str
    text_message: str | UnsetType = UNSET
    download_url: str | UnsetType = UNSET
    file_name: str | UnsetType = UNSET
    mime_type: str | UnsetType = UNSET
    caption: str | UnsetType = UNSET
    jpeg_thumbnail: str | UnsetType = UNSET


class IncomingItem(Item, frozen=True, kw_only=True, rename="camel", tag="incoming"):
    """A status somebody posted; times are unix seconds."""

    extended_text_message: IncomingText | UnsetType = UNSET
    sender_id: str
    sender_name: str
    sender_contact_name: str


class OutgoingItem(Item, frozen=True, kw_only=True, rename="camel", tag="outgoing"):
    """A status of the account; *timestamp* is that of the last action."""

    extended_text_message: OutgoingText | UnsetType = UNSET
    participants: tuple[str, ...]
    status_message: ProgressName
    send_by_api: bool


class FailureAnswer(msgspec.Struct, frozen=True):
    """Why a status was not published (contract 3.5)."""

    reason: FailureReason
    description: str


class DownloadAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Where the file of a status is."""

    download_url: str


class SimulateAnswer(msgspec.Struct, frozen=True):
    """How many events were recorded."""

    accepted: int


def encode_item(status: Status, public_url: str) -> bytes:
    """Return the item of *status* as JSON bytes."""
    return _encode(item(status, public_url))


def item(status: Status, public_url: str) -> IncomingItem | OutgoingItem:
    """Return the item of *status*: exactly the keys that belong to its type and direction."""
    is_text = status.kind is Kind.TEXT
    author = status.author.chat_id
    shared = {
        "id_message": status.status_id,
        "type_message": TYPE_MESSAGE[status.kind],
        "chat_id": author,
        **({"text_message": status.text} if is_text else _file(status, public_url)),
    }
    if not status.outgoing:
        return IncomingItem(
            **shared,
            timestamp=status.posted_ms // 1000,
            extended_text_message=IncomingText(**_text(status)) if is_text else UNSET,
            sender_id=author,
            sender_name=status.author_name,
            sender_contact_name=status.author_contact_name,
        )
    participants = status.participants
    return OutgoingItem(
        **shared,
        timestamp=status.last_action_ms // 1000,
        extended_text_message=OutgoingText(**_text(status), participants=participants)
        if is_text
        else UNSET,
        participants=participants,
        status_message=PROGRESS_NAMES[status.progress],
        send_by_api=status.by_api,
    )


def failure_answer(failure: Failure | None) -> FailureAnswer | None:
    """Return *failure* as answers and events show it."""
    return FailureAnswer(failure.reason, failure.description) if failure else None


def _text(status: Status) -> dict[str, Any]:
    return {
        "text": status.text,
        "background_color": colour(status.background),
        "font": font_name(status.font),
    }


def _file(status: Status, public_url: str) -> dict[str, Any]:
    file = status.file
    known: dict[str, Any] = {
        "download_url": media_url(public_url, status.instance_id, file.name) if file else "",
        "file_name": file.name if file else "",
        "mime_type": file.mimetype if file else status.mimetype,
    }
    if status.kind is not Kind.AUDIO:
        known["caption"] = status.text
        known["jpeg_thumbnail"] = b64encode(status.thumbnail).decode()
    return known
