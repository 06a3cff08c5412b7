"""A bucket for tests: moto, which keeps S3 in the memory of a process, behind a door.

The process is started once a session, and each test gets a prefix of its own in its bucket.
Import the fixtures in a ``conftest.py``::

    from tests.buckets import bucket, s3_server

    __all__ = ["bucket", "s3_server"]
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import IO

import aiohttp
import pytest
from aiohttp import web

from tests.waiting import until

_numbers = count(1)
_running: list[str] = []
_START = (sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a running S3 server with a bucket ``statusgate``."""
    if _running:
        yield _running[0]
        return
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(_START, stdout=log, stderr=log)
        try:
            _running.append(until(lambda: _address(log), "the S3 server listens", 60))
            ask(_running[0], "PUT", "/statusgate")
            yield _running[0]
        finally:
            _running.clear()
            process.kill()
            process.wait()


def _address(log: IO[bytes]) -> str | None:
    """The address that the server says it listens on."""
    found = re.search(rb"http://127\.0\.0\.1:\d+", os.pread(log.fileno(), 10_000, 0))
    return found[0].decode() if found else None


def ask(server: str, method: str, path: str) -> str:
    """Send one request to the server itself; returns the body of its answer."""
    request = urllib.request.Request(f"{server}{path}", method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return str(answer.read().decode())


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place in a bucket, ``s3://statusgate/…``, that nothing else uses."""
    use(s3_server, monkeypatch)
    return f"s3://statusgate/test-{next(_numbers)}"


def use(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of the environment that lead to *server*."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


class Door:
    """A proxy before the S3 server: it counts requests, and can be shut, stuck or wrong."""

    def __init__(self, server: str) -> None:
        self.asked: list[str] = []
        """``GET /statusgate/…``, in their order"""
        self.answers: list[tuple[int, str]] = []
        """status and body that the next requests get instead of the server's answer"""
        self.busy: set[str] = set()
        """methods that are answered with 503"""
        self.ignores_ranges = False
        self._server = server
        self._stalled = ""
        self._open = asyncio.Event()
        self._open.set()
        self._runner: web.ServerRunner | None = None
        self._port = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def stall(self, part: str = "") -> None:
        """Leave requests whose path has this *part* without an answer, until ``go_on``."""
        self._stalled = part
        self._open.clear()

    def go_on(self) -> None:
        self._open.set()

    async def listen(self) -> None:
        """Take connections again, at the same address."""
        self._runner = web.ServerRunner(web.Server(self._forward), shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def shut(self) -> None:
        """Refuse connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _forward(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        if self._stalled in request.path_qs:
            await self._open.wait()
        if request.method in self.busy:
            return web.Response(status=503, text="<Error><Code>SlowDown</Code></Error>")
        if self.answers:
            status, body = self.answers.pop(0)
            return web.Response(status=status, text=body)
        kept = {
            name: value
            for name, value in request.headers.items()
            if name.lower() != "range" or not self.ignores_ranges
        }
        async with (
            aiohttp.ClientSession(auto_decompress=False) as client,
            client.request(
                request.method,
                self._server + request.raw_path,
                headers=kept,
                data=request.content if request.can_read_body else None,
            ) as answer,
        ):
            body_bytes = await answer.read()
            headers = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in ("transfer-encoding", "connection", "date", "server")
            }
            return web.Response(status=answer.status, headers=headers, body=body_bytes)


@asynccontextmanager
async def door_before(server: str, patch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    """An open door before *server*, to which the environment leads."""
    door = Door(server)
    await door.listen()
    use(door.address, patch)
    try:
        yield door
    finally:
        door.go_on()
        await door.shut()
