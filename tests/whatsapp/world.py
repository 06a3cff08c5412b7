"""The one state object of the server process; every part gets it handed in."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.whatsapp.accounts import Accounts
from tests.whatsapp.faults import Faults
from tests.whatsapp.history import History, Record
from tests.whatsapp.nodes import Tables
from tests.whatsapp.xeddsa import KeyPair

if TYPE_CHECKING:
    from tests.whatsapp.chat import Connection
    from tests.whatsapp.jids import Jid
    from tests.whatsapp.pairing import CodeRequest

ACK_DEADLINE = 10.0  # seconds; a busy machine takes some


@dataclass(slots=True, eq=False)
class World:
    tables: Tables
    history: History
    directory: Path
    root: KeyPair = field(default_factory=KeyPair)
    accounts: Accounts = field(default_factory=Accounts)
    faults: Faults = field(default_factory=Faults)
    connections: dict[int, Connection] = field(default_factory=dict)
    references: dict[str, Connection] = field(default_factory=dict)  # QR ref -> registration
    codes: dict[str, CodeRequest] = field(default_factory=dict)  # phone -> pairing by code
    posts: list[Record] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)  # media path -> bytes
    ack_deadline: float = ACK_DEADLINE
    quick_pairing: bool = False  # new companions upload 50 keys instead of 812

    def now(self, device: Jid | None = None) -> int:
        """Unix seconds as the server tells them."""
        fault = self.faults.peek("clock", device)
        return int(time.time()) + (fault.number("offset_s") if fault else 0)
