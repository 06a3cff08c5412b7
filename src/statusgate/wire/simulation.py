"""Reads the events that a developer sends to ``simulate`` (contract 12.9).

Unlike everywhere else, keys that an event does not have are refused.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.errors import BadRequestData, InvalidRequest
from statusgate.domain.ids import MAX_STATUS_ID_LENGTH
from statusgate.domain.instance import State
from statusgate.domain.receipt import Progress
from statusgate.domain.reply import MAX_REACTION, MAX_REPLY, ReplyKind
from statusgate.domain.script import (
    Met,
    Moved,
    Posted,
    Reacted,
    Replied,
    ScriptEvent,
    Viewed,
    Withdrawn,
)
from statusgate.domain.status import Font, Kind
from statusgate.wire import fields
from statusgate.wire.publishing import MAX_CAPTION, MAX_TEXT, Colour, PostedFont
from statusgate.wire.requests import ChatId, Name, Request, StatusId

MAX_EVENTS: Final = 10_000
MAX_FILE_SIZE: Final = 16 * 1024 * 1024
_MAX_FILE_TEXT = (MAX_FILE_SIZE + 2) // 3 * 4
_MAX_SECONDS = 253_402_300_799  # the year 9999 ends
_MAX_SHOWN_KEY = 64


def _file(name: str, value: object) -> bytes:
    """The bytes of a base64 string."""
    text: str = fields.text(_MAX_FILE_TEXT)(name, value)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        fields.fail(name, "must be a valid base64 string")
    if len(data) > MAX_FILE_SIZE:
        fields.fail(
            name, f"length must be less than or equal to {_MAX_FILE_TEXT} characters long"
        )
    return data


def _phone_chat_id(name: str, value: object) -> str:
    """``…@c.us``."""
    chat_id: str = fields.chat_id(name, value)
    if not fields.address(name, value).phone:
        fields.fail(name, "must be one of the next formats: 'phone_number@c.us'")
    return chat_id


def _said(description: str | None = None, **more: Any) -> Any:
    """What the schema says of a field; ``read`` and ``blank`` say how it is read."""
    extra: dict[str, Any] = {key: more.pop(key) for key in ("read", "blank") if key in more}
    return msgspec.Meta(description=description, extra=extra, **more)


_PostKind = Literal["text", "image", "video", "audio"]
_ReplyKind = Literal["text", "image", "video", "audio", "document", "sticker"]
_Receipt = Literal["delivered", "read"]
_State = Literal["authorized", "notAuthorized", "blocked", "starting", "suspended"]
_Type = Annotated[_PostKind, _said(read=fields.choice(get_args(_PostKind)))]
_Viewer = Annotated[ChatId, _said("the viewer")]
_Time = Annotated[
    int, _said("unix seconds; none: now; in the future: not before then", ge=0, le=_MAX_SECONDS)
]
_NewId = Annotated[str, _said("none: a new one", max_length=MAX_STATUS_ID_LENGTH)]
_Text = Annotated[str, _said("required for type text", max_length=MAX_TEXT, blank=True)]
_Caption = Annotated[str, _said("of a picture or video", max_length=MAX_CAPTION)]
_File = Annotated[bytes, _said("base64, at most 16 MiB decoded; none: a sample", read=_file)]


class _Event(Request, frozen=True, kw_only=True, tag_field="event", forbid_unknown_fields=True):
    """Root of the events. Each has ``scripted(at)``, which returns the event of a script whose
    place is *at*; it raises InvalidRequest if a key is missing that others ask for."""


class IncomingStatusEvent(_Event, frozen=True, kw_only=True, tag="incomingStatus"):
    """Somebody posts a status."""

    author: Annotated[ChatId, _said("the author")] = msgspec.field(name="from")
    type: _Type
    text: _Text | None = None
    background_color: Colour | None = None
    font: PostedFont | None = None
    caption: _Caption = ""
    file: _File | None = None
    timestamp: _Time | None = None
    id_message: _NewId | None = None

    def scripted(self, at: str) -> Posted:
        return _posted(self, _address(self.author), at)


class PhoneStatusEvent(_Event, frozen=True, kw_only=True, tag="phoneStatus"):
    """The account posts a status on its phone."""

    type: _Type
    text: _Text | None = None
    background_color: Colour | None = None
    font: PostedFont | None = None
    caption: _Caption = ""
    file: _File | None = None
    timestamp: _Time | None = None
    id_message: _NewId | None = None

    def scripted(self, at: str) -> Posted:
        return _posted(self, None, at)


class ReceiptEvent(_Event, frozen=True, kw_only=True, tag="receipt"):
    """A viewer's receipt; may precede its status."""

    id_message: StatusId
    participant: _Viewer
    status: Annotated[_Receipt, _said(read=fields.choice(get_args(_Receipt)))]
    timestamp: _Time | None = None

    def scripted(self, at: str) -> Viewed:
        return Viewed(
            status_id=self.id_message,
            viewer=_address(self.participant),
            kind=Progress[self.status.upper()],
            timestamp=self.timestamp,
        )


class ReactionEvent(_Event, frozen=True, kw_only=True, tag="reaction"):
    """A viewer reacts; may precede its status."""

    id_message: StatusId
    participant: _Viewer
    reaction: Annotated[
        str, _said("an emoji; empty: taken back", max_length=MAX_REACTION, blank=True)
    ]
    timestamp: _Time | None = None

    def scripted(self, at: str) -> Reacted:
        return Reacted(
            status_id=self.id_message,
            viewer=_address(self.participant),
            reaction=self.reaction,
            timestamp=self.timestamp,
        )


