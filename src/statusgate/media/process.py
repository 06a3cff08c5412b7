"""The parent's side of the child process: start it, ask it, end it."""

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence

import msgspec
import structlog

from statusgate.domain.framing import BrokenFrame
from statusgate.media.frames import (
    Cause,
    Failed,
    Progress,
    Ready,
    Reply,
    Request,
    pack,
    read_reply,
)
from statusgate.media.limits import PROFILES, allowed_seconds

log = structlog.get_logger()
_GRACE_SECONDS = 1.0
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LD_LIBRARY_PATH")
_FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""each arena reserves 64 MiB of address space, which the child's limit counts"""
THUMBNAILS, CONVERSIONS = (
    (sys.executable, "-m", "statusgate.media.child", profile) for profile in PROFILES
)
_LOST = (EOFError, OSError, BrokenFrame, msgspec.MsgspecError)
"""how a dead or confused child shows"""


class MediaChild:
    """A process that decodes untrusted files, one at a time; replaced when it dies or hangs."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        start_seconds: float = 30.0,
        idle_seconds: float = 60.0,
    ) -> None:
        """It starts with the first request and ends after *idle_seconds* without any.

        The number of the socket on which files come is its last argument.
        """
        self._start_seconds = start_seconds
        self._idle_seconds = idle_seconds
        self._command = command
        self._files: socket.socket | None = None
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._idle_timer: asyncio.Task[None] | None = None
        self._asked = 0
        """how often this child was"""

    async def ask(self, request: Request, files: Sequence[int] = ()) -> Reply:
        """Return the child's answer; Failed also if it dies or takes too long.

        *files* go with the request.
        """
        async with self._turn:
            self._stop_idle_timer()
            try:
                reply = await self._ask(request, files)
                if isinstance(reply, Failed) and reply.cause is Cause.DEATH and self.used:
                    reply = await self._ask(request, files)
            except BaseException:
                await self._kill()  # or its answer would be taken for the next one's
                raise
            self._idle_timer = asyncio.create_task(self._end_when_idle())
            return reply

    @property
    def pid(self) -> int | None:
        """The number of the process that runs, if one does."""
        return self._process.pid if self._process is not None else None

    @property
    def used(self) -> bool:
        """The child that was asked last had been asked before."""
        return self._asked > 1

    async def close(self) -> None:
        """End the child; the next request starts another."""
        async with self._turn:
            self._stop_idle_timer()
            await self._end()

    async def _ask(self, request: Request, files: Sequence[int]) -> Reply:
        """Ask the child, or a new one; one that fails is ended."""
        try:
            process = await self._started()
        except _LOST as error:
            failed = Failed(f"no child process: {error!r}", Cause.CHILD)
        else:
            try:
                return await self._exchange(process, request, files)
            except TimeoutError:
                failed = Failed("took too long", Cause.TIME)
            except _LOST as error:
                failed = Failed(f"the child process died: {error!r}", Cause.DEATH)
        await self._kill()
        return failed

    async def _exchange(
        self, process: Process, request: Request, files: Sequence[int]
    ) -> Reply:
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout_at(began + allowed_seconds(request, 0)) as deadline:
            self._asked += 1
            if process.stdin is None or self._files is None:
                raise EOFError
            if files:
                socket.send_fds(self._files, [b"f"], files)
            process.stdin.write(pack(request))
            await process.stdin.drain()
            while isinstance(reply := await _read_reply(process), Progress):
                deadline.reschedule(began + allowed_seconds(request, reply.seconds))
            return reply

    async def _started(self) -> Process:
        """Return the child that runs, or start one. Raises one of ``_LOST``."""
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._kill()
        self._asked = 0
        self._files, theirs = socket.socketpair()
        self._files.setblocking(False)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                start_new_session=True,
                env=_FEW_ARENAS
                | {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
        async with asyncio.timeout(self._start_seconds):
            ready = await _read_reply(self._process)
        if not isinstance(ready, Ready):
            raise BrokenFrame("no greeting")
        if not ready.confined:
            log.warning("media.unconfined", reason="no seccomp on this machine")
        return self._process

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    async def _end_when_idle(self) -> None:
        await asyncio.sleep(self._idle_seconds)
        async with self._turn:
            await self._end()

    async def _end(self) -> None:
        """Close its input and wait for the child to end."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_SECONDS):
                    await self._process.wait()
        await self._kill()

    async def _kill(self) -> None:
        process, self._process = self._process, None
        files, self._files = self._files, None
        if files is not None:
            files.close()
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()


async def _read_reply(process: Process) -> Reply:
    if process.stdout is None:
        raise EOFError
    return await read_reply(process.stdout)
