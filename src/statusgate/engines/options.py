"""Options that an operator gives an instance's engine when creating it."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from statusgate.domain.errors import InvalidRequest

OptionValue = str | int | float | bool
T = TypeVar("T", bound=msgspec.Struct)

_YES_NO: dict[OptionValue, bool] = {"yes": True, "no": False, "on": True, "off": False}


def read_options(kind: type[T], given: Mapping[str, OptionValue]) -> T:
    """Return *given* as an engine's options; numbers and yes/no may be strings.

    Unknown ones are ignored, so an option that a later version no longer has stops no account.
    Raises InvalidRequest.
    """
    known = {
        field.encode_name: _YES_NO.get(value, value) if field.type is bool else value
        for field in msgspec.structs.fields(kind)
        if (value := given.get(field.encode_name)) is not None
    }
    try:
        return msgspec.convert(known, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"engine options: {error}") from error


def check_options(kind: type[msgspec.Struct], given: Mapping[str, OptionValue]) -> None:
    """Raise InvalidRequest that names the first unknown or wrong one of *given*."""
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    for name in given:
        if name not in names:
            known = ", ".join(names)
            raise InvalidRequest(f"engine options: there is no {name!r}; there are {known}")
    read_options(kind, given)
