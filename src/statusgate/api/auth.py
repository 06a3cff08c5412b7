"""Who calls, and how often they may fail to say so (contract 2.1, 2.2)."""

import base64
import time
from array import array
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Scope = dict[str, Any]
Network = IPv4Network | IPv6Network
Headers = Iterable[tuple[bytes, bytes]]

FAILURES_A_MINUTE = 10
_WINDOW_SECONDS = 60.0
_SLOTS = 1 << 15


class FailureBudget:
    """Ten failed authentications a minute for each (client address, instance).

    Constant memory: keys share a fixed table by their salted hash. Two keys in one slot share
    a budget, which can only refuse more.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = array("d", bytes(8 * _SLOTS))
        self._failures = array("B", bytes(_SLOTS))

    def fail(self, client: str, instance: str) -> float:
        """Count a failure; returns 0, or the seconds to wait if the budget is used up."""
        wait = self.wait(client, instance)
        if not wait:
            slot = hash((client, instance)) % _SLOTS
            begun = self._failures[slot] > 0
            if not begun or self._now() - self._began[slot] >= _WINDOW_SECONDS:
                self._began[slot] = self._now()
                self._failures[slot] = 0
            self._failures[slot] += 1
        return wait

    def wait(self, client: str, instance: str) -> float:
        """Return the seconds to wait if the budget is used up, else 0."""
        slot = hash((client, instance)) % _SLOTS
        passed = self._now() - self._began[slot]
        used_up = self._failures[slot] >= FAILURES_A_MINUTE and passed < _WINDOW_SECONDS
        return _WINDOW_SECONDS - passed if used_up else 0.0


class ClientAddress:
    """Finds the address a request came from; only trusted proxies may name another."""

    def __init__(self, trusted: str) -> None:
        """*trusted*: addresses or CIDR ranges, comma-separated. Raises ValueError."""
        self._trusted: list[Network] = [
            ip_network(part.strip(), strict=False)
            for part in trusted.split(",")
            if part.strip()
        ]

    def of(self, scope: Scope) -> str:
        """Return the client's address; IPv6 by its /64."""
        peer = scope.get("client")
        address = peer[0] if peer else ""
        if self._trusted and self.is_trusted(address):
            address = self._forwarded(address, scope["headers"])
        return subscriber(address)

    def is_trusted(self, address: str) -> bool:
        """Whether *address* is one of the operator's proxies."""
        try:
            known = ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self._trusted)

    def _forwarded(self, peer: str, headers: Headers) -> str:
        """The nearest address in X-Forwarded-For that is not one of our proxies."""
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        nearest = peer
        for part in reversed(forwarded.decode("latin-1").split(",")):
            nearest = part.strip()
            if not self.is_trusted(nearest):
                break
        try:
            return str(ip_address(nearest))
        except ValueError:
            return peer


def bearer_token(headers: Headers) -> str | None:
    """The token of ``Authorization: Bearer …``."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
    return None


def operator_token(headers: Headers) -> str:
    """The token of ``Authorization: Bearer …``, or the password of ``Basic …``; else ``""``."""
    for name, value in headers:
        scheme, _, given = value.decode("latin-1").partition(" ")
        if name == b"authorization" and scheme.lower() == "basic":
            try:
                pair = base64.b64decode(given, validate=True).decode()
            except ValueError:
                return ""
            return pair.partition(":")[2]
    return bearer_token(headers) or ""


def is_prefetch(headers: Headers) -> bool:
    """Whether a browser asks before its user does."""
    return any(
        name in (b"sec-purpose", b"purpose") and value.lower().startswith(b"prefetch")
        for name, value in headers
    )


def subscriber(address: str) -> str:
    """Return *address*, for IPv6 its /64, which is what one subscriber has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((int(parsed) >> 64 << 64, 64)))
    return address
