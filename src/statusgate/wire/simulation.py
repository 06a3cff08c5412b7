"""Reads the events that a developer sends to ``simulate`` (contract 12.9).

Unlike everywhere else, keys that an event does not have are refused.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, get_args

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
from statusgate.domain.status import Font, FontName, Kind
from statusgate.wire import fields
from statusgate.wire.publishing import MAX_CAPTION, MAX_TEXT, colour
from statusgate.wire.requests import MAX_NAME

T = TypeVar("T")

MAX_EVENTS: Final = 10_000
MAX_FILE_SIZE: Final = 16 * 1024 * 1024
_MAX_FILE_TEXT = (MAX_FILE_SIZE + 2) // 3 * 4
_MAX_SECONDS = 253_402_300_799  # the year 9999 ends
_MAX_SHOWN_KEY = 64


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


def _event(label: str, item: object) -> ScriptEvent:
    if not isinstance(item, dict):
        fields.fail(label, "must be an object")
    given = _Event(label, item)
    event: ScriptEvent = given.required("event", _EVENT)(given)
    given.refuse_others()
    return event


class _Event:
    """The keys of one event; whatever was not asked for is refused at the end."""

    def __init__(self, label: str, item: Mapping[Any, object]) -> None:
        self._label = label
        self._item = item
        self._asked: set[str] = set()

    def required(self, key: str, read: fields.Read, *, blank: bool = False) -> Any:
        """Return what *read* makes of the value at *key*.

        Absent is a fault, and so is ``""`` unless *blank*.
        """
        value = self._value(key)
        if not (blank and value == ""):
            fields.check_presence(self._name(key), value)
        return read(self._name(key), value)

    def optional(self, key: str, read: fields.Read, absent: Any = None) -> Any:
        """As ``required``, but return *absent* if there is no value, or ``""``."""
        value = self._value(key)
        return absent if value is None or value == "" else read(self._name(key), value)

    def refuse_others(self) -> None:
        """Raise InvalidRequest for the first key that was not asked for."""
        for key in self._item:
            if key not in self._asked:
                fields.fail(self._name(str(key)[:_MAX_SHOWN_KEY]), "is not allowed")

    def _value(self, key: str) -> object:
        self._asked.add(key)
        return self._item.get(key)

    def _name(self, key: str) -> str:
        return f"{self._label}.{key}"


def _one_of(choices: Mapping[str, T]) -> Callable[[str, object], T]:
    """What one of the names in *choices* stands for."""
    name_of = fields.choice(list(choices))
    return lambda name, value: choices[name_of(name, value)]


def _rgb(name: str, value: object) -> int:
    """``#RRGGBB`` as a number."""
    return int(colour(name, value)[1:], 16)


def _phone(name: str, value: object) -> str:
    """The digits of ``…@c.us``."""
    phone = fields.address(name, value).phone
    if not phone:
        fields.fail(name, "must be one of the next formats: 'phone_number@c.us'")
    return phone


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


_KIND = _one_of(
    {"text": Kind.TEXT, "image": Kind.IMAGE, "video": Kind.VIDEO, "audio": Kind.AUDIO}
)
_FONT = _one_of({name: Font[name].value for name in get_args(FontName)})
_RECEIPT = _one_of({"delivered": Progress.DELIVERED, "read": Progress.READ})
_REPLY_KIND = _one_of({kind.name.lower(): kind for kind in ReplyKind})
_STATE = _one_of(
    {
        state.value: state
        for state in (
            State.AUTHORIZED,
            State.NOT_AUTHORIZED,
            State.BLOCKED,
            State.STARTING,
            State.SUSPENDED,
        )
    }
)
_SECONDS = fields.integer(0, _MAX_SECONDS)
_STATUS_ID = fields.text(MAX_STATUS_ID_LENGTH)
_TEXT = fields.text(MAX_TEXT)
_NAME = fields.text(MAX_NAME)


def _incoming_status(given: _Event) -> Posted:
    return _posted(given, given.required("from", fields.address))


def _phone_status(given: _Event) -> Posted:
    return _posted(given, None)


def _posted(given: _Event, author: Address | None) -> Posted:
    """Read a status; keys without a meaning for its type are checked and left out."""
    kind = given.required("type", _KIND)
    is_text = kind is Kind.TEXT
    text = given.required("text", _TEXT) if is_text else given.optional("text", _TEXT)
    background = given.optional("backgroundColor", _rgb)
    font = given.optional("font", _FONT)
    caption = given.optional("caption", fields.text(MAX_CAPTION), "")
    file = given.optional("file", _file)
    return Posted(
        author=author,
        kind=kind,
        text=text if is_text else "" if kind is Kind.AUDIO else caption,
        background=background if is_text or kind is Kind.AUDIO else None,
        font=font if is_text else None,
        file=None if is_text else file,
        timestamp=given.optional("timestamp", _SECONDS),
        status_id=given.optional("idMessage", _STATUS_ID),
    )


def _receipt(given: _Event) -> Viewed:
    return Viewed(
        status_id=given.required("idMessage", _STATUS_ID),
        viewer=given.required("participant", fields.address),
        kind=given.required("status", _RECEIPT),
        timestamp=given.optional("timestamp", _SECONDS),
    )


def _reaction(given: _Event) -> Reacted:
    return Reacted(
        status_id=given.required("idMessage", _STATUS_ID),
        viewer=given.required("participant", fields.address),
        reaction=given.required("reaction", fields.text(MAX_REACTION), blank=True),
        timestamp=given.optional("timestamp", _SECONDS),
    )


def _reply(given: _Event) -> Replied:
    """Read a reply; of files ``text`` is the caption."""
    status_id = given.required("idMessage", _STATUS_ID)
    viewer = given.required("participant", fields.address)
    kind = given.optional("type", _REPLY_KIND, ReplyKind.TEXT)
    text = fields.text(MAX_REPLY)
    return Replied(
        status_id=status_id,
        viewer=viewer,
        kind=kind,
        text=given.required("text", text)
        if kind is ReplyKind.TEXT
        else given.optional("text", text, ""),
        timestamp=given.optional("timestamp", _SECONDS),
        reply_id=given.optional("replyId", _STATUS_ID),
    )


def _deletion(given: _Event) -> Withdrawn:
    return Withdrawn(
        status_id=given.required("idMessage", _STATUS_ID),
        author=given.required("from", fields.address),
    )


def _contact(given: _Event) -> Met:
    return Met(
        address=given.required("id", fields.address),
        name=given.optional("name", _NAME, ""),
        contact_name=given.optional("contactName", _NAME, ""),
    )


def _state(given: _Event) -> Moved:
    return Moved(state=given.required("state", _STATE), phone=given.optional("wid", _phone, ""))


_EVENT = _one_of(
    {
        "incomingStatus": _incoming_status,
        "phoneStatus": _phone_status,
        "receipt": _receipt,
        "reaction": _reaction,
        "reply": _reply,
        "deleteStatus": _deletion,
        "contact": _contact,
        "state": _state,
    }
)
