"""Fetching files from hosts that may lie, stall or pour (S7, S9)."""

import asyncio
import gzip
import zlib
from pathlib import Path

import pytest

from statusgate.domain.errors import MediaFull
from statusgate.domain.media_types import MAX_FILE_BYTES
from statusgate.domain.outbound_http import Fetched, FetchFailed, FileMoved, FileTooLarge
from statusgate.outbound.client import GuardedClient
from tests.integration.outbound.servers import (
    Behaviour,
    Request,
    answer,
    receiver,
    reply,
    reply_and_close,
    reply_for_ever,
)
from tests.waiting import eventually

OK_LINE = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK_LINE + b"Transfer-Encoding: chunked\r\n\r\n"
LIMIT = 100_000


async def fetch(
    client: GuardedClient, does: Behaviour, to: Path, deadline: float = 10
) -> Fetched:
    async with receiver(does) as server:
        return await client.fetch(server.url, to, LIMIT, deadline)


@pytest.mark.parametrize("size", [0, 1, LIMIT])
async def test_a_file_is_written_with_its_type(
    size: int, client: GuardedClient, tmp_path: Path
) -> None:
    body, to = b"x" * size, tmp_path / "file"
    does = reply(answer("200 OK", "Content-Type: Image/PNG; charset=x", body=body))
    assert await fetch(client, does, to) == Fetched("image/png", size)
    assert to.read_bytes() == body


async def test_a_chunked_file_and_one_that_ends_with_the_connection_are_taken(
    client: GuardedClient, tmp_path: Path
) -> None:
    to = tmp_path / "file"
    chunked = reply(CHUNKED, b"5\r\nhello\r\n", b"6\r\n world\r\n0\r\n\r\n")
    assert await fetch(client, chunked, to) == Fetched("", 11)
    assert to.read_bytes() == b"hello world"
    until_closed = reply_and_close(OK_LINE + b"Content-Type: nonsense\r\n\r\nhello")
    assert await fetch(client, until_closed, to) == Fetched("", 5)


async def test_the_request_says_little(client: GuardedClient, tmp_path: Path) -> None:
    async with receiver(reply(answer("200 OK"))) as server:
        await client.fetch(server.url, tmp_path / "file", 10, 30)
        request = server.requests[0]
        assert request.head.startswith(b"GET /hook?a=b HTTP/1.1\r\n")
        assert set(request.headers) == {
            "host",
            "user-agent",
            "accept",
            "accept-encoding",
            "connection",
        }


