"""Paths of requests, and where the token is (contract 2.1)."""

from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from statusgate.api.auth import bearer_token

Scope = dict[str, Any]
INSTANCE = "wainstance"


def segments_of(scope: Scope) -> list[str]:
    """Return the path's segments, each percent-decoded once; runs of ``/`` count as one."""
    raw: bytes = scope["raw_path"]
    segments = [part for part in raw.decode("latin-1").split("/") if part]
    return [unquote(part) for part in segments] if b"%" in raw else segments


def token_of(scope: Scope, segments: list[str]) -> tuple[str, bytes]:
    """Return the token and the query without it; ``""`` if there is no token.

    It is the third segment, else in the ``Authorization`` header, else behind the last ``/`` of
    the last query value, as n8n sends it.
    """
    query: bytes = scope["query_string"]
    if len(segments) > 2:
        return segments[2], query
    token = bearer_token(scope["headers"])
    if token is not None:
        return token, query
    rest, slash, raw = query.rpartition(b"/")
    if not slash or b"&" in raw:
        return "", query
    return unquote_to_bytes(raw).decode(errors="replace"), rest
