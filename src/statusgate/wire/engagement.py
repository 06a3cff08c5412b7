"""Reactions and replies on the wire (contract 12.14, 12.15)."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from statusgate.domain.receipt import Recipient
from statusgate.domain.reply import Reply, ReplyKind

ReplyType = Literal[
    "textMessage",
    "imageMessage",
    "videoMessage",
    "audioMessage",
    "documentMessage",
    "stickerMessage",
]
REPLY_TYPE: dict[ReplyKind, ReplyType] = {
    ReplyKind.TEXT: "textMessage",
    ReplyKind.IMAGE: "imageMessage",
    ReplyKind.VIDEO: "videoMessage",
    ReplyKind.AUDIO: "audioMessage",
    ReplyKind.DOCUMENT: "documentMessage",
    ReplyKind.STICKER: "stickerMessage",
}


class ReactionItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The latest reaction of one person; *timestamp* in unix seconds."""

    participant: str
    contact_name: str
    reaction: str
    timestamp: int


class ReplyItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One private message that answers a status; *timestamp* in unix seconds."""

    participant: str
    contact_name: str
    id_message: str
    timestamp: int
    type_message: ReplyType
    text_message: str


def reaction_items(recipients: Iterable[Recipient]) -> list[ReactionItem]:
    """What ``getStatusReactions`` answers."""
    return [
        ReactionItem(
            participant=one.address.chat_id,
            contact_name=one.contact_name,
            reaction=reaction.emoji,
            timestamp=reaction.at_ms // 1000,
        )
        for one in recipients
        if (reaction := one.row.reaction)
    ]


def reply_items(replies: Iterable[Reply]) -> list[ReplyItem]:
    """What ``getStatusReplies`` answers."""
    return [
        ReplyItem(
            participant=one.viewer.chat_id,
            contact_name=one.contact_name,
            id_message=one.reply_id,
            timestamp=one.at_ms // 1000,
            type_message=REPLY_TYPE[one.kind],
            text_message=one.text,
        )
        for one in replies
    ]
