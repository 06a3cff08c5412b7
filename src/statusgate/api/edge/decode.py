"""JSON and queries from outside, read strictly (contract 2.4, R9).

What no database keeps, what numbers cannot hold and what parsers disagree on is refused here,
before anything else looks at it.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from statusgate.api.edge.problems import Refused
from statusgate.domain.errors import BadRequestData

MAX_DEPTH = 64
MAX_VALUES = 2_000_000
_LARGEST = 2**63
_MOST_DIGITS = 20
_BOM = b"\xef\xbb\xbf"
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)', re.DOTALL)
_BEGUN = re.compile(r"t(?:r(?:ue?)?)?|f(?:a(?:l(?:se?)?)?)?|n(?:u(?:ll?)?)?|-|\.|[eE][+-]?")
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_TRAILING = re.compile(r",[ \t\r\n]*")


def json_from(body: bytes) -> Any:
    """Return the value that *body* is, ``{}`` for an empty body.

    Raises Refused (400, with the place of the fault) for malformed JSON and BadRequestData for
    what is well-formed but cannot be used.
    """
    if not body:
        return {}
    try:
        text = body.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise BadRequestData("not UTF-8") from None
    if text.count(",") + text.count("[") + text.count("{") > MAX_VALUES:
        raise BadRequestData("too many values")  # small as text and huge in memory
    value = _parse(text)
    if _ESCAPED.search(text) or text.count("[") + text.count("{") > MAX_DEPTH:
        _inspect(value, 1)
    return value


def query_pairs(query: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a query, percent-decoded once."""
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_decoded(name), _decoded(value)))
    return pairs


def parameters(pairs: list[tuple[str, str]]) -> Mapping[str, str]:
    """Return query parameters by name; BadRequestData if one is given twice or unstorable."""
    given = dict(pairs)
    if len(given) < len(pairs):
        raise BadRequestData("duplicate parameter")
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise BadRequestData("NUL in a parameter")
    return given


def _decoded(raw: bytes) -> str:
    try:
        if b"%" in raw or b"+" in raw:
            return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
        return raw.decode()
    except UnicodeDecodeError:
        raise BadRequestData("not UTF-8") from None


def _parse(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=lambda _name: _refuse_constant(text),
        )
    except json.JSONDecodeError as error:
        raise malformed(text, _fault_position(text, error)) from None
    except RecursionError:
        raise BadRequestData("nested too deeply") from None


def malformed(text: str, position: int) -> Refused:
    """Return the answer for JSON that breaks at *position*, counted as JavaScript does."""
    if position >= len(text):
        return Refused(400, "Unexpected end of JSON input")
    units = len(text[:position].encode("utf-16-le", "surrogatepass")) // 2
    return Refused(400, f"Unexpected token {text[position]} in JSON at position {units}")


def _fault_position(text: str, error: json.JSONDecodeError) -> int:
    """Return the index of the first character that cannot be, wherever Python points to."""
    if error.msg.startswith("Unterminated string"):
        return len(text)
    if error.msg.startswith("Invalid \\"):
        return _after(_ESCAPE, text, text.rfind("\\", 0, error.pos + 1))
    if error.msg.startswith("Illegal trailing comma"):
        return _after(_TRAILING, text, error.pos)
    if error.msg.startswith("Invalid control"):
        return error.pos
    return _after(_BEGUN, text, error.pos)


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


def _refuse_constant(text: str) -> NoReturn:
    """NaN and Infinity are not JSON: name the place of the first one outside strings."""
    for found in _CONSTANT.finditer(text):
        if found[1]:
            raise malformed(text, found.start() + found[1].startswith("-"))
    raise BadRequestData("not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequestData("duplicate keys")
    return found


def _integer(text: str) -> int:
    number = int(text) if len(text) <= _MOST_DIGITS else _LARGEST
    if not -_LARGEST <= number < _LARGEST:
        raise BadRequestData("integer out of range")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadRequestData("number out of range")
    return number


def _inspect(value: Any, depth: int) -> None:
    """Refuse strings that cannot be stored, and nesting beyond MAX_DEPTH."""
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise BadRequestData("NUL or a lone surrogate in a string")
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise BadRequestData("nested too deeply")
        for inner in value:
            _inspect(inner, depth + 1)
        if isinstance(value, dict):
            for inner in value.values():
                _inspect(inner, depth + 1)
