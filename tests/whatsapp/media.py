"""The media host: encrypted blobs are uploaded under their hash, and fetched again by path."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.whatsapp.faults import Fault
    from tests.whatsapp.world import World

_MAX_HEAD = 32 * 1024
_MAX_BODY = 128 * 1024 * 1024
_REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 404: "Not Found", 410: "Gone"}


async def serve_media(
    world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """HTTP/1.1 on one TLS stream, request after request, until the client leaves."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            return
        method, target, length = _read_head(head)
        if len(head) > _MAX_HEAD or length > _MAX_BODY:
            return
        body = await reader.readexactly(length) if length else b""
        if not await _answer(world, writer, method, target, body):
            return


def _read_head(head: bytes) -> tuple[str, str, int]:
    first, *rest = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    fields = dict(line.lower().split(":", 1) for line in rest if ":" in line)
    return method, target, int(fields.get("content-length", "0"))


async def _answer(
    world: World, writer: asyncio.StreamWriter, method: str, target: str, body: bytes
) -> bool:
    """Answer one request; False when the connection was cut."""
    fault = world.faults.peek("media")
    if fault is not None and fault.params.get("method", method) == method:
        world.faults.take("media")
    else:
        fault = None
    if fault is not None:
        await asyncio.sleep(fault.number("delay_ms") / 1000)
    status, reply = _upload(world, target, body) if method == "POST" else _fetch(world, target)
    extra = ""
    if fault is not None:
        status = fault.number("status", status)
        reply = _spoil(fault, reply)
        if "location" in fault.params:
            extra = f"Location: {fault.params['location']}\r\n"
    world.history.add("media", method=method, target=target, status=status, size=len(body))
    if fault is not None and "grow" in fault.params:
        await _grow(world, writer, reply, fault.number("grow"))
        return False
    reason = _REASONS.get(status, "Error")
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(reply)}\r\n{extra}\r\n"
    cut = None if fault is None else fault.params.get("cut")
    writer.write(head.encode() + (reply if cut is None else reply[: int(cut)]))
    await writer.drain()
    if cut is not None:
        writer.close()
    return cut is None


async def _grow(world: World, writer: asyncio.StreamWriter, reply: bytes, more: int) -> None:
    """Answer without a length, with `more` bytes behind the file; note how many were taken."""
    taken, piece = 0, bytes(64 * 1024)
    try:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + reply)
        while taken < more:
            writer.write(piece)
            await writer.drain()
            taken += len(piece)
    finally:
        world.history.add("grown", taken=taken)
        writer.close()


def _upload(world: World, target: str, body: bytes) -> tuple[int, bytes]:
    """`POST /mms/KIND/TOKEN?...`; the token is the hash of the body, and is checked."""
    token = target.partition("?")[0].rpartition("/")[2]
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode()
    if digest.rstrip("=") != token.rstrip("="):  # clients differ in the padding
        world.history.violate("bad_upload_token", target=target, size=len(body))
        return 400, b""
    path = f"/v/t62/{token}"
    world.blobs[path] = body
    direct = f"{path}?ccb=1"
    links = {"url": f"https://mmg.whatsapp.net{direct}", "direct_path": direct}
    return 200, json.dumps(links).encode()


def _fetch(world: World, target: str) -> tuple[int, bytes]:
    blob = world.blobs.get(target.partition("?")[0])
    return (404, b"") if blob is None else (200, blob)


def _spoil(fault: Fault, reply: bytes) -> bytes:
    if "flip" in fault.params and reply:
        at = fault.number("flip") % len(reply)
        return reply[:at] + bytes((reply[at] ^ 1,)) + reply[at + 1 :]
    return b"" if fault.number("status", 200) >= 300 else reply