@pytest.mark.parametrize(
    "does",
    [
        reply(answer("200 OK", body=b"x" * (LIMIT + 1))),
        reply(OK_LINE + b"Content-Length: 10000000000\r\n\r\n"),
        reply_for_ever(OK_LINE + b"\r\n", bytes(65536)),
        reply_for_ever(CHUNKED, b"4\r\nabcd\r\n" * 5000),
    ],
    ids=["one byte more", "announced", "endless body", "endless chunks"],
)
async def test_a_file_over_the_limit_is_too_large(
    does: Behaviour, client: GuardedClient, tmp_path: Path
) -> None:
    with pytest.raises(FileTooLarge, match="file could not be fetched"):
        await fetch(client, does, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


BOMB = bytes(5_000_000)
BROTLI_BOMB = b"\x1b\x3f\x4b\x4c\x00\x24\xc2\xc4\xc6\x00" + bytes(50)


@pytest.mark.parametrize(
    "does",
    [
        reply(answer("200 OK", "Content-Encoding: gzip", body=gzip.compress(BOMB))),
        reply(answer("200 OK", "Content-Encoding: deflate", body=zlib.compress(BOMB))),
        reply(answer("200 OK", "Content-Encoding: br", body=BROTLI_BOMB)),
        reply(answer("200 OK", "Content-Encoding: identity, gzip", body=gzip.compress(BOMB))),
        reply(answer("200 OK", "CONTENT-ENCODING: GZIP", body=b"x")),
        reply_and_close(OK_LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        reply(OK_LINE + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n"),
        reply_for_ever(OK_LINE, b"X: " + b"y" * 8000 + b"\r\n"),
        reply_and_close(OK_LINE + b"Content-Length: 50\r\n\r\nshort"),
        reply_and_close(CHUNKED + b"5\r\nhello\r\n"),
        reply(CHUNKED + b"zz\r\nhello\r\n"),
        reply(answer("200 OK", body=b"hello") + b"more"),
        reply(OK_LINE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        reply(OK_LINE + b"Content-Length: -5\r\n\r\nhello"),
        reply(OK_LINE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello"),
        reply_and_close(b"HTTP/1.1 2"),
        reply_and_close(b"hello"),
        reply_and_close(),
        reply(answer("204 No Content")),
        reply(answer("206 Partial Content", body=b"hello")),
        reply(answer("304 Not Modified")),
        reply(answer("404 Not Found", body=b"hello")),
        reply(answer("500 Error")),
        reply(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhi"),
    ],
)
async def test_what_is_no_plain_whole_file_could_not_be_fetched(
    does: Behaviour, client: GuardedClient, tmp_path: Path
) -> None:
    with pytest.raises(FetchFailed) as caught:
        await fetch(client, does, tmp_path / "file")
    assert type(caught.value) is FetchFailed
    assert str(caught.value) == "file could not be fetched"
    assert caught.value.reason
    assert "hook" not in caught.value.reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_an_address_that_redirects_is_named_as_such(
    status: int, client: GuardedClient, tmp_path: Path
) -> None:
    moved = reply(answer(f"{status} Moved", "Location: /elsewhere"))
    with pytest.raises(FileMoved, match="file could not be fetched"):
        await fetch(client, moved, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "does",
    [
        reply(OK_LINE + b"Content-Length: 50\r\n\r\nshort"),
        reply_for_ever(OK_LINE + b"Content-Length: 99\r\n\r\n", b"x", every_seconds=0.02),
        reply_for_ever(b"HTTP/1.1 200 ", b"O", every_seconds=0.02),
        reply(b"HTTP/1.1 200 OK"),
        reply(),
        reply_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every_seconds=0.02),
    ],
)
async def test_what_does_not_come_in_time_could_not_be_fetched(
    does: Behaviour, client: GuardedClient, tmp_path: Path
) -> None:
    with pytest.raises(FetchFailed) as caught:
        await fetch(client, does, tmp_path / "file", deadline=0.3)
    assert type(caught.value) is FetchFailed
    assert str(caught.value) == "file could not be fetched"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/1.1 103 Early Hints\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 102 " + b"x" * 100_000,
        b"HTTP/1.1 103 Early Hints\r\n" + b"X: y\r\n" * 50_000,
    ],
)
async def test_a_host_that_never_stops_its_interim_answers_is_cut_off(
    interim: bytes, client: GuardedClient, tmp_path: Path
) -> None:
    written = 0

    async def pour(_: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        while True:
            writer.write(interim)
            written += len(interim)
            await writer.drain()

    async with receiver(pour) as server:
        with pytest.raises(FetchFailed):
            await client.fetch(server.url, tmp_path / "file", MAX_FILE_BYTES, 20)
    assert written < 16 * 1024 * 1024  # what the buffers of both sides hold


async def test_a_host_may_send_a_few_interim_answers_first(
    client: GuardedClient, tmp_path: Path
) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * 100
    fetched = await fetch(
        client, reply(interim, answer("200 OK", body=b"x" * 20_000)), tmp_path / "file"
    )
    assert fetched.size == 20_000


async def test_the_deadline_is_for_everything_together(
    client: GuardedClient, tmp_path: Path
) -> None:
    start = asyncio.get_running_loop().time()
    slow = reply_for_ever(CHUNKED, b"1\r\nx\r\n", every_seconds=0.05)
    with pytest.raises(FetchFailed):
        async with asyncio.timeout(30):
            await fetch(client, slow, tmp_path / "file", deadline=0.4)
    assert asyncio.get_running_loop().time() - start > 0.3


async def test_our_own_disk_is_not_the_servers_fault(
    client: GuardedClient, tmp_path: Path
) -> None:
    with pytest.raises(MediaFull):
        await fetch(client, reply(answer("200 OK")), tmp_path / "no" / "such" / "folder")
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(MediaFull):
        await fetch(client, reply(answer("200 OK", body=b"x" * 9000)), full)
    assert list(tmp_path.iterdir()) == []


async def test_a_cancelled_fetch_leaves_no_file(client: GuardedClient, tmp_path: Path) -> None:
    does = reply_for_ever(CHUNKED, b"1\r\nx\r\n", every_seconds=0.01)
    async with receiver(does) as server:
        to = tmp_path / "file"
        task = asyncio.create_task(client.fetch(server.url, to, LIMIT, 100))
        await eventually(to.exists)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list(tmp_path.iterdir()) == []
