"""Faults that a test switches on: a name, whom it hits, how often, and its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.whatsapp.jids import Jid

# name -> allowed parameters
KNOWN: dict[str, frozenset[str]] = {
    "refuse_post": frozenset({"code"}),
    "require": frozenset({"addressing"}),
    "ack_delay": frozenset({"ms"}),
    "ack_never": frozenset(),
    "ack_no_t": frozenset(),
    "failure": frozenset({"reason", "code", "expire"}),
    "corrupt": frozenset(),
    "duplicate": frozenset({"copies"}),
    "reorder": frozenset({"count", "seed"}),
    "early_receipt": frozenset({"viewers", "kind"}),
    "drop_after": frozenset({"stanzas", "how"}),
    "slow": frozenset({"bytes_per_s", "latency_ms"}),
    "stall_keepalive": frozenset(),
    "poison": frozenset(),
    "usync_empty": frozenset(),
    "unanswered": frozenset({"query"}),
    "no_prekeys": frozenset({"mode"}),
    "clock": frozenset({"offset_s"}),
    "notify": frozenset({"text"}),
    "without_lid": frozenset(),
    "without_pn": frozenset(),
    "media": frozenset({"status", "cut", "flip", "location", "delay_ms", "method", "grow"}),
}


@dataclass(slots=True)
class Fault:
    name: str
    target: str | None  # a device or a person as text; None: everyone
    times: int | None  # None: until cleared
    params: dict[str, Any] = field(default_factory=dict)

    def number(self, name: str, default: int = 0) -> int:
        return int(self.params.get(name, default))


class Faults:
    """The faults in force, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(
        self, name: str, target: str | None, times: int | None, params: dict[str, Any]
    ) -> None:
        if name not in KNOWN:
            raise ValueError(f"no fault named {name!r}, there are: {', '.join(sorted(KNOWN))}")
        if unknown := set(params) - KNOWN[name]:
            raise ValueError(f"fault {name} has no parameter {', '.join(sorted(unknown))}")
        self._faults.append(Fault(name, target, times, params))

    def clear(self, name: str | None = None) -> None:
        self._faults = [each for each in self._faults if name is not None and each.name != name]

    def peek(self, name: str, device: Jid | None = None) -> Fault | None:
        """The fault which hits this device now, without using it up."""
        whom = {None} if device is None else {None, str(device), str(device.person)}
        for fault in self._faults:
            if fault.name == name and fault.target in whom and fault.times != 0:
                return fault
        return None

    def take(self, name: str, device: Jid | None = None) -> Fault | None:
        """The same, and one of its times is gone."""
        fault = self.peek(name, device)
        if fault is not None and fault.times is not None:
            fault.times -= 1
        return fault
