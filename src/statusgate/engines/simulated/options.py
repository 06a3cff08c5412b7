"""What an operator may set on a simulated instance."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from statusgate.domain.errors import InvalidRequest

Profile = Literal["silent", "lively", "burst", "hostile"]
OptionValue = str | int | float | bool

_YES_NO: dict[OptionValue, bool] = {"yes": True, "no": False}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The engine options the sandbox knows; others (``proxy`` …) do not concern it."""

    auto_authorize: bool = True
    """link at the very first start"""
    profile: Profile = "silent"
    """what viewers do with a post: nothing, look at it after a while, all within a second, or
    everything that real networks do wrong"""
    push_name: Annotated[str, msgspec.Meta(max_length=255)] = "Sandbox"
    contacts: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    """made up at the very first start, every tenth known by LID only"""
    refuse_every: Annotated[int, msgspec.Meta(ge=1)] = 5
    """hostile: every so many-th post is refused with 479"""
    disconnect_every: Annotated[int, msgspec.Meta(ge=1)] = 7
    """hostile: at every so many-th post the connection drops first"""


def options_from(given: Mapping[str, OptionValue]) -> Options:
    """Read engine options; numbers and yes/no may be strings. Raises InvalidRequest."""
    known = {
        name: _YES_NO.get(given[name], given[name])
        for name in Options.__struct_fields__
        if name in given
    }
    try:
        return msgspec.convert(known, Options, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"engine options: {error}") from error
