"""Application state: what a phone keeps for its companions, here its address book.

A collection is a chain of patches. Each sets encrypted records; a running hash over all of
them (LTHash) and several MACs protect the chain, so companions notice when a patch is missing
or changed. The server of the real WhatsApp stores patches it cannot read; ours makes them,
with a key of the account that an engine in the role of the phone hands to its companions
(`raw_engine.share_app_state_key`).
"""

from __future__ import annotations

import hmac
import json
import os
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.whatsapp.delivery import deliver
from tests.whatsapp.jids import SERVER, Jid
from tests.whatsapp.nodes import Answer, Attrs, Node, node

if TYPE_CHECKING:
    from tests.whatsapp.accounts import Account, Device
    from tests.whatsapp.chat import Connection
    from tests.whatsapp.world import World

ADDRESS_BOOK = "critical_unblock_low"
_SET = 0  # the operation's number
_HASH = struct.Struct("<64H")


@dataclass(slots=True)
class AddressBook:
    """One account's contacts as patches; version n is patch n."""

    key_id: bytes = field(default_factory=lambda: os.urandom(6))
    key: bytes = field(default_factory=lambda: os.urandom(32))
    patches: list[bytes] = field(default_factory=list)
    _hash: bytes = bytes(128)
    _macs: dict[bytes, bytes] = field(default_factory=dict)  # index -> value in force

    def name(self, contacts: list[tuple[Jid, Jid | None, str]]) -> None:
        """Add a patch that gives these people (address, hidden number if told) names."""
        # Imported here, in the server's process: it loads the library, which tests never do.
        from neonize.proto.waServerSync.WAWebProtobufsServerSync_pb2 import SyncdPatch

        keys = _expand(self.key, b"WhatsApp Mutation Keys", 160)
        index_key, cipher_key, value_key, snapshot_key, patch_key = (
            keys[at : at + 32] for at in range(0, 160, 32)
        )
        patch = SyncdPatch()
        patch.version.version = version = len(self.patches) + 1
        patch.keyID.ID = self.key_id
        macs = b""
        for jid, lid, shown in contacts:
            data = _action(jid, lid, shown)
            index = hmac.digest(index_key, data.index, "sha256")
            sealed = _seal(cipher_key, data.SerializeToString())
            mac = self._value_mac(value_key, sealed)
            mutation = patch.mutations.add(operation=_SET)
            mutation.record.index.blob = index
            mutation.record.value.blob = sealed + mac
            mutation.record.keyID.ID = self.key_id
            self._replace(index, mac)
            macs += mac
        tail = version.to_bytes(8, "big") + ADDRESS_BOOK.encode()
        patch.snapshotMAC = hmac.digest(snapshot_key, self._hash + tail, "sha256")
        patch.patchMAC = hmac.digest(patch_key, patch.snapshotMAC + macs + tail, "sha256")
        self.patches.append(patch.SerializeToString())

    def _value_mac(self, key: bytes, sealed: bytes) -> bytes:
        named = bytes((_SET + 1,)) + self.key_id
        length = len(named).to_bytes(8, "big")
        return hmac.digest(key, named + sealed + length, "sha512")[:32]

    def _replace(self, index: bytes, mac: bytes) -> None:
        """Have the running hash hold `mac` instead of what the index held before."""
        totals = list(_HASH.unpack(self._hash))
        for value, sign in ((self._macs.get(index), -1), (mac, 1)):
            if value is not None:
                parts = _HASH.unpack(_expand(value, b"WhatsApp Patch Integrity", 128))
                totals = [(a + sign * b) % 65536 for a, b in zip(totals, parts, strict=True)]
        self._macs[index] = mac
        self._hash = _HASH.pack(*totals)


def rename(world: World, account: Account, contacts: list[tuple[Jid, Jid | None, str]]) -> None:
    """The phone has names for people; its companions are told that there is news."""
    book = account.address_book
    book.name(contacts)
    attrs: Attrs = {
        "from": SERVER,
        "type": "server_sync",
        "id": f"sync-{world.history.next_number()}",
        "t": world.now(),
    }
    changed = node("collection", {"name": ADDRESS_BOOK, "version": len(book.patches)})
    for device in account.companions:
        deliver(world, device, node("notification", attrs, [changed]))


def answer(_connection: Connection, device: Device, question: Node) -> Answer:
    """Hand out the patches of each collection that the device does not have yet."""
    asked = question.child("sync")
    found = [_collection(device, each) for each in asked.all("collection")] if asked else []
    return [node("sync", content=found)]


def _collection(device: Device, asked: Node) -> Node:
    name, version = asked.text("name"), int(asked.text("version") or 0)
    patches = device.account.address_book.patches if name == ADDRESS_BOOK else []
    fresh = [node("patch", content=patch) for patch in patches[version:]]
    return node(
        "collection",
        {"name": name, "version": len(patches)},
        [node("patches", content=fresh)] if fresh else None,
    )


def _action(jid: Jid, lid: Jid | None, shown: str) -> Any:
    """The record of a contact, as a protobuf message."""
    from neonize.proto.waSyncAction.WAWebProtobufSyncAction_pb2 import SyncActionData

    data = SyncActionData(index=json.dumps(["contact", str(jid)]).encode(), version=2)
    data.value.timestamp = int(time.time() * 1000)
    contact = data.value.contactAction
    contact.fullName = contact.firstName = shown
    contact.saveOnPrimaryAddressbook = True
    if lid is not None:
        contact.lidJID = str(lid)
    return data


def _seal(key: bytes, plain: bytes) -> bytes:
    """AES-256-CBC with its initialisation vector in front."""
    vector, padding = os.urandom(16), 16 - len(plain) % 16
    cipher = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    return vector + cipher.update(plain + bytes((padding,)) * padding) + cipher.finalize()


def _expand(secret: bytes, info: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, None, info).derive(secret)
