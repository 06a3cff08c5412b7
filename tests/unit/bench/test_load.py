"""What wrk prints is read as it is meant."""

import pytest

from bench.load import Load, Run, Void, check, median_of, parse

GOOD = """\
Running 4s test @ http://127.0.0.1:8080/x
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   276.23us  105.37us   3.83ms   91.05%
    Req/Sec    28.86k     1.05k   30.34k    80.95%
  Latency Distribution
     50%  257.00us
     75%  300.00us
     90%    1.35ms
     99%    1.20s
  60304 requests in 4.10s, 7.65MB read
Requests/sec:  28719.61
Transfer/sec:      3.64MB
"""
BAD = GOOD.replace(
    "Requests/sec",
    "  Socket errors: connect 1, read 2, write 3, timeout 4\n"
    "  Non-2xx or 3xx responses: 5\nRequests/sec",
)


def run(rate: float, *, errors: int = 0) -> Run:
    return Run(rate=rate, requests=1, p50=rate, p90=rate, p99=rate, longest=rate, errors=errors)


def test_rate_and_latencies_come_in_milliseconds() -> None:
    assert parse(GOOD) == Run(
        rate=28719.61,
        requests=60304,
        p50=0.257,
        p90=1.35,
        p99=1200.0,
        longest=3.83,
        errors=0,
    )


def test_every_kind_of_error_counts() -> None:
    assert parse(BAD).errors == 15


@pytest.mark.parametrize("output", ["", "unable to connect to 127.0.0.1:1", GOOD[:200]])
def test_anything_else_is_refused(output: str) -> None:
    with pytest.raises(ValueError, match="not the output"):
        parse(output)


def test_the_median_of_runs_counts_and_the_range_is_kept() -> None:
    found = median_of([run(3), run(1), run(2)], 10)

    assert isinstance(found, Load)
    assert (found.rate, found.lowest, found.highest, found.longest) == (2, 1, 3, 3)
    assert found.answer_bytes == 10


def test_a_run_with_an_error_is_void() -> None:
    with pytest.raises(Void, match="1 errors"):
        median_of([run(1), run(1, errors=1)], 10)


@pytest.mark.parametrize("body", [b"[1]", b"{}", b"[1,2", b"", b'{"items":[1],"all":[1,2]}'])
def test_an_answer_with_other_rows_is_void(body: bytes) -> None:
    with pytest.raises(Void):
        check(body, 2)


@pytest.mark.parametrize("body", [b"[1,2]", b'{"timezone":"UTC","days":[1,2],"byHour":[]}'])
def test_the_rows_of_an_object_are_those_of_its_first_array(body: bytes) -> None:
    check(body, 2)
    check(body, None)
