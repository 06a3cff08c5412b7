"""One worker process, seen from the gateway."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from statusgate.engines.neonize.config import Setup
from statusgate.engines.neonize.ipc import ToGateway, pack, receive

_PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "TZ", "LANG", "LC_ALL")


class WorkerProcess:
    """A running worker and the gateway's end of the socket to it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def launch(
        cls, setup: Setup, *, module: str, environment: Mapping[str, str]
    ) -> "WorkerProcess":
        """Start a worker with a small environment and its log in the account's folder."""
        ours, theirs = socket.socketpair()
        log = os.open(
            Path(setup.directory) / "worker.log",
            os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
            0o600,
        )
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", module, str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=_environment(environment),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(log)
        ours.setblocking(False)
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            process.kill()
            ours.close()
            raise
        worker = cls(process, reader, writer)
        worker.send(setup)
        return worker

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def send(self, frame: Any) -> None:
        """Send *frame*; to a worker that is gone it gets lost. Raises FrameTooLong."""
        data = pack(frame)
        if not self._writer.is_closing():
            self._writer.write(data)

    async def frames(self) -> AsyncIterator[ToGateway]:
        """Yield what the worker sends until it closes. Raises ProtocolError."""
        while (frame := await receive(self._reader)) is not None:
            yield frame

    async def end(self, grace: float) -> None:
        """SIGTERM, after *grace* seconds SIGKILL; returns when the process is gone."""
        with contextlib.suppress(ProcessLookupError):
            try:
                self._process.terminate()
                async with asyncio.timeout(grace):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        await self.wait()

    async def wait(self) -> int:
        """Close the socket; return the exit code, negative for a signal."""
        self._writer.close()
        code = await self._process.wait()
        self._writer.transport.abort()  # nobody reads what is still unsent
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        return code


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"PATH": os.defpath, "MALLOC_ARENA_MAX": "2", **passed, **extra}
