"""Posts, receipts and acknowledgements between devices."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.whatsapp import viewers
from tests.whatsapp.accounts import Account, Device
from tests.whatsapp.delivery import deliver, settle
from tests.whatsapp.history import describe
from tests.whatsapp.jids import LIDS, PHONES, STATUS, Jid
from tests.whatsapp.nodes import Attrs, Node, node
from tests.whatsapp.queues import key_of_ack, key_of_receipt

if TYPE_CHECKING:
    from tests.whatsapp.chat import Connection
    from tests.whatsapp.world import World

_IN_PRIVATE = {
    "participant": "from",
    "participant_pn": "sender_pn",
    "participant_lid": "sender_lid",
}
"""what the attributes of a status are called in a private message"""
_NOT_AN_ACK = ("read", "played", "read-self", "played-self")


# ---------------------------------------------------------------------------- messages


def on_message(connection: Connection, sender: Device, message: Node) -> None:
    """A client posts, revokes, resends after a retry receipt, or writes to a person."""
    world = connection.world
    targets = _targets(world, sender, message)
    code = _refusal(connection, sender, message, targets)
    _note_post(connection, sender, message, targets, code)
    if code is None:
        viewers.early_receipts(world, sender, message.text("id"))
    _acknowledge(connection, sender, message, code)
    if code is not None:
        return
    shared = list(message.all("enc"))
    identity = list(message.all("device-identity"))
    for address, target, own in targets:
        stanza = _forwarded(world, sender, message, address)
        common = shared
        if world.faults.take("corrupt", target.jid):
            common = [_corrupted(each) for each in shared]
        stanza.content = [*own, *common, *identity]
        deliver(world, target, stanza)


def _targets(
    world: World, sender: Device, message: Node
) -> list[tuple[Jid, Device, list[Node]]]:
    """Each exact device on the list, how it was addressed, and its own ciphertext."""
    participants = message.child("participants")
    if participants is not None:
        asked = [
            (jid, each.children)
            for each in participants.children
            for jid in _addressed(world, sender, each)
        ]
    else:
        one = message.jid("participant") or message.jid("to")
        asked = [(one, [])]
    found = []
    for jid, own in asked:
        device = world.accounts.device(jid) if jid else None
        if jid is None or device is None or device is sender:
            world.history.violate(
                "to_unknown_device",
                device=str(sender.jid),
                to=str(jid),
                id=message.text("id"),
            )
            continue
        if own and message.jid("to") == STATUS:
            sender.keyed.add(device.jid)
        found.append((jid, device, own))
    return found


def _addressed(world: World, sender: Device, to: Node) -> list[Jid | None]:
    """The devices meant by a `<to>`: one, or without a ciphertext of its own every device of
    the person that holds the sender key."""
    jid = to.jid("jid")
    account = world.accounts.person(jid) if jid else None
    if jid is None or to.children or jid.device or account is None:
        return [jid]
    holders = [each.number for each in account.devices.values() if each.jid in sender.keyed]
    return [replace(jid, device=number) for number in holders or [0]]


def _refusal(
    connection: Connection,
    sender: Device,
    message: Node,
    targets: list[tuple[Jid, Device, list[Node]]],
) -> int | None:
    faults = connection.world.faults
    if message.jid("to") != STATUS:
        return None
    refuse = faults.take("refuse_post", sender.jid)
    if refuse is not None:
        return refuse.number("code", 479)
    require = faults.peek("require", sender.jid)
    if require is not None:
        server = LIDS if require.params["addressing"] == "lid" else PHONES
        others = (jid for jid, device, _ in targets if device.account is not sender.account)
        if any(jid.server != server for jid in others):
            return 479
    return None


def _acknowledge(
    connection: Connection, sender: Device, message: Node, code: int | None
) -> None:
    world = connection.world
    if world.faults.take("ack_never", sender.jid):
        return
    ack = node(
        "ack",
        {
            "class": "message",
            "id": message.text("id"),
            "from": message.jid("to"),
            "participant": message.jid("participant"),
            "t": None if world.faults.take("ack_no_t", sender.jid) else world.now(sender.jid),
            "error": code,
        },
    )
    delay = world.faults.take("ack_delay", sender.jid)
    if delay is None:
        connection.send(ack)
    else:
        asyncio.get_running_loop().call_later(delay.number("ms") / 1000, connection.send, ack)


def _note_post(
    connection: Connection,
    sender: Device,
    message: Node,
    targets: list[tuple[Jid, Device, list[Node]]],
    code: int | None,
) -> None:
    connection.world.posts.append(
        {
            "id": message.text("id"),
            "device": str(sender.jid),
            "to": message.text("to"),
            "type": message.text("type"),
            "edit": message.text("edit"),
            "retry_for": message.text("participant"),
            "recipients": [str(jid) for jid, _, _ in targets],
            "error": code,
            "t": time.time(),
        }
    )


def _forwarded(world: World, sender: Device, message: Node, address: Jid) -> Node:
    """The envelope as the receiver sees it; the sender is shown the way it was addressed."""
    account = sender.account
    notify = world.faults.peek("notify", sender.jid)
    common: Attrs = {
        "id": message.text("id"),
        "t": world.now(sender.jid),
        "type": message.text("type") or "text",
        "notify": str(notify.params["text"]) if notify else account.name,
        "edit": message.text("edit") or None,
        "category": message.text("category") or None,
    }
    source = _source(world, sender, address)
    if message.jid("to") == STATUS:
        return node("message", {"from": STATUS, **source, **common})
    if account.owns(address):
        source = {"participant": source["participant"], **_recipient(world, message.jid("to"))}
    private = {_IN_PRIVATE.get(name, name): value for name, value in source.items()}
    return node("message", {**private, **common})


def _corrupted(enc: Node) -> Node:
    """The same ciphertext with its last byte changed: its signature or MAC fails."""
    return Node(enc.tag, enc.attrs, enc.data[:-1] + bytes((enc.data[-1] ^ 1,)))


def _source(world: World, sender: Device, address: Jid) -> Attrs:
    """The sender in the form in which the receiver was addressed, and the other one."""
    if address.server == LIDS:
        shown = world.faults.peek("without_pn", sender.jid) is None
        return {
            "participant": sender.lid,
            "participant_pn": sender.jid if shown else None,
            "addressing_mode": "lid",
        }
    hidden = world.faults.peek("without_lid", sender.jid)
    return {"participant": sender.jid, "participant_lid": None if hidden else sender.lid}


def _recipient(world: World, to: Jid | None) -> Attrs:
    """To whom the own account wrote, for its other devices: both forms of the address."""
    person = world.accounts.person(to) if to else None
    if to is None or person is None:
        return {"recipient": to}
    if to.server == LIDS:
        return {"recipient": to, "peer_recipient_pn": person.jid}
    return {"recipient": to, "peer_recipient_lid": Jid(person.lid, LIDS)}


# ---------------------------------------------------------------------------- receipts


def on_ack(connection: Connection, device: Device, ack: Node) -> None:
    settle(connection, device, ack, key_of_ack(ack))


def on_receipt(connection: Connection, device: Device, receipt: Node) -> None:
    """A client has received, decrypted badly, read or played something."""
    connection.send(
        node(
            "ack",
            {
                "class": "receipt",
                "id": receipt.text("id"),
                "from": receipt.attrs.get("to"),
                "participant": receipt.jid("participant"),
                "type": receipt.text("type") or None,
            },
        )
    )
    if receipt.text("type") not in _NOT_AN_ACK:
        settle(connection, device, receipt, key_of_receipt(receipt))
    author = _author(connection.world, device, receipt)
    if author is not None:
        _forward_receipt(connection.world, device, receipt, author)


def _author(world: World, device: Device, receipt: Node) -> Account | None:
    """Whose message this receipt is about; a violation if the device never got it."""
    to = receipt.jid("to")
    participant = receipt.jid("participant") if to == STATUS else to
    if participant is None:
        return None
    author = world.accounts.person(participant)
    ids = [receipt.text("id")]
    listed = receipt.child("list")
    if listed is not None:
        ids += [item.text("id") for item in listed.children]
    for each in ids if to == STATUS else []:
        forms = device.received.get((author.phone if author else "", each))
        if forms is None or participant.server not in forms:
            rule = "receipt_for_unsent" if forms is None else "receipt_in_another_form"
            world.history.violate(rule, device=str(device.jid), node=describe(receipt))
            return None
    return author


def _forward_receipt(world: World, device: Device, receipt: Node, author: Account) -> None:
    addressed = receipt.jid("participant") or receipt.jid("to")
    by_lid = addressed is not None and addressed.server == LIDS
    viewer = device.lid if by_lid else device.jid
    if receipt.jid("to") == STATUS:
        source: Attrs = {"from": STATUS, "participant": viewer}
        if by_lid:
            source["participant_pn"] = device.jid
    else:
        source = {"from": viewer}
    stanza = node(
        "receipt",
        {
            "id": receipt.text("id"),
            **source,
            "type": receipt.text("type") or None,
            "t": world.now(),
        },
        receipt.content,
    )
    retry = receipt.text("type") == "retry"
    for other in author.companions:
        wanted = addressed is not None and other.number == addressed.device
        if other is not device and (wanted or not retry):
            deliver(world, other, stanza)
