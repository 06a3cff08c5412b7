"""Accounts, their devices, and the key bundles which the server hands out for them.

Device 0 of every account is its phone. No engine plays it: its keys are generated, it swallows
what it is sent. A contact without companions is an account of which only the phone exists.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.whatsapp.appstate import AddressBook
from tests.whatsapp.jids import LIDS, PHONES, Jid
from tests.whatsapp.nodes import Node, node
from tests.whatsapp.queues import DeliveryQueue
from tests.whatsapp.xeddsa import KeyPair

if TYPE_CHECKING:
    from tests.whatsapp.chat import Connection

_CURVE_TYPE = b"\x05"


@dataclass(slots=True, eq=False)
class Bundle:
    """What `encrypt set` uploads: everything a stranger needs to open a session."""

    registration: Node
    kind: Node
    identity: Node
    signed: Node
    one_time: deque[Node] = field(default_factory=deque)

    @property
    def lasting(self) -> list[Node]:
        return [self.registration, self.kind, self.identity, self.signed]


@dataclass(slots=True, eq=False)
class Device:
    """A companion, or the phone (number 0)."""

    account: Account
    number: int
    noise_key: bytes = b""
    identity: bytes = b""
    bundle: Bundle | None = None
    handed_out: set[bytes] = field(default_factory=set)  # public one-time keys
    queue: DeliveryQueue = field(default_factory=DeliveryQueue)
    held: list[Node] = field(default_factory=list)  # by the fault "reorder"
    keyed: set[Jid] = field(default_factory=set)  # devices that hold its sender key
    # author's phone and message id -> the form in which its author was named (jids.LIDS …)
    received: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    connection: Connection | None = None

    @property
    def jid(self) -> Jid:
        return Jid(self.account.phone, PHONES, self.number)

    @property
    def lid(self) -> Jid:
        return Jid(self.account.lid, LIDS, self.number)

    @property
    def is_phone(self) -> bool:
        return self.number == 0


@dataclass(slots=True, eq=False)
class Account:
    """A person: phone number, hidden number, and the key that vouches for the devices."""

    phone: str
    lid: str
    key: KeyPair
    name: str = "Tester"
    privacy_kind: str = "contacts"
    privacy_list: list[Jid] = field(default_factory=list)
    read_receipts: str = "all"
    devices: dict[int, Device] = field(default_factory=dict)
    address_book: AddressBook = field(default_factory=AddressBook)
    # who has asked for the list of devices, and for which form of the address
    watchers: set[tuple[Jid, str]] = field(default_factory=set)

    @property
    def jid(self) -> Jid:
        return Jid(self.phone, PHONES)

    def owns(self, jid: Jid) -> bool:
        return jid.user == (self.lid if jid.server == LIDS else self.phone)

    @property
    def companions(self) -> list[Device]:
        return [device for number, device in self.devices.items() if number]


class Accounts:
    """Everybody the server knows, found by either address."""

    def __init__(self) -> None:
        self._by_phone: dict[str, Account] = {}
        self._by_lid: dict[str, Account] = {}
        self._shared: Bundle | None = None
        self._shared_key = KeyPair()

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_phone.values())

    def person(self, jid: Jid) -> Account | None:
        if jid.server == PHONES:
            return self._by_phone.get(jid.user)
        return self._by_lid.get(jid.user) if jid.server == LIDS else None

    def device(self, jid: Jid) -> Device | None:
        account = self.person(jid)
        return account.devices.get(jid.device) if account else None

    def open(self, phone: str, lid: str, name: str | None = None) -> Account:
        """The account of this number; it is made, with a key of its own, when it is new."""
        account = self._by_phone.get(phone)
        if account is None:
            account = self._add(phone, lid, KeyPair())
            account.devices[0].bundle = generated_bundle(account.key)
        elif account.lid != lid:
            raise ValueError(f"{phone} has the hidden number {account.lid}, not {lid}")
        if name is not None:
            account.name = name
        return account

    def generate(self, phone: str, lid: str) -> Account:
        """A contact without companions; all of these share one key, signing is slow."""
        if phone in self._by_phone or lid in self._by_lid:
            raise ValueError(f"{phone} or {lid} is taken")
        if self._shared is None:
            self._shared = generated_bundle(self._shared_key)
        account = self._add(phone, lid, self._shared_key)
        account.devices[0].bundle = self._shared
        return account

    def forget(self, device: Device) -> None:
        device.account.devices.pop(device.number, None)

    def _add(self, phone: str, lid: str, key: KeyPair) -> Account:
        if not (phone.isdecimal() and lid.isdecimal()):
            raise ValueError(f"digits only: {phone!r}, {lid!r}")
        account = Account(phone, lid, key)
        account.devices[0] = Device(account, 0)
        self._by_phone[phone] = self._by_lid[lid] = account
        return account


def generated_bundle(identity: KeyPair, signed: KeyPair | None = None) -> Bundle:
    """Keys for a device without an engine: a signed one, no one-time keys."""
    signed = signed or KeyPair()
    return Bundle(
        registration=node("registration", content=(77).to_bytes(4, "big")),
        kind=node("type", content=_CURVE_TYPE),
        identity=node("identity", content=identity.public),
        signed=node(
            "skey",
            content=[
                node("id", content=(1).to_bytes(3, "big")),
                node("value", content=signed.public),
                node("signature", content=identity.sign(_CURVE_TYPE + signed.public)),
            ],
        ),
    )
