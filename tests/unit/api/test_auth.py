"""Who calls, how often they may fail, and what the hosted service would allow."""

import tracemalloc

import pytest

from statusgate.api.auth import ClientAddress, FailureBudget, bearer_token, is_prefetch
from statusgate.api.edge.limits import RateLimits
from statusgate.api.edge.paths import segments_of, token_of
from statusgate.domain.ids import InstanceId

Pairs = list[tuple[bytes, bytes]]


class Time:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_eleventh_failure_in_a_minute_must_wait() -> None:
    time = Time()
    budget = FailureBudget(time)
    assert [budget.fail("1.2.3.4", "1101") for _ in range(10)] == [0.0] * 10
    time.now += 15
    assert budget.fail("1.2.3.4", "1101") == 45.0
    assert budget.fail("1.2.3.5", "1101") == budget.fail("1.2.3.4", "1102") == 0.0
    time.now += 45
    assert budget.fail("1.2.3.4", "1101") == 0.0


def test_the_budget_takes_constant_memory() -> None:
    budget = FailureBudget()
    tracemalloc.start()
    try:
        for number in range(20_000):
            budget.fail(f"10.0.{number % 256}.{number >> 8}", "1101")
        kept, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10_000


def test_limits_refill_by_the_second() -> None:
    time = Time()
    limits = RateLimits(time)
    one, other = InstanceId(1), InstanceId(2)
    assert [limits.take(one, "qr", 3) for _ in range(3)] == [0.0] * 3
    assert 0 < limits.take(one, "qr", 3) <= 1 / 3
    assert limits.take(other, "qr", 3) == limits.take(one, "getSettings", 1) == 0.0
    time.now += 1 / 3
    assert limits.take(one, "qr", 3) == 0.0
    limits.forget(one)
    assert limits.take(one, "getSettings", 1) == 0.0


@pytest.mark.parametrize(
    ("trusted", "peer", "told", "address"),
    [
        ("", "9.9.9.9", b"1.1.1.1", "9.9.9.9"),
        ("10.0.0.0/8", "9.9.9.9", b"1.1.1.1", "9.9.9.9"),
        ("10.0.0.0/8", "10.0.0.1", b"1.1.1.1", "1.1.1.1"),
        ("10.0.0.0/8", "10.0.0.1", b"6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.0/8", "10.0.0.1", b"garbage", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1,::1", "::1", b"::ffff:1.1.1.1", "1.1.1.1"),
    ],
)
def test_only_trusted_proxies_speak_for_others(
    trusted: str, peer: str, told: bytes, address: str
) -> None:
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", told)]}
    assert ClientAddress(trusted).of(scope) == address


def test_no_address_and_wrong_settings() -> None:
    assert ClientAddress("").of({"client": None, "headers": []}) == ""
    with pytest.raises(ValueError, match="nonsense"):
        ClientAddress("nonsense")


def test_neighbours_in_one_ipv6_network_share_a_budget() -> None:
    address = ClientAddress("").of
    near = [address({"client": (f"2001:db8::{n}", 1), "headers": []}) for n in (1, 2)]
    far = address({"client": ("2001:db8:1::1", 1), "headers": []})
    assert near[0] == near[1] != far


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([(b"authorization", b"Bearer abc")], "abc"),
        ([(b"authorization", b"bearer  abc ")], "abc"),
        ([(b"authorization", b"Basic abc")], None),
        ([(b"authorization", b"Bearer")], ""),
        ([(b"host", b"x")], None),
    ],
)
def test_bearer_tokens(headers: Pairs, token: str | None) -> None:
    assert bearer_token(headers) == token


def test_prefetches_are_noticed() -> None:
    assert is_prefetch([(b"sec-purpose", b"prefetch;prerender")])
    assert not is_prefetch([(b"sec-fetch-mode", b"navigate")])


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        (b"/waInstance1/qr/t", ["waInstance1", "qr", "t"]),
        (b"//waInstance1//qr///t/", ["waInstance1", "qr", "t"]),
        (b"/waInstance1/q%72/a%2Fb", ["waInstance1", "qr", "a/b"]),
        (b"/a%2572", ["a%72"]),
        (b"/", []),
        (b"/%ff", ["\ufffd"]),
        (b"/../a", ["..", "a"]),
    ],
)
def test_paths_are_split_then_decoded_once(raw: bytes, segments: list[str]) -> None:
    assert segments_of({"raw_path": raw}) == segments


BEARER = [(b"authorization", b"Bearer head")]


@pytest.mark.parametrize(
    ("segments", "headers", "query", "found"),
    [
        (["w", "m", "path"], BEARER, b"a=1/query", ("path", b"a=1/query")),
        (["w", "m"], BEARER, b"a=1/query", ("head", b"a=1/query")),
        (["w", "m"], [], b"a=1/query", ("query", b"a=1")),
        (["w", "m"], [], b"b=2&a=x/y/query", ("query", b"b=2&a=x/y")),
        (["w", "m"], [], b"a=/query", ("query", b"a=")),
        (["w", "m"], [], b"a=1/b&c=2", ("", b"a=1/b&c=2")),
        (["w", "m"], [], b"a=1", ("", b"a=1")),
        (["w", "m"], [], b"", ("", b"")),
        (["w", "m"], [], b"a=1/%ff", ("\ufffd", b"a=1")),
    ],
)
def test_where_the_token_is(
    segments: list[str], headers: Pairs, query: bytes, found: tuple[str, bytes]
) -> None:
    assert token_of({"headers": headers, "query_string": query}, segments) == found
