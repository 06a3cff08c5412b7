"""What a URL may look like, and which addresses may be dialled (S7)."""

import asyncio
from collections.abc import Hashable
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.outbound.addresses import Ranges, embedded, parse_ranges
from statusgate.outbound.guard import MAX_URL, GuardedResolver, Refused, Target, check_url
from tests.unit.outbound.corpus import ALLOWED, PUBLIC, REFUSED, Case, wrapped


async def verdict(case: Case, allow: list[str]) -> list[str] | str:
    """The addresses that would be dialled, else why none."""

    async def lookup(_: str, _owner: Hashable) -> tuple[str, ...]:
        return case.dns[0]

    try:
        target = check_url(case.url.format(port=8080))
        found = await GuardedResolver(parse_ranges(allow), lookup).addresses(target.host)
    except (Refused, OSError) as error:
        return str(error)
    return [str(address) for address in found]


async def test_the_whole_corpus_is_refused() -> None:
    assert [case for case in REFUSED if not isinstance(await verdict(case, []), str)] == []


async def test_what_is_public_is_allowed() -> None:
    for case, addresses in ALLOWED:
        assert await verdict(case, []) == list(addresses)


async def test_allowing_ranges_lifts_those_and_no_others() -> None:
    ten = Case("private and special", "http://10.1.2.3/")
    assert await verdict(ten, ["10.1.2.0/24"]) == ["10.1.2.3"]
    assert await verdict(ten, ["10.1.3.0/24", "fc00::/7"]) == "10.1.2.3 is private"
    mixed = Case("DNS", "http://mixed.example/", ((PUBLIC, "10.1.2.3"),))
    assert await verdict(mixed, ["10.0.0.0/8"]) == [PUBLIC, "10.1.2.3"]
    mixed6 = Case("DNS", "http://mixed.example/", (("10.1.2.3", "fd00::1"),))
    assert await verdict(mixed6, ["10.0.0.0/8"]) == "fd00::1 is not public"


async def test_with_everything_allowed_syntax_and_metadata_stay_refused() -> None:
    everything = ["0.0.0.0/0", "::/0"]
    left = [case for case in REFUSED if isinstance(await verdict(case, everything), str)]
    assert {case.group for case in left} >= {"parser tricks", "metadata", "loopback spellings"}
    assert [case for case in REFUSED if case.group == "metadata" and case not in left] == []
    hidden = [
        f"http://[{form}]/"
        for address in ("169.254.169.254", "168.63.129.16", "100.100.100.200")
        for form in wrapped(address)
    ]
    for url in hidden:
        assert isinstance(await verdict(Case("metadata", url), everything), str)


@given(st.ip_addresses(v=4))
def test_every_wrapping_carries_the_address_inside(address: IPv4Address) -> None:
    for form in wrapped(str(address)):
        outer = IPv6Address(form)
        assert address in embedded(outer) or outer.ipv4_mapped == address


@given(st.ip_addresses(v=4))
def test_a_wrapping_is_never_better_than_what_it_carries(address: IPv4Address) -> None:
    ranges = Ranges()
    if ranges.fault(address) is not None:
        assert all(
            ranges.fault(IPv6Address(form)) is not None for form in wrapped(str(address))
        )


@given(st.ip_addresses())
def test_our_table_is_stricter_than_the_standard_librarys(
    address: IPv4Address | IPv6Address,
) -> None:
    if Ranges().fault(address) is None:
        assert address.is_global or address in parse_ranges(["64:ff9b::/96"])[0]
        assert not address.is_multicast


@pytest.mark.parametrize(
    "text",
    [
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::127.0.0.1",
        "fec0::1",
        "192.0.0.8",
        "192.88.99.1",
        "224.0.0.1",
        "168.63.129.16",
        "::ffff:127.0.0.1",
    ],
)
def test_what_the_standard_library_lets_pass_is_refused(text: str) -> None:
    assert Ranges().fault(ip_address(text)) is not None


def test_a_wrong_range_is_named() -> None:
    for wrong in ("10.0.0.1/8", "ten", "10.0.0.0/33", "''"):
        with pytest.raises(ValueError, match=wrong):
            parse_ranges(["10.0.0.0/8", wrong.strip("'")])
    assert [str(network) for network in parse_ranges([" 10.0.0.1", "::1"])] == [
        "10.0.0.1/32",
        "::1/128",
    ]


def test_a_target_is_canonical() -> None:
    assert check_url("HTTPS://Bücher.Example/a b?ü=%20#frag") == Target(
        "https", "xn--bcher-kva.example", 443, "/a%20b?%C3%BC=%20", None
    )
    assert check_url("http://one.example?x") == Target("http", "one.example", 80, "/?x", None)
    assert check_url("http://[2606:2800::0:1]:8080").url == "http://[2606:2800::1]:8080/"
    address = IPv4Address(PUBLIC)
    assert check_url(f"http://{PUBLIC}/") == Target("http", PUBLIC, 80, "/", address)


def test_the_longest_url() -> None:
    stem = "http://one.example/"
    assert check_url(stem + "a" * (MAX_URL - len(stem))).host == "one.example"
    with pytest.raises(Refused):
        check_url(stem + "a" * (MAX_URL - len(stem) + 1))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://a@one.example/", "user information"),
        ("http://one.example/a\\b", "control character or backslash"),
        ("http://one.example/\x7f", "control character or backslash"),
        ("ftp://one.example/", "not an absolute http or https URL"),
        ("http://one.example:22/", "port 22"),
        ("http://one.example:/", "host or port malformed"),
        ("http://[::1::]/", "malformed IPv6 address"),
        ("http://127.1/", "malformed IPv4 address"),
        ("http://a..example/", "malformed host name"),
        ("http://ü..example/", "malformed international host name"),
    ],
)
def test_the_log_says_why(text: str, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        check_url(text)
    assert caught.value.reason == reason


@given(st.text(max_size=60) | st.from_regex(r"https?://[^/]{1,40}(/.{0,20})?", fullmatch=True))
def test_any_text_is_refused_or_comes_out_canonical(text: str) -> None:
    try:
        target = check_url(text)
    except Refused:
        return
    assert target.url.isascii()
    assert target.url.isprintable()
    assert check_url(target.url) == target


async def test_a_host_is_asked_for_every_time_and_a_literal_never() -> None:
    asked = []

    async def lookup(host: str, _owner: Hashable) -> list[str]:
        asked.append(host)
        return [PUBLIC, PUBLIC]

    resolver = GuardedResolver((), lookup)
    for _ in range(2):
        assert await resolver.addresses("one.example") == [IPv4Address(PUBLIC)]
    assert await resolver.addresses(PUBLIC) == [IPv4Address(PUBLIC)]
    assert asked == ["one.example"] * 2


async def test_the_systems_resolver_is_asked_by_default() -> None:
    found = await GuardedResolver(parse_ranges(["127.0.0.0/8", "::1"])).addresses("localhost")
    assert {str(address) for address in found} <= {"127.0.0.1", "::1"}
    with pytest.raises(Refused):
        await GuardedResolver().addresses("localhost")
    with pytest.raises(OSError, match=r".+"):
        await asyncio.wait_for(GuardedResolver().addresses("a" * 64 + ".invalid"), 30)
