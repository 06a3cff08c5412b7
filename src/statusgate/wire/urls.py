"""Web addresses that clients give us: syntax only, nothing is looked up."""

import re
from urllib.parse import urlsplit

LONGEST = 2048
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")


def http_url(text: str) -> str | None:
    """Return *text* without its fragment if it is an absolute http(s) URL we may call.

    That is: a host, no user-info, no control character, space or backslash, a port of 80, 443
    or 1024-65535, at most 2,048 characters.
    """
    if len(text) > LONGEST or _FORBIDDEN.search(text):
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    if parts.netloc.endswith(":") or not _is_open(port):
        return None
    return text.partition("#")[0]


def _is_open(port: int | None) -> bool:
    return port is None or port in (80, 443) or 1024 <= port <= 65535
