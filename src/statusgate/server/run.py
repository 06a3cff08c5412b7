"""Serving: the HTTP server and the background roles beside it, until it is stopped."""

import asyncio
import contextlib
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
import uvloop

from statusgate.api.edge.server import make_server
from statusgate.server.folders import StartError
from statusgate.server.roles import Role, supervise
from statusgate.server.wiring import Gateway, gateway
from statusgate.settings import Settings, admin_token_fault

log = structlog.get_logger()
_HEALTH_SECONDS = 0.5
_SANDBOX_SECONDS = 10.0
_DESCRIPTORS = 65_536
_SWITCH_SECONDS = 0.001
"""A thread of the journal waits at most this long for a busy interpreter once it has an answer,
which it does several times a transaction. Python's 5 ms made the slowest posts last longer."""
EXIT_BROKEN = 70


def listening_socket(settings: Settings) -> socket.socket:
    """Bind at once, so that a port in use is reported before anything else starts."""
    if fault := admin_token_fault(settings.admin_token, settings.host):
        raise StartError(fault)
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise StartError(
            f"cannot listen on {settings.host}:{settings.port}: {reason}"
        ) from None
    return listener


def raise_descriptor_limit() -> None:
    """Allow as many open files and connections as the system lets us have.

    The usual soft limit of 1,024 is for programs that use ``select``.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(
    settings: Settings,
    *,
    on_ready: Callable[[Gateway, str], Coroutine[Any, Any, None]] | None = None,
    stopped: asyncio.Event | None = None,
) -> int:
    """Run the gateway until *stopped* is set; returns the exit code."""
    raise_descriptor_limit()
    listener = listening_socket(settings)
    host, port = listener.getsockname()[:2]
    url = f"http://{host if ':' not in host else f'[{host}]'}:{port}"
    public_url = settings.public_url.rstrip("/") or url
    with contextlib.closing(listener):
        async with gateway(settings, public_url) as built:
            running = _Running(built, url, on_ready, stopped or asyncio.Event())
            return await running.until_stopped(listener)


class _Running:
    """A gateway at work: the server, and the roles beside it."""

    def __init__(
        self,
        built: Gateway,
        url: str,
        on_ready: Callable[[Gateway, str], Coroutine[Any, Any, None]] | None,
        stopped: asyncio.Event,
    ) -> None:
        self._built = built
        self._url = url
        self._stopped = stopped
        self._on_ready = on_ready
        self._server = make_server(built.app, built.settings.host, built.settings.port)
        self._exit_code = 0

    async def until_stopped(self, listener: socket.socket) -> int:
        """Serve until it is stopped or the journal breaks; returns the exit code."""
        roles = [
            *self._built.roles,
            Role("stop", self._wait_for_stop),
            Role("health", self._watch_health),
            Role("ready", self._announce),
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(supervise(role, self._built.clock), name=role.name)
                for role in roles
            ]
            await self._server.serve(sockets=[listener])
            for task in tasks:
                task.cancel()
        return self._exit_code

    async def _wait_for_stop(self) -> None:
        await self._stopped.wait()
        self._built.release()
        self._server.should_exit = True

    async def _watch_health(self) -> None:
        while self._built.journal.healthy:
            await asyncio.sleep(_HEALTH_SECONDS)
        log.error("journal.broken", reason=self._built.journal.fault, action="exit")
        self._exit_code = EXIT_BROKEN
        self._stopped.set()

    async def _announce(self) -> None:
        while not self._server.started:
            await asyncio.sleep(0.01)
        await self._built.accounts.sandboxes_started(_SANDBOX_SECONDS)
        self._built.app.ready = True
        log.info("ready", url=self._url)
        if self._on_ready is not None:
            await self._on_ready(self._built, self._url)


def run(settings: Settings, **options: Any) -> int:
    """As ``serve``, in an event loop of its own, until SIGTERM or SIGINT."""

    async def until_signalled() -> int:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        return await serve(settings, stopped=stopped, **options)

    sys.setswitchinterval(_SWITCH_SECONDS)
    return uvloop.run(until_signalled())
