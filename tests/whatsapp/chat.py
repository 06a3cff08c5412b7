"""One chat connection: handshake, login or registration, then nodes in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from tests.whatsapp import pairing, queries, routing
from tests.whatsapp.handshake import Certificates, Hello, shake_hands
from tests.whatsapp.history import describe
from tests.whatsapp.jids import SERVER, Jid
from tests.whatsapp.nodes import CodecError, Node, frame, node, unframe
from tests.whatsapp.noise import Cipher, NoiseError
from tests.whatsapp.websocket import ClosedError, UpgradeError, WebSocket

if TYPE_CHECKING:
    from tests.whatsapp.accounts import Device
    from tests.whatsapp.queues import Entry
    from tests.whatsapp.world import World

_CLOSING_GRACE = 2.0  # seconds a client gets to close by itself

Outgoing = Node | tuple["Entry", Node] | Callable[[], Awaitable[None]]


class Connection:
    """A client's socket; `device` is set once it has logged in."""

    def __init__(self, world: World, socket: WebSocket, number: int) -> None:
        self.world, self.socket, self.number = world, socket, number
        self.device: Device | None = None
        self.hello: Hello | None = None
        self.live = False  # logged in and not being closed: stanzas may be sent
        self.stalled = False  # a fault has broken the line: nothing goes out, nothing counts
        self._outgoing: asyncio.Queue[Outgoing] = asyncio.Queue()
        self._replies: dict[str, asyncio.Future[Node]] = {}
        self._reading: Cipher | None = None
        self._writing: Cipher | None = None

    @property
    def jid(self) -> Jid | None:
        return self.device.jid if self.device else None

    async def run(self, certificates: Certificates) -> None:
        """Serve until one side hangs up."""
        self.world.connections[self.number] = self
        writer: asyncio.Task[None] | None = None
        reason = "closed"
        try:
            await self.socket.accept()
            self.hello, self._reading, self._writing = await shake_hands(
                self.socket, certificates
            )
            writer = asyncio.create_task(self._write())
            self._begin(self.hello)
            while True:
                await self._take(await self.socket.read_frame())
        except ClosedError as error:
            reason = str(error)
        except (UpgradeError, NoiseError, CodecError, DecodeError) as error:
            reason = f"{type(error).__name__}: {error}"
            self.world.history.violate("broken_frame", connection=self.number, detail=reason)
        finally:
            self._end(reason)
            if writer is not None:
                writer.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writer
            await self.socket.close()

    # ------------------------------------------------------------------ sending

    def send(self, item: Node) -> None:
        """Queue a node for the writer; order is kept."""
        self._outgoing.put_nowait(item)

    def send_entry(self, entry: Entry, *, offline: bool = False) -> None:
        """Send a stanza that must be acknowledged."""
        stanza = entry.stanza
        if offline:
            stanza = Node(stanza.tag, {**stanza.attrs, "offline": "0"}, stanza.content)
        entry.connection, entry.sent_at = self.number, math.inf
        self.world.history.add(
            "sent",
            number=entry.number,
            connection=self.number,
            device=str(self.jid),
            tag=stanza.tag,
            id=stanza.text("id"),
            participant=stanza.text("participant"),
            type=stanza.text("type"),
            offline=offline,
        )
        self._outgoing.put_nowait((entry, stanza))

    async def ask(self, question: Node, deadline: float = 10.0) -> Node:
        """Send an iq of ours and wait for its result."""
        reply: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
        self._replies[question.text("id")] = reply
        try:
            self.send(question)
            return await asyncio.wait_for(reply, deadline)
        finally:
            self._replies.pop(question.text("id"), None)

    def close_soon(self, last: Node | None = None) -> None:
        """Say a last word and let the client close; hang up if it does not."""
        self.live = False
        if last is not None:
            self.send(last)

        async def close() -> None:
            await asyncio.sleep(_CLOSING_GRACE)
            await self.socket.hang_up("close")

        self._outgoing.put_nowait(close)

    def drop(self, how: str) -> None:
        """Break the connection now: close, rst, midframe or silent; what waits is not sent."""
        self.live = False
        self.stalled = True
        if how != "silent":
            self._outgoing.put_nowait(lambda: self.socket.hang_up(how, b"\0" * 64))

    async def _write(self) -> None:
        while True:
            item = await self._outgoing.get()
            try:
                if isinstance(item, Node):
                    await self._write_node(item)
                elif isinstance(item, tuple):
                    await self._write_node(item[1])
                    item[0].sent_at = time.monotonic()
                else:
                    await item()
            except ClosedError:
                return

    async def _write_node(self, item: Node) -> None:
        if self.stalled or self._writing is None:
            return
        drop = self.world.faults.peek("drop_after", self.jid)
        if drop is not None and (left := drop.number("stanzas")) > 0:
            drop.params["stanzas"] = left - 1
        elif drop is not None:
            self.world.faults.take("drop_after", self.jid)
            self.drop(str(drop.params.get("how", "rst")))
            return
        payload = self._writing.seal(frame(item))
        slow = self.world.faults.peek("slow", self.jid)
        if slow is not None:
            await asyncio.sleep(slow.number("latency_ms") / 1000)
            if rate := slow.number("bytes_per_s"):
                await asyncio.sleep(len(payload) / rate)
        await self.socket.send_frame(payload)

    # ------------------------------------------------------------------ receiving

    def _begin(self, hello: Hello) -> None:
        self.world.history.add(
            "connected", connection=self.number, phone=hello.phone, number=hello.device
        )
        if hello.phone is None:
            pairing.offer(self)
        else:
            self._login(hello.phone, hello)

    def _login(self, phone: str, hello: Hello) -> None:
        device = self.world.accounts.device(Jid(phone, device=hello.device))
        failure = self.world.faults.take("failure", Jid(phone, device=hello.device))
        if failure is not None:
            attrs = {name: str(value) for name, value in failure.params.items()}
            self.close_soon(node("failure", attrs))
            return
        if device is None or device.is_phone or device.noise_key != hello.noise_key:
            self.close_soon(node("failure", {"reason": 401}))
            return
        if device.connection is not None and device.connection.live:
            self.world.history.violate(
                "two_connections",
                device=str(device.jid),
                connections=[device.connection.number, self.number],
            )
            device.connection.close_soon(conflict("replaced"))
        self.device, device.connection = device, self
        self.world.history.add("login", connection=self.number, device=str(device.jid))
        self.send(node("success", {"t": self.world.now(device.jid), "lid": device.lid}))
        self.live = True
        waiting = list(device.queue)
        if waiting:
            self.send(node("ib", {"from": SERVER}, [_preview(waiting)]))
        for entry in waiting:
            self.send_entry(entry, offline=True)
        self.send(node("ib", {"from": SERVER}, [node("offline", {"count": len(waiting)})]))
        if self.world.faults.take("poison", device.jid) is not None:
            self.send(pairing.poison())

    async def _take(self, sealed: bytes) -> None:
        if self._reading is None:
            raise NoiseError("no key yet")
        item = unframe(self._reading.open(sealed), self.world.tables)
        if self.stalled:
            return
        self.world.history.add(
            "received", connection=self.number, device=str(self.jid), node=describe(item)
        )
        self._handle(item)

    def _handle(self, item: Node) -> None:
        if item.tag == "iq" and item.text("type") in ("result", "error"):
            reply = self._replies.get(item.text("id"))
            if reply is not None and not reply.done():
                reply.set_result(item)
        elif item.tag == "iq":
            queries.answer(self, item)
        elif item.tag in ("ib", "presence"):
            pass  # nothing to answer
        elif item.tag == "ack" and self.device is not None:
            routing.on_ack(self, self.device, item)
        elif item.tag == "receipt" and self.device is not None:
            routing.on_receipt(self, self.device, item)
        elif item.tag == "message" and self.device is not None:
            routing.on_message(self, self.device, item)
        elif item.tag != "ack":
            self.world.history.violate(
                "unknown_stanza", device=str(self.jid), node=describe(item)
            )

    def _end(self, reason: str) -> None:
        self.live = False
        self.world.connections.pop(self.number, None)
        for known in (self.world.references, self.world.codes):
            stale = [key for key, owner in known.items() if _connection(owner) is self]
            for key in stale:
                del known[key]
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ClosedError(reason))
        if self.device is not None and self.device.connection is self:
            self.device.connection = None
        self.world.history.add(
            "closed", connection=self.number, device=str(self.jid), reason=reason
        )


def _connection(owner: Connection | pairing.CodeRequest) -> Connection:
    return owner if isinstance(owner, Connection) else owner.connection


def _preview(waiting: list[Entry]) -> Node:
    """How much of what kind is about to come."""
    kinds = Counter(entry.stanza.tag for entry in waiting)
    parts = {kind: kinds[kind] for kind in ("message", "receipt", "notification")}
    return node("offline_preview", {"count": len(waiting), "appdata": 0, **parts})


def conflict(kind: str, code: int = 440) -> Node:
    """The stream error that ends a session: `replaced`, or `device_removed` with 401."""
    return node("stream:error", {"code": code}, [node("conflict", {"type": kind})])
