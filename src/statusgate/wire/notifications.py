"""Bodies of notifications: exactly the shapes of contract 6.4, no key more."""

from base64 import b64encode
from typing import Literal

import msgspec

from statusgate.domain.instance import Instance, State
from statusgate.domain.media import media_url
from statusgate.domain.receipt import Progress
from statusgate.domain.status import FontName, Kind, Status, colour, font_name
from statusgate.wire.statuses import TYPE_MESSAGE

STATUS_BROADCAST: Literal["status@broadcast"] = "status@broadcast"
MessageType = Literal[
    "incomingMessageReceived", "outgoingMessageReceived", "outgoingAPIMessageReceived"
]
ReceiptStatus = Literal["delivered", "read"]
OutcomeStatus = Literal["sent", "failed"]
_encode = msgspec.json.Encoder().encode


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Root of all parts."""


class InstanceData(_Shape, frozen=True, kw_only=True):
    """Whose notification it is; *wid* is ``""`` while not authorized."""

    id_instance: int
    wid: str
    type_instance: Literal["whatsapp"] = "whatsapp"


class SenderData(_Shape, frozen=True, kw_only=True):
    """Who posted the status."""

    chat_id: Literal["status@broadcast"] = STATUS_BROADCAST
    sender: str
    chat_name: Literal[""] = ""
    sender_name: str
    sender_contact_name: str


class TextData(_Shape, frozen=True, kw_only=True):
    """A text status; colours are #RRGGBB."""

    text: str
    description: Literal[""] = ""
    title: Literal[""] = ""
    preview_type: Literal["None"] = "None"
    jpeg_thumbnail: Literal[""] = ""
    forwarding_score: Literal[0] = 0
    is_forwarded: Literal[False] = False
    background_color: str
    font: FontName
    participants: tuple[str, ...] = ()


class FileData(_Shape, frozen=True, kw_only=True):
    """A media status; *downloadUrl* is ``""`` if its file was given up."""

    download_url: str
    caption: str
    file_name: str
    jpeg_thumbnail: str
    mime_type: str
    forwarding_score: Literal[0] = 0
    is_forwarded: Literal[False] = False
    participants: tuple[str, ...] = ()


class TextMessage(_Shape, frozen=True, kw_only=True):
    type_message: Literal["extendedTextMessage"] = "extendedTextMessage"
    extended_text_message_data: TextData


class FileMessage(_Shape, frozen=True, kw_only=True):
    type_message: Literal["imageMessage", "videoMessage", "audioMessage"]
    file_message_data: FileData


class MessageReceived(_Shape, frozen=True, kw_only=True):
    """A status: of a contact, posted on the phone, or sent by the API."""

    type_webhook: MessageType
    instance_data: InstanceData
    timestamp: int
    id_message: str
    sender_data: SenderData
    message_data: TextMessage | FileMessage


class MessageStatus(_Shape, frozen=True, kw_only=True):
    """What became of a status, or of one viewer's row; *description* only with failed."""

    type_webhook: Literal["outgoingMessageStatus"]
    chat_id: str
    instance_data: InstanceData
    timestamp: int
    id_message: str
    status: OutcomeStatus | ReceiptStatus
    description: str | msgspec.UnsetType = msgspec.UNSET
    send_by_api: bool


class StateInstanceChanged(_Shape, frozen=True, kw_only=True):
    """The instance came into another state."""

    type_webhook: Literal["stateInstanceChanged"] = "stateInstanceChanged"
    instance_data: InstanceData
    timestamp: int
    state_instance: State


class Received(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The head of the queue."""

    receipt_id: int
    body: msgspec.Raw


class DeletedAnswer(msgspec.Struct, frozen=True):
    """*reason* is ``""`` if it is done."""

    result: bool
    reason: str = ""


class CountAnswer(msgspec.Struct, frozen=True):
    """How many notifications wait."""

    count: int


class ClearedAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """*leftTime*: seconds until it may be cleared again; only if it was not."""

    is_cleared: bool
    reason: str = ""
    left_time: int | msgspec.UnsetType = msgspec.UNSET


def state_body(instance: Instance, at_ms: int) -> bytes:
    """``stateInstanceChanged`` of an instance as it is now."""
    return _encode(
        StateInstanceChanged(
            instance_data=_instance_data(instance),
            timestamp=at_ms // 1000,
            state_instance=instance.state,
        )
    )


def message_body(instance: Instance, status: Status, public_url: str) -> bytes:
    """The status itself; one of the API counts from its acknowledgement."""
    by_api = status.outgoing and status.by_api
    at_ms = status.base_ms if by_api else status.posted_ms
    return _encode(
        MessageReceived(
            type_webhook=_message_type(status),
            instance_data=_instance_data(instance),
            timestamp=at_ms // 1000,
            id_message=status.status_id,
            sender_data=SenderData(
                sender=status.author.chat_id,
                sender_name=status.author_name,
                sender_contact_name=status.author_contact_name,
            ),
            message_data=_message_data(status, public_url),
        )
    )


def outcome_body(instance: Instance, status: Status) -> bytes:
    """What became of a publication: ``sent`` or ``failed``."""
    sent = status.base is Progress.SENT
    failure = msgspec.UNSET if sent or status.failure is None else status.failure.description
    return _encode(
        MessageStatus(
            type_webhook="outgoingMessageStatus",
            chat_id=STATUS_BROADCAST,
            instance_data=_instance_data(instance),
            timestamp=status.base_ms // 1000,
            id_message=status.status_id,
            status="sent" if sent else "failed",
            description=failure,
            send_by_api=status.by_api,
        )
    )


def receipt_body(
    instance: Instance, status_id: str, viewer: str, status: ReceiptStatus, at_ms: int,
    *, by_api: bool,
) -> bytes:  # fmt: skip
    """A viewer got or saw a status for the first time."""
    return _encode(
        MessageStatus(
            type_webhook="outgoingMessageStatus",
            chat_id=viewer,
            instance_data=_instance_data(instance),
            timestamp=at_ms // 1000,
            id_message=status_id,
            status=status,
            send_by_api=by_api,
        )
    )


def _instance_data(instance: Instance) -> InstanceData:
    return InstanceData(id_instance=instance.id, wid=instance.wid)


def _message_type(status: Status) -> MessageType:
    if not status.outgoing:
        return "incomingMessageReceived"
    return "outgoingAPIMessageReceived" if status.by_api else "outgoingMessageReceived"


def _message_data(status: Status, public_url: str) -> TextMessage | FileMessage:
    if status.kind is Kind.TEXT:
        return TextMessage(
            extended_text_message_data=TextData(
                text=status.text,
                background_color=colour(status.background),
                font=font_name(status.font),
                participants=status.participants,
            )
        )
    file = status.file
    return FileMessage(
        type_message=TYPE_MESSAGE[status.kind],  # type: ignore[arg-type]
        file_message_data=FileData(
            download_url=media_url(public_url, status.instance_id, file.name) if file else "",
            caption="" if status.kind is Kind.AUDIO else status.text,
            file_name=file.name if file else "",
            jpeg_thumbnail=b64encode(status.thumbnail).decode(),
            mime_type=file.mimetype if file else status.mimetype,
            participants=status.participants,
        ),
    )
