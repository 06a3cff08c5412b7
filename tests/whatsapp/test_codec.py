"""The node codec: every tree survives the way out and back, and junk ends in one error."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.whatsapp import nodes
from tests.whatsapp.jids import LIDS, PHONES, Jid
from tests.whatsapp.nodes import CodecError, Node, Tables, decode, encode, frame, unframe

# Not WhatsApp's words: the codec only needs tables of the right shape.
TABLES = Tables(
    ("", *(f"short{n}" for n in range(1, 236))),
    tuple(tuple(f"long{page}-{n}" for n in range(256)) for page in range(4)),
)

words = st.text(min_size=1, max_size=12)
users = st.text("0123456789", min_size=1, max_size=15)
jids = st.one_of(
    st.builds(Jid, users, st.sampled_from([PHONES, LIDS]), st.integers(0, 255)),
    st.builds(Jid, st.sampled_from(["", "status"]), st.sampled_from(["broadcast", "g.us"])),
)
attributes = st.dictionaries(words, st.one_of(st.text(max_size=20), jids), max_size=5)
leaves = st.builds(Node, words, attributes, st.one_of(st.none(), st.binary(max_size=300)))
trees = st.recursive(
    leaves,
    lambda inner: st.builds(Node, words, attributes, st.lists(inner, max_size=4)),
    max_leaves=12,
)


@given(trees)
def test_every_tree_survives_the_wire(tree: Node) -> None:
    assert decode(encode(tree), TABLES) == tree


@given(st.binary(max_size=200))
def test_junk_ends_in_a_codec_error(data: bytes) -> None:
    try:
        found = unframe(data, TABLES)
    except CodecError:
        return
    assert isinstance(found, Node)


@given(trees, st.data())
def test_a_cut_node_is_an_error(tree: Node, data: st.DataObject) -> None:
    whole = encode(tree)
    with pytest.raises(CodecError):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))], TABLES)


@given(trees, st.binary(min_size=1, max_size=5))
def test_bytes_behind_the_node_are_an_error(tree: Node, excess: bytes) -> None:
    with pytest.raises(CodecError):
        decode(encode(tree) + excess, TABLES)


@given(jids)
def test_an_address_reads_back_as_it_prints(jid: Jid) -> None:
    if jid.user:
        assert Jid.parse(str(jid)) == jid
    assert jid.person.device == 0


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (b"\x05", "short5"),
        (b"\xec\x07", "long0-7"),
        (b"\xef\xff", "long3-255"),
        (b"\xff\x02\x12\x3a", "123-"),
        (b"\xff\x82\x1b\x4f", "1.4"),
        (b"\xfb\x02\x0f\xa0", "0FA0"),
        (b"\xfb\x81\xc0", "C"),
        (b"\xfc\x02hi", "hi"),
        (b"\xfd\x00\x00\x02hi", "hi"),
        (b"\xfe\x00\x00\x00\x02hi", "hi"),
    ],
)
def test_all_packed_forms_of_text_are_read(packed: bytes, text: str) -> None:
    assert decode(b"\xf8\x01" + packed, TABLES).tag == text
    assert decode(b"\xf8\x02\x05" + packed, TABLES).data == text.encode()


@pytest.mark.parametrize(
    ("packed", "jid"),
    [
        (b"\xfa\x00\x05", Jid("", "short5")),
        (b"\xfa\xff\x01\x79\x05", Jid("79", "short5")),
        (b"\xf7\x00\x03\xff\x01\x79", Jid("79", PHONES, 3)),
        (b"\xf7\x01\x03\xff\x01\x79", Jid("79", LIDS, 3)),
    ],
)
def test_both_forms_of_addresses_are_read(packed: bytes, jid: Jid) -> None:
    assert decode(b"\xf8\x03\x05\x06" + packed, TABLES).attrs == {"short6": jid}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00", id="node without a tag"),
        pytest.param(b"\xf8\x01\xf6", id="unknown leading byte"),
        pytest.param(b"\xf8\x01\xf8", id="list as a tag"),
        pytest.param(b"\xf8\x01\xff\x80", id="no character to drop"),
        pytest.param(b"\xf8\x01\xff\x01\xcc", id="nibble without a character"),
        pytest.param(b"\xf8\x01\xfc\x01\xff", id="not UTF-8"),
        pytest.param(b"\xf8\x03\x05\x05\xf7\x07\x01\x05", id="unknown domain"),
        pytest.param(b"\xf8\x02\x05\xfe\xff\xff\xff\xff", id="length beyond the frame"),
    ],
)
def test_broken_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode(data, TABLES)


def test_a_tree_too_deep_is_refused() -> None:
    deep = b"\xf8\x02\x05\xf8\x01" * (nodes.MAX_DEPTH + 1) + b"\xf8\x01\x05"
    with pytest.raises(CodecError, match="too deep"):
        decode(deep, TABLES)


def test_a_tree_too_large_is_refused() -> None:
    branch = b"\xf8\x02\x05\xf9\xff\xff" + b"\xf8\x01\x05" * 0xFFFF
    with pytest.raises(CodecError, match="too large"):
        decode(b"\xf8\x02\x05\xf8\x02" + branch * 2, TABLES)


def test_a_compressed_frame_is_read_and_a_bomb_refused() -> None:
    tree = Node("iq", {"id": "1"}, b"x" * 1000)
    assert unframe(b"\x02" + zlib.compress(encode(tree)), TABLES) == tree
    assert unframe(frame(tree), TABLES) == tree
    with pytest.raises(CodecError, match="zlib"):
        unframe(b"\x02" + zlib.compress(bytes(nodes.MAX_FRAME + 1)), TABLES)
    with pytest.raises(CodecError, match="zlib"):
        unframe(b"\x02" + zlib.compress(encode(tree))[:-3], TABLES)


def test_what_has_no_packed_form_is_refused() -> None:
    with pytest.raises(CodecError):
        encode(Node("a", {"to": Jid("1", "g.us", 3)}))
    with pytest.raises(CodecError):
        encode(Node("a", {"to": Jid("1", PHONES, 256)}))
    with pytest.raises(CodecError):
        encode(Node("a", {}, [Node("b")] * 65536))
    with pytest.raises(CodecError):
        encode(Node("a", {}, bytes(nodes.MAX_FRAME)))
