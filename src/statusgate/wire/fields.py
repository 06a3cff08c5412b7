"""Reads what a caller gave into a request struct, leniently (contract 2.4).

A request struct is type, documentation and validator in one: its annotations carry the
limits, its field order is the order in which faults are named. ``Meta(extra={"read": f})``
gives a field a reader of its own; ``extra={"blank": True}`` makes ``""`` a value instead of an
absence.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol, TypeVar, cast

import msgspec
from msgspec import inspect

from statusgate.domain.address import Address, parse_chat_id
from statusgate.domain.errors import InvalidRequest
from statusgate.wire.urls import url_fault

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
EXTENSION = {"x-statusgate-extension": True}
"""marks, in schemas, what the hosted service does not have (contract 12)"""
Given = Mapping[str, object]
Read = Callable[[str, object], Any]

CHAT_ID_FAULT = "must be one of the next formats: 'phone_number@c.us' or 'chat_id@lid'"
_WHOLE = re.compile(r"-?[0-9]{1,19}(?:\.0{1,9})?")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_LARGEST = 2**63
_YES_NO = {True: True, False: False, "yes": True, "no": False, "true": True, "false": False}


def fail(name: str, fault: str) -> NoReturn:
    """Refuse the field *name*: ``'name' fault``."""
    raise InvalidRequest(f"'{name}' {fault}")


def check_presence(name: str, value: object) -> None:
    """Refuse None and ``""`` as the value of a required field."""
    if value is None:
        fail(name, "is required")
    if value == "":
        fail(name, "is not allowed to be empty")


class Reader(Protocol[T_co]):
    """Makes a request of what was given; *at* stands before the name of a field in a fault."""

    def __call__(self, given: Given, at: str = "") -> T_co: ...


def reader(kind: type[T]) -> Reader[T]:
    """Return a function that makes a *kind* of what was given, or raises InvalidRequest.

    Unknown keys are ignored; None, and ``""`` of an optional field, count as absent.
    """
    described = cast("inspect.StructType", inspect.type_info(kind))
    fields = tuple(_Field(field) for field in described.fields)

    def read(given: Given, at: str = "") -> T:
        values = {}
        for field in fields:
            value = given.get(field.wire_name)
            if value is None or (value == "" and not field.takes_blank):
                if field.required:
                    check_presence(at + field.wire_name, value)
            else:
                values[field.name] = field.read(at + field.wire_name, value)
        return kind(**values)

    return read


class _Field:
    """One field of a request struct: its name, whether it must be there, how to read it."""

    def __init__(self, field: inspect.Field) -> None:
        self.name = field.name
        self.wire_name = field.encode_name
        self.required = field.required
        kind, extra = _unwrapped(field.type)
        self.takes_blank = bool(extra.get("blank"))
        self.read: Read = extra.get("read") or _read_of(kind)


def _unwrapped(kind: inspect.Type) -> tuple[inspect.Type, dict[str, Any]]:
    """Take metadata and the alternatives ``None`` and ``UNSET`` off a type."""
    extra: dict[str, Any] = {}
    while True:
        if isinstance(kind, inspect.Metadata):
            extra |= kind.extra or {}
            kind = kind.type
        elif isinstance(kind, inspect.UnionType):
            kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
        else:
            return kind, extra


def _read_of(kind: inspect.Type) -> Read:
    match kind:
        case inspect.IntType():
            return integer(kind.ge, kind.le)
        case inspect.StrType():
            return text(kind.max_length)
        case inspect.LiteralType():
            return choice([str(value) for value in kind.values])
        case inspect.BoolType():
            return boolean
        case _:
            raise TypeError(f"no way to read {kind}")


def whole_number(value: object) -> int | None:
    """Return the integer that *value* is, was written as (``"60"``) or equals (60.0)."""
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    elif isinstance(value, str) and _WHOLE.fullmatch(value):
        number = int(value.partition(".")[0])
    return number if number is not None and -_LARGEST <= number < _LARGEST else None


def integer(least: int | None, most: int | None) -> Read:
    """A number between *least* and *most*."""

    def read(name: str, value: object) -> int:
        number = whole_number(value)
        if number is None:
            fail(name, "must be a number")
        if least is not None and number < least:
            fail(name, f"must be greater than or equal to {least}")
        if most is not None and number > most:
            fail(name, f"must be less than or equal to {most}")
        return number

    return read


def clamped(least: int, most: int) -> Read:
    """A number from *least* on; more than *most* counts as *most*."""
    at_least = integer(least, None)
    return lambda name, value: min(at_least(name, value), most)


def within(least: int, most: int) -> Read:
    """A number; what is below *least* or above *most* counts as that."""
    number = integer(None, None)
    return lambda name, value: min(max(number(name, value), least), most)


def digits(fewest: int, most: int, fault: str) -> Read:
    """A number of *fewest* to *most* digits without leading zero; anything else is *fault*."""

    def read(name: str, value: object) -> int:
        number = None if str(value).startswith("0") else whole_number(value)
        if number is None or number <= 0 or not fewest <= len(str(number)) <= most:
            fail(name, fault)
        return number

    return read


def string(name: str, value: object) -> str:
    """A string of any length."""
    if not isinstance(value, str):
        fail(name, "must be a string")
    return value


def text(longest: int | None) -> Read:
    """A string of at most *longest* code points."""

    def read(name: str, value: object) -> str:
        given = string(name, value)
        if longest is not None and len(given) > longest:
            fail(name, f"length must be less than or equal to {longest} characters long")
        return given

    return read


def matching(pattern: str, fault: str) -> Read:
    """A string that matches *pattern* as a whole."""
    compiled = re.compile(pattern)

    def read(name: str, value: object) -> str:
        if not isinstance(value, str) or compiled.fullmatch(value) is None:
            fail(name, fault)
        return value

    return read


def choice(values: Sequence[str]) -> Read:
    """One of *values*, exact spelling."""

    def read(name: str, value: object) -> str:
        given = string(name, value)
        if given not in values:
            fail(name, f"must be one of [{', '.join(values)}]")
        return given

    return read


def _switch(shown: str) -> Read:
    def read(name: str, value: object) -> bool:
        if not isinstance(value, bool | str) or value not in _YES_NO:
            fail(name, f"must be one of {shown}")
        return _YES_NO[value]

    return read


yes_no = _switch("[yes, no]")
"""A switch that is emitted as ``yes`` or ``no``; every spelling is read (D25)."""
boolean = _switch("[true, false]")
"""A switch that is emitted as ``true`` or ``false``; every spelling is read (D25)."""


def address(name: str, value: object) -> Address:
    """The person that ``…@c.us`` or ``…@lid`` means."""
    found = parse_chat_id(string(name, value))
    if found is None:
        fail(name, CHAT_ID_FAULT)
    return found


def chat_id(name: str, value: object) -> str:
    """``…@c.us`` or ``…@lid``, as it was written."""
    address(name, value)
    return str(value)


def url(name: str, value: object) -> str:
    """An http(s) URL without fragment, or ``""``."""
    given = string(name, value)
    if given and (fault := url_fault(given)):
        fail(name, fault)
    if "#" in given:
        fail(name, "must not contain a fragment")
    return given


def printable(longest: int) -> Read:
    """A string of printable ASCII characters."""
    within = text(longest)

    def read(name: str, value: object) -> str:
        given: str = within(name, value)
        if _PRINTABLE.fullmatch(given) is None:
            fail(name, "must contain only printable characters")
        return given

    return read


def names_of(kind: type[Any]) -> frozenset[str]:
    """The wire names of a request struct's fields."""
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind))
