"""What a developer sends to ``simulate``, read into script events (contract 12.9)."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeVar

from statusgate.domain.address import Address, parse_chat_id
from statusgate.domain.errors import BadRequestData, InvalidRequest
from statusgate.domain.ids import MAX_STATUS_ID_LENGTH
from statusgate.domain.instance import State
from statusgate.domain.receipt import Progress
from statusgate.domain.script import Met, Moved, Posted, ScriptEvent, Viewed, Withdrawn
from statusgate.domain.status import Font, Kind

T = TypeVar("T")

MAX_EVENTS: Final = 10_000
MAX_FILE_SIZE: Final = 16 * 1024 * 1024
_MAX_FILE_TEXT = (MAX_FILE_SIZE + 2) // 3 * 4
_MAX_TEXT = 500
_MAX_CAPTION = 1024
_MAX_NAME = 255
_MAX_SECONDS = 253_402_300_799  # the year 9999 ends
_MAX_SHOWN_KEY = 64

_KINDS = {"text": Kind.TEXT, "image": Kind.IMAGE, "video": Kind.VIDEO, "audio": Kind.AUDIO}
_FONTS = {
    font.name: font.value
    for font in (
        Font.SERIF,
        Font.SANS_SERIF,
        Font.NORICAN_REGULAR,
        Font.BRYNDAN_WRITE,
        Font.OSWALD_HEAVY,
    )
}
_RECEIPTS = {"delivered": Progress.DELIVERED, "read": Progress.READ}
_STATES = {
    state.value: state
    for state in (
        State.AUTHORIZED,
        State.NOT_AUTHORIZED,
        State.BLOCKED,
        State.STARTING,
        State.SUSPENDED,
    )
}
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_DIGITS = re.compile(r"-?[0-9]{1,30}")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def decode_script(body: bytes) -> list[ScriptEvent]:
    """Read a script from JSON text.

    Raises InvalidRequest for a fault in the script, BadRequestData for what is no JSON array.
    """
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise BadRequestData(str(error)[:200]) from error
    return script_from_json(value)


def script_from_json(value: object) -> list[ScriptEvent]:
    """Read a script from a parsed JSON value, an array of 1-10,000 events.

    Raises InvalidRequest, naming the first fault, or BadRequestData if it is no array or has
    strings that cannot be stored.
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
        raise InvalidRequest(f"'{label}' must be an object")
    fields = _Fields(label, item)
    event = fields.choice("event", _READERS)(fields)
    fields.refuse_others()
    return event


