"""Reactions and replies on the wire (contract 13a)."""

from typing import Literal

from statusgate.domain.reply import ReplyKind

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
