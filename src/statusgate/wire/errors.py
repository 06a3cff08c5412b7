"""The one body of all errors (contract 8)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

_INSTANCE = re.compile(r"waInstance[0-9]{1,18}", re.IGNORECASE)
_METHOD = re.compile(r"[A-Za-z]{1,40}")
_RECEIPT = re.compile(r"[0-9]{1,10}")
_ROOTS = frozenset({"partner", "media", "health", "metrics", "openapi.json", "docs"})
HIDDEN = "***"


class ErrorBody(msgspec.Struct, frozen=True, rename="camel"):
    """What every error answer says."""

    status_code: int
    timestamp: str
    """ISO-8601 UTC with milliseconds"""
    path: str
    message: str


class PartnerProblem(msgspec.Struct, frozen=True):
    """The partner API's answer, with HTTP 200, to a wrong token or an unknown instance (10)."""

    code: int
    description: str


def iso_time(at_ms: int) -> str:
    """Return ``2026-11-20T12:00:00.000Z``."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"


def shown_path(segments: Sequence[str]) -> str:
    """Return a path that can be shown: whatever might be a secret is ``***``."""
    shown = [_shown(index, segment, segments) for index, segment in enumerate(segments)]
    return "/" + "/".join(shown)


def _shown(index: int, segment: str, segments: Sequence[str]) -> str:
    if index == 0:
        known = segment in _ROOTS or _INSTANCE.fullmatch(segment)
        return segment if known else HIDDEN
    if index == 1:
        return segment if _METHOD.fullmatch(segment) else HIDDEN
    is_receipt = (
        index == 3
        and segments[1].lower() == "deletenotification"
        and _RECEIPT.fullmatch(segment)
    )
    return segment if is_receipt else HIDDEN