class ReplyEvent(_Event, frozen=True, kw_only=True, tag="reply"):
    """A viewer answers in a private message; may precede its status."""

    id_message: StatusId
    participant: _Viewer
    type: Annotated[_ReplyKind, _said(read=fields.choice(get_args(_ReplyKind)))] = "text"
    text: (
        Annotated[
            str,
            _said("required for type text; else the caption", max_length=MAX_REPLY, blank=True),
        ]
        | None
    ) = None
    timestamp: _Time | None = None
    reply_id: _NewId | None = None

    def scripted(self, at: str) -> Replied:
        if self.type == "text":
            fields.check_presence(f"{at}text", self.text)
        return Replied(
            status_id=self.id_message,
            viewer=_address(self.participant),
            kind=ReplyKind[self.type.upper()],
            text=self.text or "",
            timestamp=self.timestamp,
            reply_id=self.reply_id,
        )


class DeleteStatusEvent(_Event, frozen=True, kw_only=True, tag="deleteStatus"):
    """An author withdraws a status."""

    id_message: StatusId
    author: Annotated[ChatId, _said("the author; the account itself: on its phone")] = (
        msgspec.field(name="from")
    )

    def scripted(self, at: str) -> Withdrawn:
        return Withdrawn(status_id=self.id_message, author=_address(self.author))


class ContactEvent(_Event, frozen=True, kw_only=True, tag="contact"):
    """A contact is added or replaced."""

    id: ChatId
    name: Name = ""
    contact_name: Name = ""

    def scripted(self, at: str) -> Met:
        return Met(address=_address(self.id), name=self.name, contact_name=self.contact_name)


class StateEvent(_Event, frozen=True, kw_only=True, tag="state"):
    """The account's state changes."""

    state: Annotated[_State, _said(read=fields.choice(get_args(_State)))]
    wid: (
        Annotated[
            str,
            _said(
                "`phone_number@c.us`; counts when linking",
                pattern=r"^[0-9]{1,20}@c\.us$",
                read=_phone_chat_id,
            ),
        ]
        | None
    ) = None

    def scripted(self, at: str) -> Moved:
        phone = "" if self.wid is None else _address(self.wid).phone
        return Moved(state=State(self.state), phone=phone)


SimulatedEvent = (
    IncomingStatusEvent
    | PhoneStatusEvent
    | ReceiptEvent
    | ReactionEvent
    | ReplyEvent
    | DeleteStatusEvent
    | ContactEvent
    | StateEvent
)
Script = Annotated[list[SimulatedEvent], msgspec.Meta(min_length=1, max_length=MAX_EVENTS)]

_KINDS: dict[str, type[SimulatedEvent]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(SimulatedEvent)
}
_READERS = {tag: fields.reader(kind) for tag, kind in _KINDS.items()}
_NAMES = {tag: fields.names_of(kind) | {"event"} for tag, kind in _KINDS.items()}
_tag = fields.choice([*_KINDS])


def script_from_json(value: object) -> list[ScriptEvent]:
    """Read a script from a parsed JSON value, an array of 1-10,000 events.

    Raises InvalidRequest, naming the first fault, or BadRequestData if it is no array.
    """
    if not isinstance(value, list):
        raise BadRequestData("not an array")
    if not value:
        raise InvalidRequest("'length' must be greater than or equal to 1")
    if len(value) > MAX_EVENTS:
        raise InvalidRequest(f"'length' must be less than or equal to {MAX_EVENTS}")
    return [_event(f"[{index}]", item) for index, item in enumerate(value)]


def _event(place: str, item: object) -> ScriptEvent:
    if not isinstance(item, dict):
        fields.fail(place, "must be an object")
    at = f"{place}."
    fields.check_presence(f"{at}event", item.get("event"))
    tag = _tag(f"{at}event", item["event"])
    event = _READERS[tag](item, at).scripted(at)
    _refuse_others(item, _NAMES[tag], at)
    return event


def _refuse_others(item: Mapping[Any, object], known: frozenset[str], at: str) -> None:
    """Raise InvalidRequest for the first key that the event does not have."""
    for key in item:
        if key not in known:
            fields.fail(f"{at}{str(key)[:_MAX_SHOWN_KEY]}", "is not allowed")


def _posted(
    event: IncomingStatusEvent | PhoneStatusEvent, author: Address | None, at: str
) -> Posted:
    """Make a status; keys without a meaning for its type are left out."""
    is_text = event.type == "text"
    if is_text:
        fields.check_presence(f"{at}text", event.text)
    has_colour = is_text or event.type == "audio"
    background = event.background_color if has_colour else None
    caption = "" if event.type == "audio" else event.caption
    return Posted(
        author=author,
        kind=Kind[event.type.upper()],
        text=(event.text or "") if is_text else caption,
        background=None if background is None else int(background[1:], 16),
        font=Font[event.font].value if is_text and event.font else None,
        file=None if is_text else event.file,
        timestamp=event.timestamp,
        status_id=event.id_message,
    )


def _address(chat_id: str) -> Address:
    return fields.address("chatId", chat_id)
