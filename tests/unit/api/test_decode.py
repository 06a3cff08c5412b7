"""JSON and queries from outside (contract 2.4, R9, S14)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.api.edge.decode import (
    MAX_DEPTH,
    json_from,
    parameters,
    query_pairs,
)
from statusgate.api.edge.problems import Refused
from statusgate.domain.errors import BadRequestData

MALFORMED = [
    (b'{"a":1,}', "Unexpected token } in JSON at position 7"),
    (b"[1,]", "Unexpected token ] in JSON at position 3"),
    (b"{a:1}", "Unexpected token a in JSON at position 1"),
    (b"{'a':1}", "Unexpected token ' in JSON at position 1"),
    (b"nul}", "Unexpected token } in JSON at position 3"),
    (b'{"a":tru}', "Unexpected token } in JSON at position 8"),
    (b'{"a" 1}', "Unexpected token 1 in JSON at position 5"),
    (b"[1 2]", "Unexpected token 2 in JSON at position 3"),
    (b'{"a":1}x', "Unexpected token x in JSON at position 7"),
    (b"}", "Unexpected token } in JSON at position 0"),
    (b"+1", "Unexpected token + in JSON at position 0"),
    (b"-x", "Unexpected token x in JSON at position 1"),
    (b"[1.]", "Unexpected token ] in JSON at position 3"),
    (b"[1e+]", "Unexpected token ] in JSON at position 4"),
    (b'["\\q"]', "Unexpected token q in JSON at position 3"),
    (b'["\\u12G4"]', "Unexpected token G in JSON at position 6"),
    (b'["\x01"]', "Unexpected token \x01 in JSON at position 2"),
    (b'{"a":NaN}', "Unexpected token N in JSON at position 5"),
    (b'{"NaN":"NaN","a":-Infinity}', "Unexpected token I in JSON at position 18"),
    (b"[Infinity]", "Unexpected token I in JSON at position 1"),
    ('{"ж😀":x}'.encode(), "Unexpected token x in JSON at position 7"),
    (b"<html>", "Unexpected token < in JSON at position 0"),
    (b" ", "Unexpected end of JSON input"),
    (b'{"a":1', "Unexpected end of JSON input"),
    (b'{"a"', "Unexpected end of JSON input"),
    (b'{"a":"b', "Unexpected end of JSON input"),
    (b'{"a":"\\', "Unexpected end of JSON input"),
    (b'{"a":tr', "Unexpected end of JSON input"),
    (b"-", "Unexpected end of JSON input"),
    (b"[1e", "Unexpected end of JSON input"),
]


@pytest.mark.parametrize(("body", "message"), MALFORMED)
def test_malformed_json_is_told_with_its_place(body: bytes, message: str) -> None:
    with pytest.raises(Refused) as refused:
        json_from(body)
    assert (refused.value.code, refused.value.message) == (400, message)


UNUSABLE = [
    b'{"a":1,"a":2}',
    b'[[{"x":{"a":1,"a":1}}]]',
    b'{"a":9223372036854775808}',
    b'{"a":-9223372036854775809}',
    b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":1e999}',
    b'{"a":"\\u0000"}',
    b'{"\\u0000":1}',
    b'{"a":"\\ud800"}',
    b'{"a":{"b":["\\udfff"]}}',
    b'{"a":"\xff"}',
    b'{"a":"\xed\xa0\x80"}',
    b'{"a":' * 65 + b"1" + b"}" * 65,
    b"[" * 10_000 + b"]" * 10_000,
    b"[" * 200_000,
]


@pytest.mark.parametrize("body", UNUSABLE, ids=lambda body: body[:24].decode("latin-1"))
def test_what_no_database_keeps_is_refused(body: bytes) -> None:
    with pytest.raises((BadRequestData, Refused)) as refused:
        json_from(body)
    if isinstance(refused.value, Refused):
        assert refused.value.code == 400


def test_what_is_small_as_text_and_huge_in_memory_is_refused() -> None:
    with pytest.raises(BadRequestData):
        json_from(b"[" + b"[]," * 2_000_001 + b"[]]")


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", {}),
        (b"{}", {}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        (
            b'{"a":9223372036854775807,"b":-9223372036854775808}',
            {"a": 2**63 - 1, "b": -(2**63)},
        ),
        (b'{"a":60.0}', {"a": 60.0}),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
        (b'{"a":"' + b"[" * 100 + b'"}', {"a": "[" * 100}),
    ],
)
def test_what_is_fine_is_read(body: bytes, value: Any) -> None:
    assert json_from(body) == value


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cc", "Cs"])), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(values, st.booleans())
def test_every_json_value_is_read_as_it_is(value: Any, escape: bool) -> None:
    body = json.dumps(value, ensure_ascii=escape).encode()
    assert json_from(body) == value


@given(
    st.binary(max_size=40)
    | st.text(alphabet='{}[]":,\\u01eENaI-. ', max_size=24).map(str.encode)
)
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    refused = None
    try:
        json_from(body)
    except BadRequestData:
        pass
    except Refused as error:
        refused = error
    else:
        return
    assert refused is None or refused.message.startswith("Unexpected ")


def test_queries_are_decoded_once() -> None:
    pairs = query_pairs(b"a=1&b=%2531&c=x+y&&d&e=%D0%96")
    assert pairs == [("a", "1"), ("b", "%31"), ("c", "x y"), ("d", ""), ("e", "Ж")]


@pytest.mark.parametrize("query", [b"a=%ff", b"a=1&a=2", b"a=%00", b"%00=a", b"a=\xff"])
def test_queries_that_cannot_be_used_are_refused(query: bytes) -> None:
    with pytest.raises(BadRequestData):
        parameters(query_pairs(query))
