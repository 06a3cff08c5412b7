"""What an operator may set on a simulated instance."""

from typing import Annotated, Literal

import msgspec

Profile = Literal["silent", "lively", "burst", "hostile"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The engine options of a sandbox account."""

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
