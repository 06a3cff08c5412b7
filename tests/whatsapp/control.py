"""The tests' channel into the server: `POST /OPERATION` with a JSON object, answered by JSON.

Every public method of `Operations` is an operation; its parameters are the object's keys.
A refusal is answered 400 with `{"error": text}`. `client.py` is the typed other end.
"""

from __future__ import annotations

import inspect
import os
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.whatsapp import appstate, delivery, keys, linked, pairing
from tests.whatsapp import viewers as viewer_stanzas
from tests.whatsapp.chat import Connection, conflict
from tests.whatsapp.devices import remove_device
from tests.whatsapp.history import Record
from tests.whatsapp.jids import SERVER, STATUS, Jid
from tests.whatsapp.nodes import Attrs, Node, node
from tests.whatsapp.queues import Entry, key_of
from tests.whatsapp.websocket import ClosedError

if TYPE_CHECKING:
    from tests.whatsapp.accounts import Account, Device
    from tests.whatsapp.world import World

_REFUSALS = (ValueError, TypeError, KeyError, TimeoutError, pairing.PairingError, ClosedError)
_PRIVACY_KINDS = ("contacts", "whitelist", "blacklist")


class Operations:
    """What a test may do to the server."""

    def __init__(self, world: World) -> None:
        self._world = world

    # ------------------------------------------------------------ people and pairing

    def account(
        self,
        phone: str,
        lid: str,
        name: str | None = None,
        privacy: str | None = None,
        people: list[str] | None = None,
        read_receipts: str | None = None,
    ) -> Record:
        """Open or change an account: shown name, status privacy, read receipts."""
        account = self._world.accounts.open(phone, lid, name)
        if privacy is not None:
            if privacy not in _PRIVACY_KINDS:
                raise ValueError(f"privacy is one of {_PRIVACY_KINDS}")
            account.privacy_kind = privacy
            account.privacy_list = [Jid.parse(each) for each in people or ()]
        if read_receipts is not None:
            account.read_receipts = read_receipts
        return {"phone": phone, "lid": lid, "key": account.key.public.hex()}

    def rename(self, phone: str, contacts: list[list[str | None]]) -> Record:
        """The phone has named contacts, each `[address, hidden number or null, name]`."""
        account = self._account(phone)
        named = [
            (Jid.parse(jid), Jid.parse(lid) if lid else None, name or "")
            for jid, lid, name in contacts
            if jid is not None
        ]
        appstate.rename(self._world, account, named)
        return {"version": len(account.address_book.patches)}

    def app_state_key(self, phone: str) -> Record:
        """The key of the account's application state, for whoever plays its phone."""
        book = self._account(phone).address_book
        return {"id": book.key_id.hex(), "key": book.key.hex()}

    def generate_contacts(self, first_phone: int, first_lid: int, count: int) -> Record:
        """Contacts with consecutive numbers, of whom only the phone exists."""
        for n in range(count):
            self._world.accounts.generate(str(first_phone + n), str(first_lid + n))
        return {"count": count}

    async def scan(
        self, qr: str, phone: str, lid: str, device: int, name: str | None = None
    ) -> Record:
        """The phone of this account scans a QR; answered when the companion has signed."""
        account = self._world.accounts.open(phone, lid, name)
        paired = await pairing.scan(self._world.references, qr, account, device)
        return {"jid": str(paired.jid), "lid": str(paired.lid)}

    async def enter_code(
        self, code: str, phone: str, lid: str, device: int, name: str | None = None
    ) -> Record:
        """The code which a companion shows is typed on the phone."""
        request = self._world.codes.get(phone)
        if request is None:
            raise ValueError(f"no companion waits for {phone}")
        account = self._world.accounts.open(phone, lid, name)
        paired = await pairing.enter_code(request, code, account, device)
        return {"jid": str(paired.jid), "lid": str(paired.lid)}

    def link(
        self, phone: str, lid: str, device: int, store: str, name: str | None = None
    ) -> Record:
        """Make a companion that is linked already, with its session store in a new file."""
        account = self._world.accounts.open(phone, lid, name)
        made = linked.link(self._world, account, device, Path(store))
        return {"jid": str(made.jid), "lid": str(made.lid)}

    def quick_pairing(self, on: bool) -> None:
        self._world.quick_pairing = on

    def use_up_keys(self, device: str, left: int) -> None:
        """As if strangers had asked for one-time keys until only `left` remain."""
        found = self._device(device)
        while found.bundle is not None and len(found.bundle.one_time) > left:
            keys.take_one_time_key(self._world, found)

    # ------------------------------------------------------------ faults

    def fault(
        self,
        name: str,
        device: str | None = None,
        times: int | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        self._world.faults.add(name, device, times, params or {})

    def clear_faults(self, name: str | None = None) -> None:
        self._world.faults.clear(name)

    def drop(self, device: str, how: str = "rst") -> None:
        """Break the device's connection: close, rst, midframe or silent."""
        if how not in ("close", "rst", "midframe", "silent"):
            raise ValueError(f"no such end of a connection: {how}")
        self._connection(device).drop(how)

    def replaced(self, device: str) -> None:
        """Another client with the same keys has come; the connection is closed."""
        self._connection(device).close_soon(conflict("replaced"))

    def removed(self, device: str) -> None:
        """The phone has removed this companion."""
        found = self._device(device)
        remove_device(self._world, found)
        if found.connection is not None:
            found.connection.close_soon(conflict("device_removed", 401))

    def stream_error(self, device: str, code: str | None = None, child: str = "ack") -> None:
        """A stream error that closes nothing; without a code the one of a bad status."""
        inner = [node(child, {"class": "status", "type": "media"})] if code is None else []
        self._connection(device).send(node("stream:error", {"code": code}, inner))

    def undecryptable(
        self, device: str, author: str, kind: str, message_id: str, front: bool, hide: bool
    ) -> None:
        """A message which cannot be read: `random` bytes, or an unknown sender key."""
        attrs: Attrs = {"v": 2, "type": "skmsg", "decrypt-fail": "hide" if hide else None}
        enc = node("enc", attrs, _unreadable(kind))
        stanza = node(
            "message",
            {
                "from": STATUS,
                "participant": Jid.parse(author),
                "id": message_id,
                "t": self._world.now(),
                "type": "text",
                "notify": "Nobody",
            },
            [enc],
        )
        delivery.deliver(self._world, self._device(device), stanza, front=front)

    # ------------------------------------------------------------ stanzas

    def push(self, device: str, stanza: Record, tracked: bool = True) -> None:
        """Send any node; attributes that begin with `@` are addresses. Tracked: with queue."""
        built = _build(stanza)
        if tracked:
            found = self._device(device)
            entry = Entry(self._world.history.next_number(), built, key_of(built))
            found.queue.add(entry)
            if found.connection is not None and found.connection.live:
                found.connection.send_entry(entry)
        else:
            self._connection(device).send(built)

    def receipts(
        self,
        device: str,
        ids: list[str],
        viewers: list[list[str | None]],
        kind: str = "",
        at: int | None = None,
        grouped: bool = False,
    ) -> Record:
        """Receipts of viewers without engines, each `[address, other form or null]`."""
        author = self._device(device)
        people = [
            (Jid.parse(first), Jid.parse(other) if other else None)
            for first, other in viewers
            if first is not None
        ]
        if grouped:
            when = self._world.now() if at is None else at
            addresses = [first for first, _ in people]
            viewer_stanzas.grouped_receipt(self._world, author, ids[0], addresses, kind, when)
        else:
            viewer_stanzas.viewer_receipts(self._world, author, ids, people, kind, at)
        return {"count": len(people)}

    # ------------------------------------------------------------ questions

    def state(self) -> Record:
        accounts = [_account(account) for account in self._world.accounts if account.companions]
        return {
            "accounts": accounts,
            "connections": len(self._world.connections),
            "history": len(self._world.history),
            "posts": len(self._world.posts),
        }

    def posts(self, after: int = 0, device: str | None = None) -> list[Record]:
        """What clients have sent as messages, with the addresses it went to."""
        found = self._world.posts[after:]
        return [post for post in found if device in (None, post["device"])]

    def history(
        self, after: int = 0, event: str | None = None, device: str | None = None
    ) -> list[Record]:
        return list(self._world.history.after(after, event, device))

    def violations(self, take: bool = False) -> list[Record]:
        delivery.check_late(self._world)
        return self._world.history.violations(take=take)

    def remember(self, most: int) -> None:
        self._world.history.remember(most)

    def ack_deadline(self, seconds: float) -> None:
        self._world.ack_deadline = seconds

    # ------------------------------------------------------------ helpers

    def _account(self, phone: str) -> Account:
        found = self._world.accounts.person(Jid(phone))
        if found is None:
            raise ValueError(f"no account {phone}")
        return found

    def _device(self, device: str) -> Device:
        found = self._world.accounts.device(Jid.parse(device))
        if found is None:
            raise ValueError(f"no device {device}")
        return found

    def _connection(self, device: str) -> Connection:
        connection = self._device(device).connection
        if connection is None:
            raise ValueError(f"{device} is not connected")
        return connection


def _account(account: Account) -> Record:
    return {
        "phone": account.phone,
        "lid": account.lid,
        "devices": [
            {
                "jid": str(device.jid),
                "connected": device.connection is not None and device.connection.live,
                "waiting": len(device.queue),
                "keys": len(device.bundle.one_time) if device.bundle else 0,
            }
            for device in account.companions
        ],
    }


def _build(stanza: Record) -> Node:
    """JSON to node: `{"tag", "attrs", "children" | "hex"}`."""
    attrs: dict[str, str | int | Jid | None] = {}
    for name, value in stanza.get("attrs", {}).items():
        attrs[name] = SERVER if value == "@" else _value(value)
    if "hex" in stanza:
        return node(stanza["tag"], attrs, bytes.fromhex(stanza["hex"]))
    children = stanza.get("children")
    content = None if children is None else [_build(each) for each in children]
    return node(stanza["tag"], attrs, content)


def _value(value: str) -> str | Jid:
    return Jid.parse(value[1:]) if value.startswith("@") else value


def _unreadable(kind: str) -> bytes:
    if kind == "random":
        return b"\x33" + os.urandom(100)
    if kind == "no_sender_key":  # version, key id, iteration, ciphertext, signature
        key = int(time.time()) & 0x7F
        return b"\x33\x08" + bytes((key, 0x10, 0, 0x1A, 16)) + os.urandom(16 + 64)
    raise ValueError(f"no unreadable status of kind {kind}")


async def start_control(world: World) -> tuple[web.AppRunner, int]:
    """Serve the operations on a loopback port."""
    operations = Operations(world)

    async def call(request: web.Request) -> web.Response:
        name = request.match_info["operation"]
        method = None if name.startswith("_") else getattr(operations, name, None)
        if method is None:
            return web.json_response({"error": f"no operation {name}"}, status=404)
        try:
            found = method(**await request.json())
            if inspect.isawaitable(found):
                found = await found
        except _REFUSALS as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        except Exception:  # noqa: BLE001  a bug of ours, told to the test
            return web.json_response({"error": traceback.format_exc()}, status=500)
        return web.json_response({"result": found})

    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_post("/{operation}", call)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = runner.addresses[0]
    return runner, int(address[1])
