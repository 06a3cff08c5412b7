"""Devices come and go: those who hold a list of them are told, or they would post past them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from tests.whatsapp.accounts import Account, Device
from tests.whatsapp.delivery import deliver
from tests.whatsapp.jids import LIDS, PHONES, Jid
from tests.whatsapp.nodes import Attrs, Node, node

if TYPE_CHECKING:
    from tests.whatsapp.world import World


def add_device(world: World, device: Device) -> None:
    """The account has a new companion; a former one of this number is gone first."""
    account = device.account
    if account.devices.get(device.number) is not None:
        remove_device(world, account.devices[device.number])
    account.devices[device.number] = device
    _announce(world, device, "add")


def remove_device(world: World, device: Device) -> None:
    world.accounts.forget(device)
    _announce(world, device, "remove")


def _announce(world: World, device: Device, change: Literal["add", "remove"]) -> None:
    account = device.account
    own = {other.jid for other in account.companions if other is not device}
    for jid in own:
        _tell(world, jid, account.jid, "account_sync", _own_list(account))
    for watcher, server in sorted(account.watchers, key=str):
        if watcher not in own and watcher != device.jid:
            changed = device.lid if server == LIDS else device.jid
            part = node(
                change,
                {"device_hash": _hash(_addresses(account, server))},
                [node("device", {"jid": changed, "key-index": device.number})],
            )
            _tell(world, watcher, changed.person, "devices", part)


def _tell(world: World, to: Jid, source: Jid, kind: str, part: Node) -> None:
    receiver = world.accounts.device(to)
    if receiver is not None:
        attrs: Attrs = {
            "from": source,
            "type": kind,
            "id": f"devices-{world.history.next_number()}",
            "t": world.now(),
        }
        deliver(world, receiver, node("notification", attrs, [part]))


def _own_list(account: Account) -> Node:
    jids = _addresses(account, PHONES)
    children = [node("device", {"jid": jid, "key-index": jid.device}) for jid in jids]
    return node("devices", {"dhash": _hash(jids)}, children)


def _addresses(account: Account, server: str) -> list[Jid]:
    user = account.lid if server == LIDS else account.phone
    return [Jid(user, server, number) for number in sorted(account.devices)]


def _hash(jids: Iterable[Jid]) -> str:
    """How clients sum up a list of devices: `2:` and the first 6 bytes of a SHA-256."""
    texts = sorted(f"{jid.user}.0:{jid.device}@{jid.server}" for jid in jids)
    digest = hashlib.sha256("".join(texts).encode()).digest()
    return "2:" + base64.b64encode(digest[:6]).decode().rstrip("=")