class _Fields:
    """The fields of one event, read by name; whatever was not asked for is refused."""

    def __init__(self, label: str, item: Mapping[Any, object]) -> None:
        self._label = label
        self._item = item
        self._asked: set[str] = set()

    def text(self, key: str, limit: int) -> str:
        """Return a required string of 1 to *limit* code points."""
        text = self._string(key)
        if text is None:
            self.fail(key, "is required")
        if not text:
            self.fail(key, "is not allowed to be empty")
        return self._within(key, text, limit)

    def optional_text(self, key: str, limit: int) -> str:
        """Return a string of at most *limit* code points, ``""`` if absent."""
        return self._within(key, self._string(key) or "", limit)

    def choice(self, key: str, choices: Mapping[str, T]) -> T:
        """Return what the required name at *key* stands for."""
        name = self.text(key, _MAX_TEXT)
        if name not in choices:
            self._fail_choice(key, choices)
        return choices[name]

    def optional_choice(self, key: str, choices: Mapping[str, T]) -> T | None:
        name = self._string(key)
        if not name:
            return None
        if name not in choices:
            self._fail_choice(key, choices)
        return choices[name]

    def address(self, key: str) -> Address:
        """Return whom the required chat id at *key* means."""
        address = parse_chat_id(self.text(key, _MAX_TEXT))
        if address is None:
            self.fail(
                key, "must be one of the next formats: 'phone_number@c.us' or 'chat_id@lid'"
            )
        return address

    def optional_phone(self, key: str) -> str:
        """Return the digits of a ``…@c.us``, ``""`` if absent."""
        text = self._string(key)
        if not text:
            return ""
        address = parse_chat_id(text)
        if address is None or not address.phone:
            self.fail(key, "must be one of the next formats: 'phone_number@c.us'")
        return address.phone

    def colour(self, key: str) -> int | None:
        """Return 0xRRGGBB."""
        text = self._string(key)
        if not text:
            return None
        if _COLOUR.fullmatch(text) is None:
            self.fail(key, "must be in the format '#RRGGBB'")
        return int(text[1:], 16)

    def seconds(self, key: str) -> int | None:
        """Return unix seconds; digit strings and whole floats count (contract 2.4)."""
        value = self._value(key)
        if value is None or value == "":
            return None
        number = _whole_number(value)
        if number is None:
            self.fail(key, "must be a number")
        if number < 0:
            self.fail(key, "must be greater than or equal to 0")
        if number > _MAX_SECONDS:
            self.fail(key, f"must be less than or equal to {_MAX_SECONDS}")
        return number

    def file(self, key: str) -> bytes | None:
        """Return the bytes of a base64 string."""
        text = self._string(key)
        if not text:
            return None
        self._within(key, text, _MAX_FILE_TEXT)
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            self.fail(key, "must be a valid base64 string")
        if len(data) > MAX_FILE_SIZE:
            self.fail(
                key, f"length must be less than or equal to {_MAX_FILE_TEXT} characters long"
            )
        return data

    def refuse_others(self) -> None:
        """Raise InvalidRequest if a key is left that nobody asked for."""
        for key in self._item:
            if key not in self._asked:
                shown = _storable(str(key))[:_MAX_SHOWN_KEY]
                self.fail(shown, "is not allowed")

    def fail(self, key: str, fault: str) -> NoReturn:
        raise InvalidRequest(f"'{self._label}.{key}' {fault}")

    def _value(self, key: str) -> object:
        self._asked.add(key)
        return self._item.get(key)

    def _string(self, key: str) -> str | None:
        value = self._value(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.fail(key, "must be a string")
        return _storable(value)

    def _within(self, key: str, text: str, limit: int) -> str:
        if len(text) > limit:
            self.fail(key, f"length must be less than or equal to {limit} characters long")
        return text

    def _fail_choice(self, key: str, choices: Mapping[str, object]) -> NoReturn:
        self.fail(key, f"must be one of [{', '.join(choices)}]")


def _incoming_status(fields: _Fields) -> Posted:
    return _posted(fields, fields.address("from"))


def _phone_status(fields: _Fields) -> Posted:
    return _posted(fields, None)


def _posted(fields: _Fields, author: Address | None) -> Posted:
    """Read a status; fields without a meaning for its type are checked and left out."""
    kind = fields.choice("type", _KINDS)
    is_text = kind is Kind.TEXT
    text = (
        fields.text("text", _MAX_TEXT) if is_text else fields.optional_text("text", _MAX_TEXT)
    )
    background = fields.colour("backgroundColor")
    font = fields.optional_choice("font", _FONTS)
    caption = fields.optional_text("caption", _MAX_CAPTION)
    file = fields.file("file")
    return Posted(
        author=author,
        kind=kind,
        text=text if is_text else "" if kind is Kind.AUDIO else caption,
        background=background if is_text or kind is Kind.AUDIO else None,
        font=font if is_text else None,
        file=None if is_text else file,
        timestamp=fields.seconds("timestamp"),
        status_id=fields.optional_text("idMessage", MAX_STATUS_ID_LENGTH) or None,
    )


def _receipt(fields: _Fields) -> Viewed:
    return Viewed(
        status_id=fields.text("idMessage", MAX_STATUS_ID_LENGTH),
        viewer=fields.address("participant"),
        kind=fields.choice("status", _RECEIPTS),
        timestamp=fields.seconds("timestamp"),
    )


def _delete_status(fields: _Fields) -> Withdrawn:
    return Withdrawn(
        status_id=fields.text("idMessage", MAX_STATUS_ID_LENGTH), author=fields.address("from")
    )


def _contact(fields: _Fields) -> Met:
    return Met(
        address=fields.address("id"),
        name=fields.optional_text("name", _MAX_NAME),
        contact_name=fields.optional_text("contactName", _MAX_NAME),
    )


def _state(fields: _Fields) -> Moved:
    return Moved(state=fields.choice("state", _STATES), phone=fields.optional_phone("wid"))


_READERS: Mapping[str, Callable[[_Fields], ScriptEvent]] = {
    "incomingStatus": _incoming_status,
    "phoneStatus": _phone_status,
    "receipt": _receipt,
    "deleteStatus": _delete_status,
    "contact": _contact,
    "state": _state,
}


def _whole_number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return None


def _storable(text: str) -> str:
    """Refuse what no database keeps (contract 2.4)."""
    if _UNSTORABLE.search(text):
        raise BadRequestData("NUL or a lone surrogate in a string")
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate keys")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
