"""What answers somebody's status: a reaction in the chat of statuses, or a private reply."""

from typing import Any

from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    AudioMessage,
    ContextInfo,
    ExtendedTextMessage,
    ImageMessage,
    Message,
    ReactionMessage,
    VideoMessage,
)

from statusgate.domain.clock import now_ms
from statusgate.domain.post import Quoted, StatusAnswer
from statusgate.domain.status import Kind
from statusgate.engines.neonize.audience import LIDS, PHONES
from statusgate.engines.neonize.untrusted import STATUS_CHAT


def _author(answer: StatusAnswer) -> str:
    """Return the author's address, in the form in which the status named the author."""
    author = answer.author
    if author.lid and (answer.by_lid or not author.phone):
        return f"{author.lid}@{LIDS}"
    return f"{author.phone}@{PHONES}"


def reaction_to(answer: StatusAnswer) -> Any:
    """Return the message that reacts to a status, or takes the reaction back."""
    key = MessageKey(
        remoteJID=STATUS_CHAT,
        fromMe=False,
        ID=answer.wire_id,
        participant=_author(answer),
    )
    reaction = ReactionMessage(key=key, text=answer.reaction, senderTimestampMS=now_ms())
    return Message(reactionMessage=reaction)


def reply_to(answer: StatusAnswer) -> Any:
    """Return the private message that replies to a status."""
    context = ContextInfo(
        stanzaID=answer.wire_id,
        participant=_author(answer),
        remoteJID=STATUS_CHAT,
        quotedMessage=_quotation(answer.quoted) if answer.quoted else None,
    )
    return Message(
        extendedTextMessage=ExtendedTextMessage(text=answer.text, contextInfo=context)
    )


def _quotation(quoted: Quoted) -> Any:
    """Return as much of the status as a phone shows above a reply."""
    if quoted.kind is Kind.TEXT:
        return Message(extendedTextMessage=ExtendedTextMessage(text=quoted.text))
    if quoted.kind is Kind.AUDIO:
        return Message(audioMessage=AudioMessage(PTT=True))
    shown = {"caption": quoted.text or None, "JPEGThumbnail": quoted.thumbnail or None}
    if quoted.kind is Kind.IMAGE:
        return Message(imageMessage=ImageMessage(**shown))
    return Message(videoMessage=VideoMessage(**shown))
