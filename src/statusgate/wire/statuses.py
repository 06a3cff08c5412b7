"""The shapes of journal items, for documentation and checks (contract 3.8, 3.9).

The answers themselves are joined from bytes that ``journal_items`` has encoded.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

FontName = Literal["SERIF", "SANS_SERIF", "NORICAN_REGULAR", "BRYNDAN_WRITE", "OSWALD_HEAVY"]
TypeMessage = Literal["extendedTextMessage", "imageMessage", "videoMessage", "audioMessage"]
StatusMessage = Literal["pending", "sent", "delivered", "read", "failed"]


class IncomingText(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A text, its colour (#RRGGBB) and font."""

    text: str
    background_color: str
    font: FontName


class OutgoingText(IncomingText, frozen=True, kw_only=True, rename="camel"):
    """As incoming, and whom it was sent to; ``[]``: all contacts."""

    participants: list[str]


class _Item(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type"):
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


class IncomingItem(_Item, frozen=True, kw_only=True, rename="camel", tag="incoming"):
    """A status somebody posted; times are unix seconds."""

    extended_text_message: IncomingText | UnsetType = UNSET
    sender_id: str
    sender_name: str
    sender_contact_name: str


class OutgoingItem(_Item, frozen=True, kw_only=True, rename="camel", tag="outgoing"):
    """A status of the account; *timestamp* is that of the last action."""

    extended_text_message: OutgoingText | UnsetType = UNSET
    participants: list[str]
    status_message: StatusMessage
    send_by_api: bool


class DownloadAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Where the file of a status is."""

    download_url: str


class SimulateAnswer(msgspec.Struct, frozen=True):
    """How many events were recorded."""

    accepted: int
