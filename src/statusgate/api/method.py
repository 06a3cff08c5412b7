"""What a row of the method table says."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from statusgate.wire.fields import Given, reader

Verb = Literal["GET", "POST", "DELETE", "WEBSOCKET"]
Handler = Callable[..., Awaitable[Any]]
MIB = 1 << 20


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One method: how it is called, what it takes, who answers."""

    name: str
    verb: Verb
    handler: Handler
    answer: Any
    """the type that describes the answer; None: its body is empty"""
    about: str
    """one sentence for the documentation"""
    section: str
    """of the contract"""
    request: Any = None
    """the struct that describes the parameters; None: there are none"""
    read: Callable[[Given], Any] | None = None
    """makes the request of what was given; None: there are no parameters"""
    kind: Literal["contract", "extension"] = "contract"
    rate: int | None = None
    """requests a second in the profile ``green-api``; None: unlimited"""
    status_access: bool = False
    """answers 403 while the operator has the status methods off (contract 3.1)"""
    changes: bool = False
    """a GET that changes something: no HEAD, no prefetch (contract 2.6)"""
    live: bool = False
    """needs the open WhatsApp connection (contract 8)"""
    sandbox: bool = False
    """exists only for instances of a sandbox engine; 404 for others"""
    takes_array: bool = False
    """the body is an array, which *read* takes as it is"""
    takes_file: bool = False
    """the body is a file, which the handler takes as it comes"""
    body_limit: int = MIB
    """bytes"""
    bare_integer: str = ""
    """the parameter that a bare integer as body means (contract 2.4)"""
    tail: str = ""
    """the parameter that one more segment of the path means (contract 2.1)"""
    head: Handler | None = None
    """answers HEAD in the handler's place (contract 2.6)"""
    streams: Literal["events", "file"] | None = None
    """the answer is sent as it is made: an event stream, or a file to keep"""


def row(name: str, verb: Verb, section: str, handler: Handler, **more: Any) -> Method:
    """A method, of which the handler says what is not in *more*.

    *request* and *answer* are its annotations (bytes are an answer already made, which has no
    type), *about* is the first paragraph of its docstring, and the request is read by its own
    annotations.
    """
    kinds = inspect.get_annotations(handler)
    request, answer = kinds.get("request"), kinds["return"]
    said: dict[str, Any] = {
        "request": request,
        "answer": None if answer is bytes else answer,
        "about": (inspect.getdoc(handler) or "").partition("\n\n")[0],
    }
    if request is not None and "read" not in more:
        said["read"] = reader(request)
    return Method(name=name, verb=verb, section=section, handler=handler, **(said | more))
