"""Web addresses that clients give us: syntax only, nothing is looked up."""

import re
from urllib.parse import SplitResult, urlsplit

LONGEST = 2048
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
INVALID = "must be a valid uri"


def url_fault(text: str) -> str:
    """Return what keeps *text* from being an absolute http(s) URL that we may call, else "".

    It has a host, no user name, no control character, space or backslash, one of the ports
    80, 443 and 1024-65535, and at most 2,048 characters.
    """
    if len(text) > LONGEST or _FORBIDDEN.search(text):
        return INVALID
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return INVALID
    if parts.scheme not in ("http", "https") or not host:
        return INVALID
    if "@" in parts.netloc:
        return "must not contain a user name or password"
    if not _has_open_port(parts):
        return "must have one of the ports 80, 443 and 1024 to 65535"
    return ""


def _has_open_port(parts: SplitResult) -> bool:
    try:
        port = parts.port
    except ValueError:
        return False
    if port is None:
        return not parts.netloc.endswith(":")
    return port in (80, 443) or port >= 1024
