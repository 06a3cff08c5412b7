"""Stanzas on their way to a device: queued, sent, acknowledged, or late."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from tests.whatsapp.history import describe
from tests.whatsapp.nodes import Node
from tests.whatsapp.queues import AckKey, Entry, key_of

if TYPE_CHECKING:
    from tests.whatsapp.accounts import Device
    from tests.whatsapp.chat import Connection
    from tests.whatsapp.world import World

_HOLD_AT_MOST = 1.0  # seconds which the fault "reorder" keeps stanzas


def deliver(world: World, device: Device, stanza: Node, *, front: bool = False) -> None:
    """Queue a stanza for a device, and send it when the device is connected."""
    if stanza.tag == "message":
        participant = stanza.jid("participant") or stanza.jid("from")
        author = world.accounts.person(participant) if participant else None
        if author is not None and participant is not None:
            forms = device.received.setdefault((author.phone, stanza.text("id")), set())
            forms.add(participant.server)
    if device.is_phone:
        world.history.add("to_phone", device=str(device.jid), id=stanza.text("id"))
        return
    reorder = world.faults.peek("reorder", device.jid)
    if reorder is None:
        _deliver_now(world, device, stanza, front=front)
        return
    device.held.append(stanza)
    if len(device.held) >= reorder.number("count", 2):
        release(world, device, reorder.number("seed"))
    elif len(device.held) == 1:
        loop = asyncio.get_running_loop()
        loop.call_later(_HOLD_AT_MOST, release, world, device, reorder.number("seed"))


def release(world: World, device: Device, seed: int) -> None:
    """Send what the fault "reorder" has kept, in another order."""
    held, device.held = device.held, []
    before = list(held)
    random.Random(seed).shuffle(held)
    if held == before and len(held) > 1:
        held.reverse()
    for stanza in held:
        _deliver_now(world, device, stanza)


def _deliver_now(world: World, device: Device, stanza: Node, *, front: bool = False) -> None:
    duplicate = world.faults.peek("duplicate", device.jid)
    for _ in range(duplicate.number("copies", 2) if duplicate else 1):
        entry = Entry(world.history.next_number(), stanza, key_of(stanza))
        device.queue.add(entry, front=front)
        world.history.add(
            "queued",
            number=entry.number,
            device=str(device.jid),
            tag=stanza.tag,
            id=stanza.text("id"),
        )
        if device.connection is not None and device.connection.live:
            device.connection.send_entry(entry)


def check_late(world: World) -> None:
    """Report stanzas that stay unacknowledged although the device is connected and idle."""
    now = time.monotonic()
    for account in world.accounts:
        for device in account.companions:
            connection = device.connection
            if connection is None or not connection.live:
                continue
            for entry in device.queue:
                since = max(entry.sent_at, device.queue.progress_at)
                mine = entry.connection == connection.number
                if mine and not entry.reported and now - since > world.ack_deadline:
                    entry.reported = True
                    world.history.violate(
                        "missing_ack",
                        device=str(device.jid),
                        number=entry.number,
                        node=describe(entry.stanza),
                    )


def settle(connection: Connection, device: Device, answer: Node, key: AckKey) -> None:
    """The device has acknowledged what this key names, if anything."""
    entry = device.queue.settle(key)
    if entry is not None:
        connection.world.history.add(
            "acked",
            number=entry.number,
            connection=connection.number,
            device=str(device.jid),
            by=answer.tag,
            type=answer.text("type"),
        )
