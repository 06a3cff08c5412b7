"""From the library's events to ours.

Everything here was written by strangers: lengths are capped, control characters replaced, ids
checked, times put into range, and only what can be meant for us is taken.
"""

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet
from neonize.proto import Neonize_pb2 as wire
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message, ProtocolMessage
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync

from statusgate.domain.address import Address
from statusgate.domain.clock import now_ms
from statusgate.domain.events import (
    EngineEvent,
    GapClosed,
    IdentityLearned,
    StatusDeleted,
    StatusReceipt,
    StatusReceived,
    StatusReply,
    StatusUndecryptable,
)
from statusgate.domain.media import MediaRef
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind
from statusgate.engines.neonize.audience import LIDS
from statusgate.engines.neonize.engagement import reaction_of, reply_of
from statusgate.engines.neonize.untrusted import (
    DAY_MS,
    MAX_NAME,
    STATUS_CHAT,
    clean,
    in_range,
    is_id,
    is_status,
    parsed,
    person_of,
)

MAX_THUMBNAIL = 64 * 1024
MAX_IDS = 500
_MAX_KNOWN = 100_000
_FONT_FIELD = 9
_JPEG = b"\xff\xd8\xff"

_MIME = re.compile(r"[ -~]{1,100}")

_RECEIPTS = {
    wire.Receipt.DELIVERED: Progress.DELIVERED,
    wire.Receipt.INACTIVE: Progress.DELIVERED,  # a device that is not in the foreground
    wire.Receipt.READ: Progress.READ,
    wire.Receipt.PLAYED: Progress.READ,
}

_MEDIA = {
    "imageMessage": Kind.IMAGE,
    "videoMessage": Kind.VIDEO,
    "ptvMessage": Kind.VIDEO,  # a round video note
    "audioMessage": Kind.AUDIO,
}

_WITHOUT_CONTENT = {"senderKeyDistributionMessage", "messageContextInfo"}
"""fields that travel with a status, or alone as the first half of a new sender's first one"""


class Converter:
    """Turns the library's protobufs into events; reports each pair of addresses once."""

    def __init__(self, own: Address) -> None:
        self.own = own
        self._known: set[Address] = set()

    def message(self, event: Any) -> list[EngineEvent]:
        """A message: a status, its withdrawal, a reaction, a reply, or nothing of interest."""
        if not is_status(event.Info.MessageSource):
            return self._private(event)
        info = event.Info
        author = _author(info)
        if author is None:
            return []
        from_me = info.MessageSource.IsFromMe or author.meets(self.own)
        author = self.own if from_me else author
        at_ms = in_range(info.Timestamp)
        found: EngineEvent | None
        if event.Message.HasField("protocolMessage"):
            found = _deletion(event.Message.protocolMessage, author, from_me, at_ms)
        elif event.Message.HasField("reactionMessage"):
            reaction = event.Message.reactionMessage
            found = None if from_me else reaction_of(reaction, self.own, author, at_ms)
        else:
            found = status_of(
                event.Message,
                wire_id=info.ID,
                author=author,
                from_me=from_me,
                by_lid=info.MessageSource.Sender.Server == LIDS,
                push_name=clean(info.Pushname, MAX_NAME),
                at_ms=at_ms,
            )
        events: list[EngineEvent] = []
        if found is not None:
            events = [*self._identity(author, at_ms), found]
        if not isinstance(found, StatusReceived) and _content(event.Message):
            # A first attempt may have failed: the gap it left held no status.
            events.append(GapClosed(wire_id=info.ID, author=author, at_ms=at_ms))
        return events

    def _private(self, event: Any) -> list[EngineEvent]:
        """A message to the account alone: a reply to one of its statuses, or nothing."""
        reply = reply_of(event, self.own)
        if reply is None:
            return []
        return [*self._identity(reply.viewer, reply.at_ms), StatusReply(reply=reply)]

    def receipt(self, event: Any) -> list[EngineEvent]:
        """Someone received or viewed statuses of the account."""
        source = event.MessageSource
        kind = _RECEIPTS.get(event.Type)
        viewer = person_of(source)
        if kind is None or viewer is None or not is_status(source):
            return []
        if source.IsFromMe or viewer.meets(self.own):
            return []  # another device of the account is no viewer
        ids = [one for one in event.MessageIDs if is_id(one)]
        at_ms = in_range(event.Timestamp * 1000)  # seconds here, milliseconds in messages
        found: list[EngineEvent] = [
            StatusReceipt(
                wire_ids=tuple(ids[start : start + MAX_IDS]),
                viewer=viewer,
                kind=kind,
                at_ms=at_ms,
            )
            for start in range(0, len(ids), MAX_IDS)
        ]
        return [*self._identity(viewer, at_ms), *found] if found else []

    def undecryptable(self, event: Any) -> list[EngineEvent]:
        """A status that cannot be read; what a client would hide then (a like) is no status."""
        if event.DecryptFailMode == wire.UndecryptableMessage.DECRYPT_FAIL_HIDE:
            return []
        author = _author(event.Info)
        if author is None:
            return []
        at_ms = in_range(event.Info.Timestamp)
        return [StatusUndecryptable(wire_id=event.Info.ID, author=author, at_ms=at_ms)]

    def history(self, event: Any) -> Iterator[list[EngineEvent]]:
        """Statuses of the last day that the phone hands over after linking, one by one."""
        if event.Data.syncType != HistorySync.INITIAL_STATUS_V3:
            return
        present_ms = now_ms()
        for old in event.Data.statusV3Messages:
            at_ms = old.messageTimestamp * 1000
            author = (
                self.own if old.key.fromMe else parsed(old.key.participant or old.participant)
            )
            if not present_ms - DAY_MS < at_ms <= present_ms + DAY_MS or not author:
                continue
            if old.key.remoteJID != STATUS_CHAT or not is_id(old.key.ID):
                continue
            found = status_of(
                old.message,
                wire_id=old.key.ID,
                author=author,
                from_me=author.meets(self.own),
                by_lid=not author.phone,
                push_name=clean(old.pushName, MAX_NAME),
                at_ms=min(at_ms, present_ms),
            )
            if found is not None:
                yield [found]

    def identity(self, person: Address) -> list[EngineEvent]:
        """Report that both addresses of *person* belong together, once."""
        return self._identity(person, now_ms())

    def _identity(self, person: Address, at_ms: int) -> list[EngineEvent]:
        if not (person.phone and person.lid) or person in self._known or person == self.own:
            return []
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known.add(person)
        return [IdentityLearned(address=person, at_ms=at_ms)]


