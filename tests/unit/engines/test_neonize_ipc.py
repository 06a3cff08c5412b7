"""Frames between the gateway and a worker, also those of a worker gone mad."""

import asyncio
import socket
import struct
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.engines.neonize.config import Setup
from statusgate.engines.neonize.ipc import (
    MAX_FRAME,
    Ack,
    Beat,
    Channel,
    Drain,
    FrameTooLong,
    From,
    Hello,
    Now,
    ProtocolError,
    Record,
    Request,
    Response,
    ToGateway,
    Vitals,
    pack,
    raw,
    receive,
)


async def read_all(data: bytes) -> list[ToGateway]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    found = []
    while (frame := await receive(reader)) is not None:
        found.append(frame)
    return found


@pytest.fixture
def border() -> Iterator[tuple[Channel, socket.socket]]:
    """A worker's channel, and the gateway's socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), theirs


async def test_frames_of_a_worker_arrive_as_they_were_sent() -> None:
    frames = [
        Hello(v=1, pid=7),
        Record(seq=4, p=msgspec.Raw(b'[{"k":"QrCode","payload":"x"}]')),
        Now(p=msgspec.Raw(b"{}")),
        Beat(vitals=Vitals(state="open", waiting=3)),
        Response(id=1, ok=False, err="rejected", code=479, text="no"),
    ]
    assert await read_all(b"".join(map(pack, frames))) == frames


def test_frames_of_the_gateway_arrive_as_they_were_sent(
    border: tuple[Channel, socket.socket],
) -> None:
    channel, gateway = border
    frames = [
        Setup(version=1, directory="/tmp", proxy="http://user:secret@host:1"),
        From(seq=5, acked=4),
        Ack(seq=6),
        Beat(),
        Request(id=1, op="look_up", p=raw({"phone": "1"})),
        Drain(),
    ]
    gateway.sendall(b"".join(map(pack, frames)))
    gateway.shutdown(socket.SHUT_WR)
    assert [channel.receive() for _ in frames] == frames
    assert channel.receive() is None


def test_unknown_members_are_ignored(border: tuple[Channel, socket.socket]) -> None:
    channel, gateway = border
    body = b'{"t":"ack","seq":3,"new":{"a":1}}'
    gateway.sendall(struct.pack(">I", len(body)) + body)
    assert channel.receive() == Ack(seq=3)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", MAX_FRAME + 1),
        struct.pack(">I", 0xFFFFFFFF) + b"{}",
        struct.pack(">I", 0),
        struct.pack(">I", 3) + b"{}",
        b"\x00\x00",
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 2) + b"{}",
        struct.pack(">I", 11) + b'{"t":"what"}'[:11],
        struct.pack(">I", 12) + b'{"t":"what"}',
        struct.pack(">I", 13) + b'{"t":"hello"}',
        struct.pack(">I", 2) + b"\xff\xfe",
        struct.pack(">I", 100_000) + b"[" * 100_000,
    ],
)
async def test_what_is_no_frame_is_an_error_on_both_sides(
    border: tuple[Channel, socket.socket], data: bytes
) -> None:
    with pytest.raises(ProtocolError):
        await read_all(data)
    channel, gateway = border
    gateway.sendall(data)
    gateway.shutdown(socket.SHUT_WR)
    with pytest.raises(ProtocolError):
        channel.receive()


@given(st.binary(max_size=200))
def test_noise_never_raises_anything_else(data: bytes) -> None:
    async def feed() -> None:
        try:
            await read_all(data)
        except ProtocolError:
            return

    asyncio.run(feed())


def test_a_frame_of_ours_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(FrameTooLong):
        pack(Response(id=1, ok=True, text="x" * MAX_FRAME))
