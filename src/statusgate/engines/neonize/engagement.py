"""What people make of our statuses: reactions, and replies among private messages.

A reaction comes to the chat of statuses, a reply as a private message. Of a private message
only the reference to what it quotes is looked at; unless that is a status of the account,
nothing else of it is read.
"""

from typing import Any

from statusgate.domain.address import Address
from statusgate.domain.events import StatusReaction
from statusgate.domain.reply import MAX_REACTION, Reply, ReplyKind
from statusgate.engines.neonize.untrusted import (
    DAY_MS,
    STATUS_CHAT,
    clean,
    in_range,
    is_id,
    jid_address,
    parsed,
    person_of,
)

_CLOCKS_DIFFER_MS = 1000

_REPLIES = {
    "extendedTextMessage": (ReplyKind.TEXT, "text"),
    "imageMessage": (ReplyKind.IMAGE, "caption"),
    "videoMessage": (ReplyKind.VIDEO, "caption"),
    "ptvMessage": (ReplyKind.VIDEO, "caption"),
    "audioMessage": (ReplyKind.AUDIO, ""),
    "documentMessage": (ReplyKind.DOCUMENT, "caption"),
    "stickerMessage": (ReplyKind.STICKER, ""),
}
"""the fields of a message that can quote, and where their text is"""


def reaction_of(
    message: Any, own: Address, viewer: Address, at_ms: int
) -> StatusReaction | None:
    """Return the reaction of *viewer* to a status of *own*; None if it is to another's."""
    key, emoji = message.key, message.text
    if key.fromMe or key.remoteJID not in ("", STATUS_CHAT) or not is_id(key.ID):
        return None
    if key.participant and not _is(own, key.participant):
        return None
    if len(emoji) > MAX_REACTION:
        return None
    said_ms = message.senderTimestampMS
    plausible = at_ms - DAY_MS <= said_ms <= at_ms + _CLOCKS_DIFFER_MS
    return StatusReaction(
        wire_id=key.ID,
        viewer=viewer,
        reaction=clean(emoji),
        at_ms=said_ms if plausible else at_ms,
    )


def reply_of(event: Any, own: Address) -> Reply | None:
    """Return the reply to a status of *own* that a private message is, else None."""
    info = event.Info
    viewer = _correspondent(info.MessageSource, own)
    if viewer is None or not is_id(info.ID):
        return None
    for field, (kind, text) in _REPLIES.items():
        if not event.Message.HasField(field):
            continue
        content = getattr(event.Message, field)
        quoted = content.contextInfo
        if not _quotes_status_of(own, quoted):
            return None
        return Reply(
            wire_id=quoted.stanzaID,
            viewer=viewer,
            reply_id=info.ID,
            kind=kind,
            text=clean(getattr(content, text)) if text else "",
            at_ms=in_range(info.Timestamp),
        )
    return None


def _correspondent(source: Any, own: Address) -> Address | None:
    """Return who wrote to the account alone; None for groups and for its own devices."""
    if source.IsFromMe or source.IsGroup or jid_address(source.Chat) is None:
        return None
    person = person_of(source)
    return None if person is None or person.meets(own) else person


def _quotes_status_of(own: Address, quoted: Any) -> bool:
    """Return whether a message's context names a status, and *own* as its author."""
    is_of_a_status = quoted.remoteJID == STATUS_CHAT and is_id(quoted.stanzaID)
    return is_of_a_status and _is(own, quoted.participant)


def _is(own: Address, jid: str) -> bool:
    named = parsed(jid)
    return named is not None and named.meets(own)