def evidence(event: Any) -> bytes:
    """Return what to keep of an event that could not be handled: of a private one nothing."""
    if isinstance(event, bytes):
        return event
    if isinstance(event, wire.Message) and not is_status(event.Info.MessageSource):
        return b""
    return bytes(event.SerializePartialToString())


def status_of(message: Any, **common: Any) -> StatusReceived | None:
    """Return the status that *message* is; None if it has no content that we know.

    *common*: the fields of the event that do not depend on the content.
    """
    fields = _content(message)
    if "conversation" in fields:
        return StatusReceived(kind=Kind.TEXT, text=clean(message.conversation), **common)
    if "extendedTextMessage" in fields:
        text = message.extendedTextMessage
        return StatusReceived(
            kind=Kind.TEXT,
            text=clean(text.text),
            background=_colour(text),
            font=font_of(text),
            **common,
        )
    for field, kind in _MEDIA.items():
        if field in fields:
            return _media(kind, getattr(message, field), common)
    return None


def _content(message: Any) -> set[str]:
    """Return the names of the fields that say something to a person."""
    return {field.name for field, _ in message.ListFields()} - _WITHOUT_CONTENT


def font_of(text: Any) -> int | None:
    """Return the font's number, also one that the library's enumeration does not know.

    Such a number survives among the unknown fields: field 9, a small varint.
    """
    if text.HasField("font"):
        return int(text.font)
    unknown: Any = UnknownFieldSet(text)
    found = [field.data for field in unknown if field.field_number == _FONT_FIELD]
    small = [int(one) for one in found if isinstance(one, int) and one < 256]
    return small[-1] if small else None


def _author(info: Any) -> Address | None:
    """Return who posted a status; None of what is no status or has no proper id."""
    known = is_status(info.MessageSource) and is_id(info.ID)
    return person_of(info.MessageSource) if known else None


def _deletion(message: Any, author: Address, from_me: bool, at_ms: int) -> StatusDeleted | None:
    """Return the deletion of a status by its own author; nobody else can withdraw it."""
    if message.type != ProtocolMessage.REVOKE or not is_id(message.key.ID):
        return None
    named = parsed(message.key.participant) if message.key.participant else None
    if not message.key.fromMe and (named is None or not named.meets(author)):
        return None
    return StatusDeleted(wire_id=message.key.ID, author=author, from_me=from_me, at_ms=at_ms)


def _media(kind: Kind, media: Any, common: dict[str, Any]) -> StatusReceived:
    thumbnail = b"" if kind is Kind.AUDIO else media.JPEGThumbnail
    return StatusReceived(
        kind=kind,
        text="" if kind is Kind.AUDIO else clean(media.caption),
        background=_colour(media) if kind is Kind.AUDIO else None,
        media=reference_to(kind, media),
        thumbnail=thumbnail if _is_preview(thumbnail) else b"",
        **common,
    )


def _is_preview(thumbnail: bytes) -> bool:
    """Return whether a preview is what it claims to be, a small JPEG."""
    return thumbnail.startswith(_JPEG) and len(thumbnail) <= MAX_THUMBNAIL


def reference_to(kind: Kind, media: Any) -> MediaRef | None:
    """Keep of a media message what fetching needs; None if it cannot be fetched at all."""
    keys = (media.mediaKey, media.fileSHA256, media.fileEncSHA256)
    if any(len(key) != 32 for key in keys) or not 0 < len(media.directPath) <= 2048:
        return None
    mimetype = media.mimetype if _MIME.fullmatch(media.mimetype) else ""
    kept = type(media)(
        URL=media.URL[:2048],
        directPath=media.directPath,
        mediaKey=media.mediaKey,
        fileSHA256=media.fileSHA256,
        fileEncSHA256=media.fileEncSHA256,
        fileLength=media.fileLength,
        mimetype=mimetype,
    )
    return MediaRef(
        handle=Message(**{f"{kind.name.lower()}Message": kept}).SerializeToString(),
        mimetype=mimetype,
        size=min(media.fileLength, 2**53),
        sha256=media.fileSHA256,
    )


def _colour(message: Any) -> int | None:
    return message.backgroundArgb & 0xFFFFFF if message.HasField("backgroundArgb") else None
