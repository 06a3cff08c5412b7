"""Which addresses may be dialled: our own table of what is public.

The standard library's ``is_global`` is no filter: it lets NAT64 and 6to4 forms of
127.0.0.1, multicast and cloud metadata pass.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL = {
    "0.0.0.0/8": "this host",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT",
    "192.88.99.0/24": "6to4 relays",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarks",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "2001::/23": "protocol assignments, Teredo",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3ffe::/16": "6bone",
    "3fff::/20": "documentation",
}
"""What is not public inside _PUBLIC."""

_PUBLIC = (
    "0.0.0.0/0",
    "2000::/3",
    "64:ff9b::/96",  # networks without IPv4 reach all of it so; what is inside is judged too
)

_METADATA = (
    "169.254.0.0/16",  # AWS, Google, Azure, Oracle, OpenStack and others
    "168.63.129.16/32",  # Azure's wire server
    "100.100.100.200/32",  # Alibaba
    "192.0.0.192/32",  # Oracle
    "fe80::/10",
    "fd00:ec2::/32",  # AWS
    "fd00:c1::a9fe:a9fe/128",  # Oracle
    "fd00:42::42/128",  # Scaleway
    "fd20:ce::/32",  # Google
)
"""Never dialled, whatever the operator allows."""

_Span = tuple[int, int, int, str]
"""IP version, first and last address, what it is."""


class Ranges:
    """Judges addresses; *allow* are the operator's exceptions (reliability 4, rule 6)."""

    def __init__(self, allow: Iterable[Network] = ()) -> None:
        self._allow = tuple(_span(network, "allowed") for network in allow)

    def fault(self, address: Address) -> str | None:
        """Why *address* must not be dialled; None if it may be."""
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return "of one link only"
        address = _as_dialled(address)
        carried = embedded(address)
        for each in (address, *carried):
            if _find(each, _METADATA_SPANS):
                return "metadata or link-local"
        if _find(address, self._allow):
            return None
        for each in (address, *carried):
            fault = _not_public(each)
            if fault is not None and not _find(each, self._allow):
                return fault
        return None


def parse_ranges(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read a list of CIDR ranges or single addresses; ValueError names the wrong one."""
    return tuple(ipaddress.ip_network(text.strip()) for text in texts)


def parse_address(text: str) -> Address:
    """Read an address as a resolver or a socket writes it; ValueError if it is none."""
    return ipaddress.ip_address(text)


def embedded(address: Address) -> Sequence[IPv4Address]:
    """IPv4 addresses that a translator or tunnel may make of *address*; often none."""
    if isinstance(address, IPv4Address):
        return ()
    octets, found = address.packed, list[bytes]()
    if octets.startswith((bytes(12), bytes(8) + b"\xff\xff\0\0", _NAT64)):
        found.append(octets[12:])
    elif octets.startswith(_NAT64_LOCAL):
        # RFC 6052: where the address stands depends on a prefix length only its network knows
        found += [octets[6:8] + octets[9:11], octets[7:8] + octets[9:12]]
        found += [octets[9:13], octets[12:16]]
    elif octets.startswith(b"\x20\x02"):
        found.append(octets[2:6])
    elif octets.startswith(b"\x20\x01\0\0"):
        found += [octets[4:8], bytes(octet ^ 0xFF for octet in octets[12:])]
    if octets[8:12] in (b"\0\0\x5e\xfe", b"\x02\0\x5e\xfe"):
        found.append(octets[12:])
    return [IPv4Address(part) for part in found]


_NAT64 = IPv6Address("64:ff9b::").packed[:12]
_NAT64_LOCAL = IPv6Address("64:ff9b:1::").packed[:6]


def _as_dialled(address: Address) -> Address:
    """What the kernel dials: for an IPv4-mapped address, the IPv4 address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _not_public(address: Address) -> str | None:
    return _find(address, _SPECIAL_SPANS) or (
        None if _find(address, _PUBLIC_SPANS) else "not public"
    )


def _find(address: Address, spans: Sequence[_Span]) -> str | None:
    version, number = address.version, int(address)
    for of_version, first, last, what in spans:
        if of_version == version and first <= number <= last:
            return what
    return None


def _span(network: Network, what: str) -> _Span:
    return (
        network.version,
        int(network.network_address),
        int(network.broadcast_address),
        what,
    )


_SPECIAL_SPANS = [_span(ipaddress.ip_network(cidr), what) for cidr, what in _SPECIAL.items()]
_PUBLIC_SPANS = [_span(ipaddress.ip_network(cidr), "public") for cidr in _PUBLIC]
_METADATA_SPANS = [_span(ipaddress.ip_network(cidr), "metadata") for cidr in _METADATA]
