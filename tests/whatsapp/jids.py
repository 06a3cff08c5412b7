"""Addresses on the wire: a user or one of its devices, at a server."""

from __future__ import annotations

from dataclasses import dataclass, replace

PHONES = "s.whatsapp.net"
LIDS = "lid"


@dataclass(frozen=True, slots=True)
class Jid:
    """`79001234567:3@s.whatsapp.net` is device 3; without `:3` the person, or device 0."""

    user: str
    server: str = PHONES
    device: int = 0

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Read the printed form; an empty user (`s.whatsapp.net` alone) is a server."""
        left, _, server = text.rpartition("@")
        user, colon, device = left.partition(":")
        if not server or (colon and not device.isdecimal()):
            raise ValueError(f"not an address: {text!r}")
        return cls(user, server, int(device) if colon else 0)

    @property
    def person(self) -> Jid:
        """The same address without its device."""
        return replace(self, device=0) if self.device else self

    def __str__(self) -> str:
        if not self.user:
            return self.server
        return (
            f"{self.user}:{self.device}@{self.server}"
            if self.device
            else f"{self.user}@{self.server}"
        )


SERVER = Jid("", PHONES)
STATUS = Jid("status", "broadcast")
