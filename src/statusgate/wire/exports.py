"""Rows of ``exportStatuses`` as CSV and JSON lines (contract 12.6)."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any, Literal

import msgspec

from statusgate.domain.media import media_url
from statusgate.domain.receipt import PROGRESS_NAMES, ProgressName, Recipient
from statusgate.domain.reply import Reply
from statusgate.domain.status import FailureReason, FontName, Kind, Status, colour, font_name
from statusgate.wire.engagement import REPLY_TYPE, ReplyType
from statusgate.wire.statuses import TYPE_MESSAGE, TypeMessage

What = Literal["statuses", "receipts", "reactions", "replies"]
Format = Literal["csv", "jsonl"]
CONTENT_TYPE: dict[Format, bytes] = {
    "csv": b"text/csv; charset=utf-8; header=present",
    "jsonl": b"application/x-ndjson",
}
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""A cell that begins with one of these is a formula to a spreadsheet."""
_encode_lines = msgspec.json.Encoder().encode_lines


class _Row(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Root of the rows: times are unix seconds, None: absent.

    The first column says where to go on: an export with ``from`` = *postedAt* has this row
    and all after it.
    """

    posted_at: int
    """of the status"""
    id_message: str
    """of the status"""


class StatusRow(_Row, frozen=True, kw_only=True, rename="camel"):
    """A status of either direction; counts are of outgoing ones."""

    type: Literal["incoming", "outgoing"]
    timestamp: int
    type_message: TypeMessage
    chat_id: str
    sender_name: str | None = None
    sender_contact_name: str | None = None
    text_message: str | None = None
    background_color: str | None = None
    font: FontName | None = None
    caption: str | None = None
    file_name: str | None = None
    mime_type: str | None = None
    download_url: str | None = None
    status_message: ProgressName | None = None
    send_by_api: bool | None = None
    participants: tuple[str, ...] | None = None
    recipients: int | None = None
    delivered: int | None = None
    read: int | None = None
    reactions: int | None = None
    replies: int | None = None
    failure_reason: FailureReason | None = None


class _PersonRow(_Row, frozen=True, kw_only=True, rename="camel"):
    participant: str
    contact_name: str


class ReceiptRow(_PersonRow, frozen=True, kw_only=True, rename="camel"):
    """A recipient of an outgoing status: how far it came, and when."""

    status: ProgressName
    timestamp: int
    sent_at: int | None
    delivered_at: int | None
    read_at: int | None


class ReactionRow(_PersonRow, frozen=True, kw_only=True, rename="camel"):
    """Somebody's latest reaction to an outgoing status."""

    reaction: str
    timestamp: int


class ReplyRow(_PersonRow, frozen=True, kw_only=True, rename="camel"):
    """A reply to an outgoing status."""

    reply_id: str
    timestamp: int
    type_message: ReplyType
    text_message: str


Row = StatusRow | ReceiptRow | ReactionRow | ReplyRow
ROWS: dict[What, type[Row]] = {
    "statuses": StatusRow,
    "receipts": ReceiptRow,
    "reactions": ReactionRow,
    "replies": ReplyRow,
}


def status_row(status: Status, public_url: str) -> StatusRow:
    """A status as a row; an incoming one has neither progress nor counts."""
    shared: dict[str, Any] = {
        "posted_at": status.posted_ms // 1000,
        "id_message": status.status_id,
        "type_message": TYPE_MESSAGE[status.kind],
        "chat_id": status.author.chat_id,
        **(_text(status) if status.kind is Kind.TEXT else _file(status, public_url)),
    }
    if not status.outgoing:
        return StatusRow(
            **shared,
            type="incoming",
            timestamp=status.posted_ms // 1000,
            sender_name=status.author_name,
            sender_contact_name=status.author_contact_name,
        )
    return StatusRow(
        **shared,
        **msgspec.structs.asdict(status.counts),
        type="outgoing",
        timestamp=status.last_action_ms // 1000,
        status_message=PROGRESS_NAMES[status.progress],
        send_by_api=status.by_api,
        participants=status.participants,
        failure_reason=status.failure.reason if status.failure else None,
    )


def receipt_row(status: Status, recipient: Recipient) -> ReceiptRow:
    """A recipient as a row, with the times of ``getStatusViewers``."""
    row = recipient.row
    return ReceiptRow(
        posted_at=status.posted_ms // 1000,
        id_message=status.status_id,
        participant=recipient.address.chat_id,
        contact_name=recipient.contact_name,
        status=PROGRESS_NAMES[recipient.progress],
        timestamp=recipient.at_ms // 1000,
        sent_at=None if recipient.refused is not None else _seconds(status.sent_ms),
        delivered_at=_seconds(row.arrived_ms),
        read_at=_seconds(row.read_ms),
    )


def reaction_row(status: Status, recipient: Recipient) -> ReactionRow | None:
    """The reaction of a recipient as a row, if there is one."""
    reaction = recipient.row.reaction
    if reaction is None:
        return None
    return ReactionRow(
        posted_at=status.posted_ms // 1000,
        id_message=status.status_id,
        participant=recipient.address.chat_id,
        contact_name=recipient.contact_name,
        reaction=reaction.emoji,
        timestamp=reaction.at_ms // 1000,
    )


def reply_row(status: Status, reply: Reply) -> ReplyRow:
    """A reply as a row."""
    return ReplyRow(
        posted_at=status.posted_ms // 1000,
        id_message=status.status_id,
        participant=reply.viewer.chat_id,
        contact_name=reply.contact_name,
        reply_id=reply.reply_id,
        timestamp=reply.at_ms // 1000,
        type_message=REPLY_TYPE[reply.kind],
        text_message=reply.text,
    )


def head(what: What, format: Format) -> bytes:
    """What comes before the rows."""
    if format == "jsonl":
        return b""
    return _csv([ROWS[what].__struct_encode_fields__])


def encoded(format: Format, rows: Sequence[Row]) -> bytes:
    """Rows, each with the end of its line.

    CSV is as RFC 4180 has it, in UTF-8; no cell of it is a formula.
    """
    if format == "jsonl":
        return _encode_lines(rows)
    return _csv([_cell(value) for value in msgspec.structs.astuple(row)] for row in rows)


def _csv(lines: Iterable[Iterable[object]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, tuple) else value


def _text(status: Status) -> dict[str, Any]:
    return {
        "text_message": status.text,
        "background_color": colour(status.background),
        "font": font_name(status.font),
    }


def _file(status: Status, public_url: str) -> dict[str, Any]:
    file = status.file
    known: dict[str, Any] = {"mime_type": file.mimetype if file else status.mimetype}
    if file:
        url = media_url(public_url, status.instance_id, file.name)
        known |= {"download_url": url, "file_name": file.name}
    if status.kind is not Kind.AUDIO:
        known["caption"] = status.text
    return known


def _seconds(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms // 1000
