"""A gateway in this process, on a free port, and a small client that sends exactly what it is
told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from statusgate.api.edge.connections import OpenConnections
from statusgate.api.edge.server import Server, make_server
from statusgate.domain.waiting import cancel
from statusgate.server.roles import supervise
from statusgate.server.wiring import Gateway, gateway
from statusgate.settings import Settings
from tests.waiting import eventually

ADMIN = "canary-admin-token-0123456789abcdefghij"
OPERATOR = {"Authorization": f"Bearer {ADMIN}"}


class Reply(msgspec.Struct, frozen=True):
    """What a server answered; header names in lower case."""

    code: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The text of an error body, whose code must be that of the answer."""
        told = self.json()
        assert told["statusCode"] == self.code
        return str(told["message"])


class Running:
    """A gateway that serves."""

    def __init__(self, built: Gateway, server: Server) -> None:
        self.built = built
        self.server = server
        self.port: int = server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> OpenConnections:
        """What the server knows of its connections."""
        protocol: Any = self.server.config.http_protocol_class
        found: OpenConnections = protocol.everyone
        return found

    def set_clock(self, at_ms: int, patch: pytest.MonkeyPatch) -> None:
        """Have the server's clock show *at_ms* and go on from there; wakes nobody."""
        clock = self.built.clock
        now_ms, ahead_ms = clock.now_ms, at_ms - clock.now_ms()
        patch.setattr(clock, "now_ms", lambda: now_ms() + ahead_ms)

    async def raw(self, request: bytes, *, seconds: float = 30.0) -> bytes:
        """Send bytes on a connection of their own; everything that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(seconds):
                raw = b""
                while piece := await reader.read(1 << 16):
                    raw += piece
                    if b"content-type: text/event-stream" in raw[:1000]:
                        break  # it does not end by itself
                return raw
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def request(
        self,
        verb: str,
        target: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """One request; *target* goes out as it is."""
        lines = {"Host": "127.0.0.1", "Connection": "close", **(headers or {})}
        if body is not None:
            lines["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        text = f"{verb} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1")
        return parse(await self.raw(text + (body or b"")))

    async def partner(self, method: str, body: Any, token: str = ADMIN) -> Reply:
        return await self.request(
            "POST", f"/partner/{method}/{token}", json.dumps(body).encode()
        )

    async def create(self, **wanted: Any) -> "Tenant":
        """A new sandbox instance."""
        reply = await self.partner("createInstance", {"engine": "simulated"} | wanted)
        made = reply.json()
        assert reply.code == 200, made
        return Tenant(self, made["idInstance"], made["apiTokenInstance"])


class Tenant:
    """One instance and its token."""

    def __init__(self, running: Running, instance_id: int, token: str) -> None:
        self.running = running
        self.id = instance_id
        self.token = token

    def path(self, method: str) -> str:
        return f"/waInstance{self.id}/{method}/{self.token}"

    async def get(self, method: str, query: str = "", body: bytes | None = None) -> Reply:
        target = self.path(method) + (f"?{query}" if query else "")
        return await self.running.request("GET", target, body)

    async def post(self, method: str, body: Any) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.running.request("POST", self.path(method), raw)

    async def simulate(self, *events: dict[str, Any]) -> None:
        reply = await self.post("simulate", list(events))
        assert reply.code == 200, reply.body

    async def state(self, wanted: str) -> None:
        """Wait until the instance is in a state."""

        async def reached() -> bool:
            return bool(
                (await self.get("getStateInstance")).json() == {"stateInstance": wanted}
            )

        await eventually(reached, wanted)


def parse(raw: bytes) -> Reply:
    """Read one answer with Content-Length or without body."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Reply(int(first.split()[1]), headers, body)


@contextlib.asynccontextmanager
async def running_gateway(
    folder: Path,
    database: str = "sqlite:///:memory:",
    prepare: Callable[[Gateway], Awaitable[None]] | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """Run a gateway over *database* until the block ends.

    *prepare* is called with what was built, before any of it runs.
    """
    settings.setdefault("admin_token", ADMIN)
    settings.setdefault("port", 0)
    options = Settings(database=database, data=str(folder), **settings)
    async with gateway(options, "https://status.example.org") as built:
        if prepare is not None:
            await prepare(built)
        server = make_server(built.app, "127.0.0.1", options.port)
        roles = [
            asyncio.create_task(supervise(role, built.clock), name=role.name)
            for role in built.roles
        ]
        await begin(server)
        try:
            built.app.ready = True
            yield Running(built, server)
        finally:
            built.release()
            await end(server)
            await cancel(*roles)


async def begin(server: Server) -> None:
    """As ``Server.serve`` does; its loop, which looks ten times a second, is not needed."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    await server.on_tick(0)


async def end(server: Server) -> None:
    """Stop listening, and grant what is open the time that it has in life."""
    if server.server_state.connections or server.server_state.tasks:
        await server.shutdown()
    for one in server.servers:
        one.close()
