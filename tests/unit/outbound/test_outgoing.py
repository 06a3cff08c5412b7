"""The table of reliability 2, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statusgate.domain.outbound_http import (
    Fault,
    PushAnswer,
    PushFailed,
    Retry,
    next_step,
)
from statusgate.outbound.headers import check_headers, parse_retry_after, push_headers

NOW_MS = 1_710_134_000_000
REJECTED = Retry(60, "webhook.rejected")
NAMES_A_PAUSE = (408, 425, 429, *range(500, 600))


@pytest.mark.parametrize(
    ("statuses", "step"),
    [
        (range(200, 300), None),
        (range(300, 400), Retry(60)),
        (set(range(400, 500)) - {408, 410, 425, 429}, REJECTED),
        (NAMES_A_PAUSE, Retry(60)),
        ([410], Retry(3600, "webhook.gone")),
        ([100, 101, 199, 600, 999], Retry(60)),
    ],
)
def test_every_status_has_its_row(statuses: list[int], step: Retry | None) -> None:
    assert {next_step(PushAnswer(status)) for status in statuses} == {step}


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        (None, 60),
        (0, 60),
        (59, 60),
        (60, 60),
        (61, 61),
        (3600, 3600),
        (3601, 3600),
        (10**18, 3600),
    ],
)
def test_retry_after_is_clamped_where_it_counts(asked: int | None, pause: int) -> None:
    for status in range(100, 600):
        step = next_step(PushAnswer(status, asked))
        if status in NAMES_A_PAUSE:
            assert step == Retry(pause)
        else:
            assert step == next_step(PushAnswer(status))


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        (Fault.SILENT, Retry(60)),
        (Fault.UNREACHABLE, Retry(60)),
        (Fault.BROKEN, Retry(60)),
        (Fault.BLOCKED, Retry(60, "webhook.blocked")),
    ],
)
def test_every_fault_has_its_row(fault: Fault, step: Retry | None) -> None:
    assert next_step(PushFailed(fault, "why")) == step


def test_no_fault_is_forgotten() -> None:
    assert {next_step(PushFailed(fault, "")).pause_seconds for fault in Fault} == {60}  # type: ignore[union-attr]


@given(st.integers(0, 999), st.none() | st.integers(0, 10**19))
def test_no_pause_is_shorter_than_the_contracts_or_longer_than_an_hour(
    status: int, asked: int | None
) -> None:
    step = next_step(PushAnswer(status, asked))
    if step is not None:
        assert 60 <= step.pause_seconds <= 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("007", 7),
        ("9" * 5000, int("9" * 18)),
        ("Mon, 11 Mar 2024 05:15:20 GMT", 120),
        ("Monday, 11-Mar-24 05:15:20 GMT", 120),
        ("Mon Mar 11 05:15:20 2024", 120),
        ("Mon, 11 Mar 2024 06:15:20 +0100", 120),
        ("Mon, 11 Mar 2024 05:00:00 GMT", 0),
        ("Sun, 31 Dec 9999 23:59:59 GMT", 251_692_166_799),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("+5", None),
        ("５", None),
        ("²", None),
        ("Mon, 99 Mar 2024 05:15:20 GMT", None),
        ("Mon, 11 Mar 2024 05:15:20 +9999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: int | None) -> None:
    assert parse_retry_after(text, NOW_MS) == seconds


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            ["Mon,", "11", "Mar", "2024", "05:15:20", "GMT", "-", ":", "+9999", "0", ","]
        )
    ).map(" ".join)
)
def test_no_retry_after_raises(text: str) -> None:
    found = parse_retry_after(text, NOW_MS)
    assert found is None or found >= 0


def test_the_token_is_sent_as_the_contract_says() -> None:
    assert "Authorization" not in push_headers("", [], "a", 1, b"")
    assert push_headers("s3cret", [], "a", 1, b"")["Authorization"] == "Bearer s3cret"
    assert push_headers("Basic YTpi", [], "a", 1, b"")["Authorization"] == "Basic YTpi"


def test_headers_of_a_push_pass_the_check() -> None:
    assert check_headers(push_headers("s3cret ~", [], "a", 1, b"")) is None
    assert check_headers({"Authorization": "a\tb"}) == "Authorization is not printable ASCII"
    with pytest.raises(ValueError, match="Cookie"):
        check_headers({"Cookie": "a=b"})
