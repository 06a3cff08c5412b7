"""Binary nodes: the XML-like tree inside every frame, and its packed form.

The wire facts are in README.md, "Nodes". We write plain strings only, the client writes
dictionary tokens, so the decoder needs the `Tables` and the encoder does not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.whatsapp.jids import LIDS, PHONES, Jid

MAX_FRAME = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 100_000

_EMPTY, _DICTIONARY, _DEVICE, _LIST8, _LIST16, _PAIR = 0, 236, 247, 248, 249, 250
_HEX, _BINARY8, _BINARY20, _BINARY32, _NIBBLE = 251, 252, 253, 254, 255
_SINGLE_TOKENS = 236
_DOMAINS = {0: PHONES, 1: LIDS, 128: "hosted", 129: "hosted.lid"}
_DOMAIN_BYTES = {server: byte for byte, server in _DOMAINS.items()}
_HEX_DIGITS = "0123456789ABCDEF"
_NIBBLES = "0123456789-."


class CodecError(Exception):
    """The bytes are not a node, or the node cannot be packed."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The dictionary of one protocol version: 236 short tokens, 4 pages of 256 long ones."""

    single: Sequence[str]
    double: Sequence[Sequence[str]]


@dataclass(slots=True)
class Node:
    """One element. A value that is an address must be a `Jid`: the client ignores text."""

    tag: str
    attrs: dict[str, str | Jid] = field(default_factory=dict)
    content: list[Node] | bytes | None = None

    @property
    def children(self) -> list[Node]:
        return self.content if isinstance(self.content, list) else []

    @property
    def data(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else b""

    def child(self, tag: str) -> Node | None:
        return next((each for each in self.children if each.tag == tag), None)

    def all(self, tag: str) -> Iterator[Node]:
        return (each for each in self.children if each.tag == tag)

    def text(self, name: str) -> str:
        """The attribute as text, empty when absent."""
        return str(self.attrs.get(name, ""))

    def jid(self, name: str) -> Jid | None:
        """The attribute if it is an address."""
        value = self.attrs.get(name)
        return value if isinstance(value, Jid) else None

    def __str__(self) -> str:
        attrs = "".join(f' {name}="{value}"' for name, value in self.attrs.items())
        if self.content is None:
            return f"<{self.tag}{attrs}/>"
        inside = (
            f"[{len(self.content)} bytes]"
            if isinstance(self.content, bytes)
            else "".join(map(str, self.content))
        )
        return f"<{self.tag}{attrs}>{inside}</{self.tag}>"


Attrs = dict[str, str | int | Jid | None]
Answer = list[Node] | None  # the content of a reply


def node(
    tag: str,
    attrs: Mapping[str, str | int | Jid | None] | None = None,
    content: Sequence[Node] | bytes | None = None,
) -> Node:
    """Build a node; attributes that are None are left out, numbers become text."""
    kept = {
        name: value if isinstance(value, Jid) else str(value)
        for name, value in (attrs or {}).items()
        if value is not None
    }
    if content is None or isinstance(content, bytes):
        return Node(tag, kept, content)
    return Node(tag, kept, list(content))


# ---------------------------------------------------------------------------- encoding


def encode(root: Node) -> bytes:
    """The packed form of a tree, without the frame's flag byte."""
    out = bytearray()
    _write_node(out, root)
    if len(out) >= MAX_FRAME:
        raise CodecError(f"a frame holds {MAX_FRAME} bytes, this node takes {len(out)}")
    return bytes(out)


def frame(root: Node) -> bytes:
    """The packed form with the flag byte 0: not compressed."""
    return b"\0" + encode(root)


def _write_node(out: bytearray, item: Node) -> None:
    _write_list_size(out, 1 + 2 * len(item.attrs) + (item.content is not None))
    _write_bytes(out, item.tag.encode())
    for name, value in item.attrs.items():
        _write_bytes(out, name.encode())
        if isinstance(value, Jid):
            _write_jid(out, value)
        else:
            _write_bytes(out, value.encode())
    if isinstance(item.content, bytes):
        _write_bytes(out, item.content)
    elif item.content is not None:
        _write_list_size(out, len(item.content))
        for each in item.content:
            _write_node(out, each)


def _write_list_size(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(_EMPTY)
    elif size < 256:
        out += bytes((_LIST8, size))
    elif size < 65536:
        out.append(_LIST16)
        out += size.to_bytes(2, "big")
    else:
        raise CodecError(f"a list holds at most 65535 entries, not {size}")


def _write_bytes(out: bytearray, data: bytes) -> None:
    size = len(data)
    if size < 256:
        out += bytes((_BINARY8, size))
    elif size < 1 << 20:
        out.append(_BINARY20)
        out += size.to_bytes(3, "big")
    else:
        out.append(_BINARY32)
        out += size.to_bytes(4, "big")
    out += data


def _write_jid(out: bytearray, jid: Jid) -> None:
    if jid.device:
        if jid.server not in _DOMAIN_BYTES or not 0 < jid.device < 256:
            raise CodecError(f"no packed form for the device {jid}")
        out += bytes((_DEVICE, _DOMAIN_BYTES[jid.server], jid.device))
        _write_bytes(out, jid.user.encode())
        return
    out.append(_PAIR)
    if jid.user:
        _write_bytes(out, jid.user.encode())
    else:
        out.append(_EMPTY)
    _write_bytes(out, jid.server.encode())


# ---------------------------------------------------------------------------- decoding


def unframe(data: bytes, tables: Tables) -> Node:
    """Read a decrypted frame: the flag byte (bit 1: zlib), then one node and nothing else."""
    if not data:
        raise CodecError("empty frame")
    if data[0] & 2:
        return decode(_inflate(data[1:]), tables)
    return decode(data[1:], tables)


def decode(data: bytes, tables: Tables) -> Node:
    """Read one node; any junk, excess or left-over ends in a CodecError."""
    if len(data) > MAX_FRAME:
        raise CodecError(f"{len(data)} bytes are more than a frame holds")
    reader = _Reader(data, tables)
    try:
        root = reader.node(0)
    except UnicodeDecodeError as error:
        raise CodecError("text that is not UTF-8") from error
    if reader.at != len(data):
        raise CodecError(f"{len(data) - reader.at} bytes behind the node")
    return root


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, MAX_FRAME + 1)
    except zlib.error as error:
        raise CodecError("broken zlib stream") from error
    if len(plain) > MAX_FRAME or not stream.eof:
        raise CodecError("zlib stream too long or cut")
    return plain


class _Reader:
    """A cursor over one frame."""

    def __init__(self, data: bytes, tables: Tables) -> None:
        self.data, self.tables = data, tables
        self.at = 0
        self.nodes = 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise CodecError("the frame ends too early")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def list_size(self, kind: int) -> int:
        if kind == _EMPTY:
            return 0
        if kind == _LIST8:
            return self.number(1)
        if kind == _LIST16:
            return self.number(2)
        raise CodecError(f"{kind} does not begin a list")

    def node(self, depth: int) -> Node:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise CodecError("the tree is too deep or too large")
        size = self.list_size(self.number(1))
        if size == 0:
            raise CodecError("a node without a tag")
        tag = self.text(self.number(1))
        attrs: dict[str, str | Jid] = {}
        for _ in range((size - 1) // 2):
            name = self.text(self.number(1))
            attrs[name] = self.value(self.number(1))
        return Node(tag, attrs, self.content(depth) if size % 2 == 0 else None)

    def content(self, depth: int) -> list[Node] | bytes | None:
        kind = self.number(1)
        if kind in (_EMPTY, _LIST8, _LIST16):
            return [self.node(depth + 1) for _ in range(self.list_size(kind))]
        if kind in (_BINARY8, _BINARY20, _BINARY32):
            return self.take(self.size(kind))
        return str(self.value(kind)).encode()

    def size(self, kind: int) -> int:
        if kind == _BINARY8:
            return self.number(1)
        if kind == _BINARY20:
            return self.number(3) & 0xFFFFF
        return self.number(4)

    def value(self, kind: int) -> str | Jid:
        if kind == _PAIR:
            first = self.number(1)
            user = "" if first == _EMPTY else self.text(first)
            return Jid(user, self.text(self.number(1)))
        if kind == _DEVICE:
            domain, device = self.number(1), self.number(1)
            if domain not in _DOMAINS:
                raise CodecError(f"unknown domain {domain}")
            return Jid(self.text(self.number(1)), _DOMAINS[domain], device)
        return self.text(kind)

    def text(self, kind: int) -> str:
        if kind in (_BINARY8, _BINARY20, _BINARY32):
            return self.take(self.size(kind)).decode()
        if kind in (_HEX, _NIBBLE):
            return self.packed(kind)
        if _DICTIONARY <= kind < _DICTIONARY + 4:
            return self.token(self.tables.double[kind - _DICTIONARY], self.number(1))
        if 1 <= kind < _SINGLE_TOKENS:
            return self.token(self.tables.single, kind)
        raise CodecError(f"{kind} does not begin a text")

    def token(self, page: Sequence[str], index: int) -> str:
        if index >= len(page):
            raise CodecError(f"no token {index}")
        return page[index]

    def packed(self, kind: int) -> str:
        head = self.number(1)
        nibbles = [half for byte in self.take(head & 127) for half in divmod(byte, 16)]
        if head & 128:
            if not nibbles:
                raise CodecError("no character to drop")
            nibbles.pop()
        digits = _HEX_DIGITS if kind == _HEX else _NIBBLES
        if any(half >= len(digits) for half in nibbles):
            raise CodecError("a nibble without a character")
        return "".join(digits[half] for half in nibbles)
