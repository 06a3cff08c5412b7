"""Error bodies, ranges, and what the gateway's errors mean to a caller."""

import inspect
from typing import Any

import pytest

from statusgate.api.edge.problems import Refused, refusal
from statusgate.api.files import requested_range
from statusgate.domain import errors
from statusgate.wire.errors import iso_time, shown_path


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        (["waInstance1101", "sendTextStatus", "tok"], "/waInstance1101/sendTextStatus/***"),
        (["WAINSTANCE1101", "qr", "t"], "/WAINSTANCE1101/qr/***"),
        (["waInstance1101", "deleteNotification", "t", "17"],
         "/waInstance1101/deleteNotification/***/17"),
        (["waInstance1101", "qr", "t", "17"], "/waInstance1101/qr/***/***"),
        (["waInstance1101", "deleteNotification", "t", "17x"],
         "/waInstance1101/deleteNotification/***/***"),
        (["waInstance1101", "0123abc"], "/waInstance1101/***"),
        (["waInstance1101", "x" * 41], "/waInstance1101/***"),
        (["waInstancetoken", "qr"], "/***/qr"),
        (["partner", "createInstance", "t"], "/partner/createInstance/***"),
        (["0123abc"], "/***"),
        ([], "/"),
        (["media", "1101", "key.jpg"], "/media/***/***"),
    ],
)  # fmt: skip
def test_paths_show_no_secret(segments: list[str], path: str) -> None:
    assert shown_path(segments) == path


def test_times_are_iso_with_milliseconds() -> None:
    assert iso_time(1_795_176_000_007) == "2026-11-20T12:00:00.007Z"


EXPECTED = {
    "InvalidRequest": (400, "Validation failed. Details: 'x' is required"),
    "BadRequestData": (400, "bad request data"),
    "MessageNotFound": (400, "ID message notfound"),
    "InstanceUnknown": (403, "Forbidden"),
    "NotAuthorized": (400, "instance in starting process try later"),
    "NotSupported": (404, "Not Found"),
    "JournalUnavailable": (503, "Service Unavailable"),
    "JournalFull": (503, "Service Unavailable"),
    "JournalBroken": (503, "Service Unavailable"),
    "LimitReached": (429, "Too Many Requests: at most 3 uploads are kept"),
    "MediaFull": (507, "Insufficient Storage"),
    "EngineRejected": (400, "bad request data"),
    "EngineUnavailable": (400, "instance in starting process try later"),
    "EngineSilent": (400, "instance in starting process try later"),
    "EngineUncertain": (400, "instance in starting process try later"),
    "OwnedElsewhere": (503, "Service Unavailable: the account runs on the node 'b'"),
    "Fenced": (503, "Service Unavailable: another node has claimed the account"),
    "WebhookIsSet": (
        400,
        "Message cannot be received because custom webhook url is set. "
        "Clear webhookUrl with setSettings",
    ),
}
INTERNAL = {"StatusgateError", "MediaUnavailable", "NotOwned"}


def test_every_error_of_the_gateway_has_an_answer() -> None:
    made = {
        "InvalidRequest": errors.InvalidRequest("'x' is required"),
        "NotAuthorized": errors.NotAuthorized(starting=True),
        "EngineRejected": errors.EngineRejected(479),
        "LimitReached": errors.LimitReached("at most 3 uploads are kept"),
        "EngineUncertain": errors.EngineUncertain("key"),
        "OwnedElsewhere": errors.OwnedElsewhere("b"),
        "Fenced": errors.Fenced("another node has claimed the account"),
    }
    named: dict[str, Any] = dict(inspect.getmembers(errors, inspect.isclass))
    assert set(named) == set(EXPECTED) | INTERNAL
    for name, (code, message) in EXPECTED.items():
        refused = refusal(made.get(name) or named[name]("secret"))
        assert refused is not None
        assert (refused.code, refused.message) == (code, message)
        assert (refused.retry_after is not None) == (code in (429, 503, 507))


def test_what_is_no_error_of_ours_is_a_fault() -> None:
    assert refusal(KeyError("x")) is None
    refused = refusal(errors.NotAuthorized(starting=False))
    assert refused is not None
    assert refused.message == "instance is starting or not authorized"


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (b"bytes=0-0", (0, 1)),
        (b"bytes=2-", (2, 10)),
        (b"bytes=-3", (7, 10)),
        (b"bytes=-99", (0, 10)),
        (b"bytes=5-99", (5, 10)),
        (b"bytes = 1 - 2", (1, 3)),
        (b"bytes=0-1,4-5", None),
        (b"bytes=5-2", None),
        (b"bytes=-", None),
        (b"items=0-1", None),
        (b"bytes=" + b"9" * 30 + b"-", None),
    ],
)
def test_ranges(asked: bytes, part: tuple[int, int] | None) -> None:
    assert requested_range([(b"range", asked)], 10) == part


@pytest.mark.parametrize("asked", [b"bytes=10-", b"bytes=99-100", b"bytes=-0"])
def test_ranges_behind_the_end(asked: bytes) -> None:
    with pytest.raises(Refused) as refused:
        requested_range([(b"range", asked)], 10)
    assert refused.value.code == 416
