"""An engine process and the accounts that have a place in it, seen from the gateway."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from statusgate.engines.neonize.config import Exit, Setup
from statusgate.engines.neonize.ipc import Drain, Ended, FromWorker, Move, pack, receive

_PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "TZ", "LANG", "LC_ALL")
_LAST_SECONDS = 5.0
"""for a process that should end, or whose sockets have closed, before it gets a SIGKILL"""
_LOOK_SECONDS = 0.05
_MOVING_SECONDS = 30.0
"""for accounts to leave a process that is to be replaced"""


class HostProcess:
    """A process that serves one account, or several that share it."""

    def __init__(self, number: int, log: Path, *, shared: bool, group: str = "") -> None:
        """*log* is the file it writes to; *group* says who may share it (``blame.py``)."""
        self.number = number
        self.shared = shared
        self.group = group
        self.places: set[Place] = set()
        self.expected: set[str] = set()
        """accounts that are about to get a place"""
        self.admitted = 0
        """how often an account was let in"""
        self.admitting = True
        """whether more accounts may come"""
        self.ending = False
        """whether its end is wanted"""
        self.stuck: set[str] = set()
        """accounts whose workers were given up and may still use their folders"""
        self.crowded_out: set[str] = set()
        """accounts that could not begin here"""
        self.gone = asyncio.Event()
        """set when the process has ended, and *victims* are known"""
        self.victims: list[str] = []
        """accounts that its end took by surprise"""
        self._log = log
        self._launching = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The process's number, None before it was started."""
        return self._process.pid if self._process is not None else None

    @property
    def accounts(self) -> set[str]:
        """The folders of the accounts that live here, or are about to."""
        return {place.account for place in self.places} | self.expected

    async def launch(self, module: str, environment: Mapping[str, str]) -> bool:
        """Start the process unless that is done; return whether it was started now."""
        async with self._launching:
            if self._process is not None:
                return False
            ours, theirs = socket.socketpair()
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            try:
                output = os.open(self._log, flags, 0o600)
                try:
                    self._process = await asyncio.create_subprocess_exec(
                        sys.executable,
                        *("-P", "-m", module, str(theirs.fileno())),
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        pass_fds=[theirs.fileno()],
                        start_new_session=True,
                        env=_environment(environment),
                    )
                finally:
                    os.close(output)
            except BaseException:
                ours.close()
                raise
            finally:
                theirs.close()
            self._control = ours
            return True

    async def admit(self, setup: Setup, left: Callable[["Place"], Awaitable[None]]) -> "Place":
        """Give an account a place, of which *left* gets to know when it is free again.

        Raises BrokenPipeError when the process is gone.
        """
        if self._control is None or self.gone.is_set():
            raise BrokenPipeError("the process has ended")
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [b"+"], [theirs.fileno()])
            ours.setblocking(False)
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        place = Place(self, setup.directory, reader, writer, left)
        self.places.add(place)
        self.admitted += 1
        place.send(setup)
        return place

    async def wait(self) -> int:
        """Wait for the end of the process; its exit code, negative for a signal."""
        return await self._process.wait() if self._process is not None else 0

    async def end(self, grace: float) -> None:
        """SIGTERM, after *grace* seconds SIGKILL; returns when the process is gone."""
        self.admitting, self.ending = False, True
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            try:
                self._process.terminate()
                async with asyncio.timeout(grace):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        await self._process.wait()
        self._close()

    async def dismiss(self) -> None:
        """Let a process that no account needs end by itself, but not for long."""
        self.admitting, self.ending = False, True
        self._close()
        if self._process is None:
            return
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                await self._process.wait()
        except TimeoutError:
            await self.end(0)

    async def evacuate(self) -> None:
        """Have the accounts go on elsewhere, then end the process."""
        self.admitting, self.ending = False, True
        asked: set[Place] = set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MOVING_SECONDS):
                while self.accounts:  # some may have been on their way here
                    for place in self.places - asked:
                        place.send(Move())
                    asked |= self.places
                    await asyncio.sleep(_LOOK_SECONDS)
        await self.end(0)

    def _close(self) -> None:
        if self._control is not None:
            self._control.close()


class Place:
    """An account's part of a process: the gateway's end of the channel to its worker."""

    def __init__(
        self,
        host: HostProcess,
        account: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        left: Callable[["Place"], Awaitable[None]],
    ) -> None:
        self._left = left
        self.host = host
        self.account = account
        self.code: int | None = None
        """why the worker ended, once that is known"""
        self.over = asyncio.Event()
        """set when nothing more can come from the worker"""
        self._reader = reader
        self._writer = writer

    @property
    def pid(self) -> int | None:
        """The process's number."""
        return self.host.pid

    def send(self, frame: Any) -> None:
        """Send *frame*; to a worker that is gone it gets lost. Raises FrameTooLong."""
        data = pack(frame)
        if not self._writer.is_closing():
            self._writer.write(data)

    async def frames(self) -> AsyncIterator[FromWorker]:
        """Yield what the worker sends until it ends. Raises ProtocolError."""
        try:
            while (frame := await receive(self._reader)) is not None:
                if isinstance(frame, Ended):
                    self.code = frame.code
                    return
                yield frame
        finally:
            self.over.set()

    async def end(self, grace: float) -> None:
        """End the worker, after *grace* seconds by force; returns when it is gone or given up.

        By force ends the process. Where other accounts live in it, only this one's place is
        given up, which leads to the end of the process in time.
        """
        if self.code is not None:
            return
        if self.host.accounts == {self.account}:
            await self.host.end(grace)
            return
        self.send(Drain())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self.over.wait()
        if self.code is None and not self.host.gone.is_set():
            self.code = Exit.STUCK

    async def wait(self) -> int:
        """Close the channel; return why the worker ended, as its or the process's exit code."""
        self._writer.close()
        self.over.set()
        if self.code is None:
            self.code = await self._fate()
        await self._left(self)
        self._writer.transport.abort()  # nobody reads what is still unsent
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        return self.code

    async def _fate(self) -> int:
        """The channel has closed without a word: the process has ended, or is about to."""
        try:
            async with asyncio.timeout(_LAST_SECONDS if self.host.shared else None):
                await self.host.gone.wait()
        except TimeoutError:
            return Exit.STUCK
        return Exit.HOST_DIED if len(self.host.victims) > 1 else await self.host.wait()


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"PATH": os.defpath, "MALLOC_ARENA_MAX": "2", **passed, **extra}
