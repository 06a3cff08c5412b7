"""Devices that are linked at once: both ends as a pairing would have left them.

Pairing takes a process and some seconds for each account. Here the server makes the companion's
keys as well, signs for both sides, and writes the rows of the library's session store; the
schema is the library's own. What logs in with it later is the unmodified library.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.whatsapp.accounts import Account, Bundle, Device, generated_bundle
from tests.whatsapp.devices import add_device
from tests.whatsapp.nodes import node
from tests.whatsapp.pairing import BY_DEVICE, vouch
from tests.whatsapp.xeddsa import KeyPair

if TYPE_CHECKING:
    from tests.whatsapp.world import World

_ONE_TIME_KEYS = 50
_EMPTY_STORE = "empty-session.db"


def link(world: World, account: Account, number: int, store: Path) -> Device:
    """Make a companion of *account* whose session store is the new file *store*."""
    noise, identity, signed = KeyPair(), KeyPair(), KeyPair()
    one_time = [KeyPair() for _ in range(_ONE_TIME_KEYS)]
    bundle = generated_bundle(identity, signed)
    bundle.one_time.extend(
        node("key", content=[_id(n), node("value", content=key.public)])
        for n, key in enumerate(one_time, 1)
    )
    device = Device(
        account, number, noise_key=noise.public, identity=identity.public, bundle=bundle
    )
    details, signature = vouch(world, account, number, identity.public)
    row = {
        "jid": str(device.jid),
        "lid": str(device.lid),
        "registration_id": int.from_bytes(bundle.registration.data, "big"),
        "noise_key": noise.private,
        "identity_key": identity.private,
        "signed_pre_key": signed.private,
        "signed_pre_key_id": 1,
        "signed_pre_key_sig": _signature(bundle),
        "adv_key": bytes(32),
        "adv_details": details,
        "adv_account_sig": signature,
        "adv_account_sig_key": account.key.public,
        "adv_device_sig": identity.sign(
            BY_DEVICE + details + identity.public + account.key.public
        ),
        "platform": "android",
    }
    _write(store, _empty_store(world), account, row, one_time)
    add_device(world, device)
    return device


def _write(
    store: Path, empty: Path, account: Account, row: dict[str, Any], one_time: list[KeyPair]
) -> None:
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(empty, store)
    store.chmod(0o600)
    jid = row["jid"]
    with closing(sqlite3.connect(store)) as database, database:
        _insert(database, "device", row)
        _insert(
            database,
            "identity_keys",
            {
                "our_jid": jid,
                "their_id": f"{account.lid}_1:0",
                "identity": account.key.public,
            },
        )
        _insert(database, "lid_map", {"lid": account.lid, "pn": account.phone})
        for number, key in enumerate(one_time, 1):
            pre_key = {"jid": jid, "key_id": number, "key": key.private, "uploaded": True}
            _insert(database, "pre_keys", pre_key)


def _insert(database: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    values = ", ".join(f":{name}" for name in row)
    insert = f"INSERT INTO whatsmeow_{table} ({', '.join(row)}) VALUES ({values})"  # noqa: S608 - our own names
    database.execute(insert, row)


def _empty_store(world: World) -> Path:
    """A store of the library without devices, made by itself."""
    empty = world.directory / _EMPTY_STORE
    if not empty.exists():
        from neonize.client import ClientFactory

        ClientFactory.get_all_devices_from_db(str(empty))
    return empty


def _signature(bundle: Bundle) -> bytes:
    signature = bundle.signed.child("signature")
    assert signature is not None
    return signature.data


def _id(number: int) -> Any:
    return node("id", content=number.to_bytes(3, "big"))
