"""A strict consumer of notifications: as typed clients are, any unknown key is an error.

Written from contract 6.4 alone, not from the code that makes the bodies.
"""

from typing import Any, Literal

import msgspec

SHAPE: dict[str, Any] = {"frozen": True, "forbid_unknown_fields": True}


class InstanceData(msgspec.Struct, **SHAPE):
    idInstance: int
    wid: str
    typeInstance: Literal["whatsapp"]


class SenderData(msgspec.Struct, **SHAPE):
    chatId: str
    sender: str
    chatName: Literal[""]
    senderName: str
    senderContactName: str


class ExtendedTextMessageData(msgspec.Struct, **SHAPE):
    text: str
    description: str
    title: str
    previewType: str
    jpegThumbnail: str
    forwardingScore: int
    isForwarded: bool
    backgroundColor: str
    font: Literal["SERIF", "SANS_SERIF", "NORICAN_REGULAR", "BRYNDAN_WRITE", "OSWALD_HEAVY"]
    participants: list[str]


class FileMessageData(msgspec.Struct, **SHAPE):
    downloadUrl: str
    caption: str
    fileName: str
    jpegThumbnail: str
    mimeType: str
    forwardingScore: int
    isForwarded: bool
    participants: list[str]


class TextMessage(msgspec.Struct, tag="extendedTextMessage", tag_field="typeMessage", **SHAPE):
    extendedTextMessageData: ExtendedTextMessageData


class ImageMessage(msgspec.Struct, tag="imageMessage", tag_field="typeMessage", **SHAPE):
    fileMessageData: FileMessageData


class VideoMessage(msgspec.Struct, tag="videoMessage", tag_field="typeMessage", **SHAPE):
    fileMessageData: FileMessageData


class AudioMessage(msgspec.Struct, tag="audioMessage", tag_field="typeMessage", **SHAPE):
    fileMessageData: FileMessageData


class Emoji(msgspec.Struct, **SHAPE):
    text: str


class Quoted(msgspec.Struct, **SHAPE):
    stanzaId: str
    participant: str


class QuotedOfKind(msgspec.Struct, **SHAPE):
    stanzaId: str
    participant: str
    typeMessage: Literal["extendedTextMessage", "imageMessage", "videoMessage", "audioMessage"]


class Answer(msgspec.Struct, **SHAPE):
    text: str
    stanzaId: str
    participant: str


class Deleted(msgspec.Struct, **SHAPE):
    stanzaId: str


class ReactionMessage(msgspec.Struct, tag="reactionMessage", tag_field="typeMessage", **SHAPE):
    extendedTextMessageData: Emoji
    quotedMessage: Quoted


class QuotedMessage(msgspec.Struct, tag="quotedMessage", tag_field="typeMessage", **SHAPE):
    extendedTextMessageData: Answer
    quotedMessage: QuotedOfKind


class DeletedMessage(msgspec.Struct, tag="deletedMessage", tag_field="typeMessage", **SHAPE):
    deletedMessageData: Deleted


Posted = TextMessage | ImageMessage | VideoMessage | AudioMessage


class _Message(msgspec.Struct, tag_field="typeWebhook", **SHAPE):
    instanceData: InstanceData
    timestamp: int
    idMessage: str
    senderData: SenderData
    messageData: Posted


class Incoming(msgspec.Struct, tag="incomingMessageReceived", tag_field="typeWebhook", **SHAPE):
    instanceData: InstanceData
    timestamp: int
    idMessage: str
    senderData: SenderData
    messageData: Posted | ReactionMessage | QuotedMessage | DeletedMessage


class Outgoing(_Message, tag="outgoingMessageReceived", **SHAPE):
    pass


class OutgoingApi(_Message, tag="outgoingAPIMessageReceived", **SHAPE):
    pass


class Outcome(msgspec.Struct, tag="outgoingMessageStatus", tag_field="typeWebhook", **SHAPE):
    chatId: str
    instanceData: InstanceData
    timestamp: int
    idMessage: str
    status: Literal["sent", "failed", "delivered", "read"]
    sendByApi: bool
    description: str | msgspec.UnsetType = msgspec.UNSET


class State(msgspec.Struct, tag="stateInstanceChanged", tag_field="typeWebhook", **SHAPE):
    instanceData: InstanceData
    timestamp: int
    stateInstance: Literal["notAuthorized", "authorized", "starting", "blocked", "suspended"]


Told = Incoming | Outgoing | OutgoingApi | Outcome | State
_decoder = msgspec.json.Decoder(Told)


def strictly(body: bytes) -> Told:
    """Decode a notification; ValidationError for what the contract does not name."""
    told: Told = _decoder.decode(body)
    if isinstance(told, Outcome):
        assert (told.description is not msgspec.UNSET) == (told.status == "failed")
        assert told.chatId != "status@broadcast" or told.status in ("sent", "failed")
    elif not isinstance(told, State):
        private = isinstance(told.messageData, ReactionMessage | QuotedMessage | DeletedMessage)
        chat = told.senderData.sender if private else "status@broadcast"
        assert told.senderData.chatId == chat
        if isinstance(told.messageData, QuotedMessage):
            # The chat-bot library takes the first word of it.
            assert told.messageData.extendedTextMessageData.text.split()
    return told
