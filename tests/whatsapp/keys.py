"""Key bundles: devices upload theirs, others are handed them, each one-time key once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.whatsapp.accounts import Bundle, Device
from tests.whatsapp.delivery import deliver
from tests.whatsapp.jids import SERVER
from tests.whatsapp.nodes import Answer, Attrs, Node, node

if TYPE_CHECKING:
    from tests.whatsapp.chat import Connection
    from tests.whatsapp.world import World

_FEW = 5  # a client is asked for more below this number


def count_keys(connection: Connection, device: Device, _question: Node) -> Answer:
    left = len(device.bundle.one_time) if device.bundle else 0
    if device.bundle is None and connection.world.quick_pairing:
        left = _FEW  # not "none at all", upon which a client uploads 812
    return [node("count", {"value": left})]


def upload_keys(connection: Connection, device: Device, question: Node) -> Answer:
    parts = {each.tag: each for each in question.children}
    missing = {"registration", "type", "identity", "list", "skey"} - set(parts)
    if missing or parts["identity"].data != device.identity:
        connection.world.history.violate(
            "bad_key_upload", device=str(device.jid), missing=sorted(missing)
        )
        return None
    known = device.bundle.one_time if device.bundle else []
    values = {_public(key) for key in known}
    bundle = Bundle(parts["registration"], parts["type"], parts["identity"], parts["skey"])
    bundle.one_time.extend(known)
    bundle.one_time.extend(key for key in parts["list"].children if _public(key) not in values)
    device.bundle = bundle
    return None


def digest(_connection: Connection, device: Device, _question: Node) -> Answer:
    """What the server has of the device's keys, for the client to compare."""
    if device.bundle is None:
        return None
    ids = [part for key in device.bundle.one_time for part in key.all("id")]
    return [node("digest", content=[*device.bundle.lasting, node("list", content=ids)])]


def rotate(_connection: Connection, device: Device, question: Node) -> Answer:
    """A new signed key in the place of the former one."""
    signed = question.children[0].child("skey")
    if device.bundle is not None and signed is not None:
        device.bundle.signed = signed
    return None


def _public(key: Node) -> bytes:
    value = key.child("value")
    return value.data if value else b""


def hand_out_keys(connection: Connection, _device: Device, question: Node) -> Answer:
    world = connection.world
    users = []
    for user in question.children[0].children:
        jid = user.jid("jid")
        target = world.accounts.device(jid) if jid else None
        fault = world.faults.peek("no_prekeys", target.jid if target else None)
        if target is None or target.bundle is None:
            continue
        if fault is not None and fault.params.get("mode", "no_bundle") == "no_bundle":
            continue
        keys = list(target.bundle.lasting)
        if fault is None and (one_time := take_one_time_key(world, target)):
            keys.append(one_time)
        users.append(node("user", {"jid": jid, "t": world.now()}, keys))
    return [node("list", content=users)]


def take_one_time_key(world: World, target: Device) -> Node | None:
    """The next one-time key, never the same one twice."""
    while target.bundle is not None and target.bundle.one_time:
        key = target.bundle.one_time.popleft()
        value = _public(key)
        if value not in target.handed_out:
            target.handed_out.add(value)
            if len(target.bundle.one_time) == _FEW - 1:
                _ask_for_more(world, target)
            return key
        world.history.violate("one_time_key_twice", device=str(target.jid))
    return None


def _ask_for_more(world: World, device: Device) -> None:
    left = len(device.bundle.one_time) if device.bundle else 0
    attrs: Attrs = {
        "from": SERVER,
        "type": "encrypt",
        "id": f"keys-{world.history.next_number()}",
        "t": world.now(),
    }
    deliver(world, device, node("notification", attrs, [node("count", {"value": left})]))
