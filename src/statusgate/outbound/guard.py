"""No calls where they must not go: what a URL may look like, and where a name may lead.

``check_url`` judges the text alone and resolves nothing, so that setting a URL reveals
nothing about our network. ``GuardedResolver`` judges addresses, at every connect.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Final
from urllib.parse import quote

import idna
import msgspec

from statusgate.domain.errors import StatusgateError
from statusgate.outbound.addresses import Address, Network, Ranges, parse_address
from statusgate.outbound.lookup import SystemLookup

MAX_URL: Final = 2048
_MAX_HOST = 253

_URL = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORTS = {"http": 80, "https": 443}
_KEPT = "%/:?[]@!$&'()*+,;=-._~"

Lookup = Callable[[str, Hashable], Awaitable[Sequence[str]]]
"""All addresses of a host name, as text, asked on behalf of an owner; OSError if none."""


class Refused(StatusgateError):
    """A URL or an address that must not be called; the reason is for logs alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Target(msgspec.Struct, frozen=True):
    """Where a URL leads, in canonical form."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    """ASCII, lower case; an IPv6 address without brackets."""
    port: int
    path: str
    """Path and query, percent-encoded, starting with a slash."""
    address: Address | None
    """The host, if it is an address and no name."""

    @property
    def url(self) -> str:
        """The URL to call, without the fragment; the port always."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def check_url(text: str) -> Target:
    """Judge the syntax of an http or https URL to call; Refused if it is not acceptable."""
    if len(text) > MAX_URL:
        raise Refused(f"longer than {MAX_URL} characters")
    if "\\" in text or any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise Refused("control character or backslash")
    found = _URL.fullmatch(text)
    if found is None:
        raise Refused("not an absolute http or https URL")
    scheme, authority, path, query = found.groups(default="")
    scheme = scheme.lower()
    literal, name, port_text = _split(authority)
    host, address = _ipv6(literal) if literal else _host(name)
    port = int(port_text) if port_text else _PORTS[scheme]
    if port not in _PORTS.values() and not 1024 <= port <= 65535:
        raise Refused(f"port {port}")
    return Target(scheme, host, port, quote((path or "/") + query, safe=_KEPT), address)


def _split(authority: str) -> tuple[str, str, str]:
    if "@" in authority:
        raise Refused("user information")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise Refused("host or port malformed")
    literal, name, port = found.groups(default="")
    return literal, name, port


def _ipv6(literal: str) -> tuple[str, Address]:
    try:
        address = ipaddress.IPv6Address(literal)
    except ValueError:
        raise Refused("malformed IPv6 address") from None
    return str(address), address


def _host(text: str) -> tuple[str, Address | None]:
    """A name or an IPv4 address; other spellings of numbers are what resolvers disagree on."""
    name = text.lower() if text.isascii() else _ascii(text)
    labels = name.removesuffix(".").split(".")
    if len(name) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused("malformed host name")
    if not _NUMBER.fullmatch(labels[-1]):
        return name, None
    try:
        return name, ipaddress.IPv4Address(name)
    except ValueError:
        raise Refused("malformed IPv4 address") from None


def _ascii(name: str) -> str:
    try:
        return idna.encode(name, uts46=True).decode("ascii").lower()
    except UnicodeError:
        raise Refused("malformed international host name") from None


class GuardedResolver:
    """Turns hosts into addresses that may be dialled; resolves every time.

    *allow* are ranges that may be dialled although they are not public. *lookup* is the
    system's resolver by default.
    """

    def __init__(self, allow: Iterable[Network] = (), lookup: Lookup | None = None) -> None:
        self._ranges = Ranges(allow)
        self._lookup = lookup or SystemLookup()

    async def addresses(self, host: str, owner: Hashable = "") -> list[Address]:
        """All addresses of *host*, an address or a name; *owner* is whose lookup it is.

        Raises Refused if any of them must not be dialled, OSError if there is none.
        """
        try:
            found = [parse_address(host)]
        except ValueError:
            found = _addresses(await self._lookup(host, owner))
        if not found:
            raise OSError("the name has no address")
        for address in found:
            self.check(address)
        return found

    def check(self, address: Address) -> None:
        """Refused if *address* must not be dialled."""
        fault = self._ranges.fault(address)
        if fault is not None:
            raise Refused(f"{address} is {fault}")


def _addresses(texts: Sequence[str]) -> list[Address]:
    try:
        return list(dict.fromkeys(parse_address(text) for text in texts))
    except ValueError:
        raise Refused("the resolver gave something that is no address") from None
