"""The headers of a push: exactly these and no others (reliability 2)."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from statusgate import __version__
from statusgate.outbound.signing import Secret, sign

USER_AGENT: Final = f"statusgate/{__version__}"

FIXED: Final[Mapping[str, str]] = {
    "User-Agent": USER_AGENT,
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
"""On every request. Host and Content-Length are the client's own business."""

CALLERS: Final = frozenset(
    {"authorization", "content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}
)
"""What a caller may add to a push, in lower case."""


def push_headers(
    token: str,
    secrets: Sequence[Secret],
    webhook_id: str,
    timestamp: int,
    body: bytes,
) -> dict[str, str]:
    """Headers of one attempt (contract 6.2, 12.2); no secrets, no signature.

    *timestamp* is that of the attempt, in unix seconds.
    """
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = token if " " in token else f"Bearer {token}"
    if secrets:
        headers["webhook-id"] = webhook_id
        headers["webhook-timestamp"] = str(timestamp)
        headers["webhook-signature"] = sign(secrets, webhook_id, timestamp, body)
    return headers


def check_headers(headers: Mapping[str, str]) -> str | None:
    """Why *headers* cannot be sent with a push; None if they can.

    ValueError for a name outside the list: that is a mistake of the program.
    """
    for name, value in headers.items():
        if name.lower() not in CALLERS:
            raise ValueError(f"{name} is not a header of a push")
        if not (value.isascii() and value.isprintable()):
            return f"{name} is not printable ASCII"
    return None


def parse_retry_after(text: str, now_ms: int) -> int | None:
    """Seconds from now that a Retry-After asks for, never negative; None if it is no such."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        # longer ones are only other ways to say never
        return int(text[:18])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0, math.ceil(at.timestamp() - now_ms / 1000))
