"""Signatures of Standard Webhooks 1.0.0 (contract 12.2)."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from statusgate.domain.ids import InstanceId, parse_instance_id

PREFIX: Final = "whsec_"
SHORTEST: Final = 24
LONGEST: Final = 64


class Secret:
    """A key for signatures that does not show itself."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if not SHORTEST <= len(key) <= LONGEST:
            raise ValueError(f"a signing secret must be {SHORTEST} to {LONGEST} bytes")
        self._key = key

    def __repr__(self) -> str:
        return "Secret(***)"

    def signature(self, signed: bytes) -> str:
        """``v1,`` and base64 of HMAC-SHA256."""
        digest = hmac.digest(self._key, signed, "sha256")
        return "v1," + base64.b64encode(digest).decode()


def parse_secret(text: str) -> Secret:
    """Read ``whsec_`` and base64 of 24 to 64 bytes; ValueError, without the text, if not so."""
    if not text.startswith(PREFIX):
        raise ValueError(f"a signing secret starts with {PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a signing secret is base64 after its prefix") from None
    return Secret(key)


def sign(secrets: Sequence[Secret], webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``: one signature a secret, space-separated.

    *timestamp* is in unix seconds. ValueError if *webhook_id* is not printable ASCII
    without dot and space: a dot would let two notifications share a signature.
    """
    if not webhook_id or not all("!" <= char <= "~" and char != "." for char in webhook_id):
        raise ValueError("webhook_id must be printable ASCII without dot and space")
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join(secret.signature(signed) for secret in secrets)


def signing_secrets(texts: Mapping[str, str]) -> dict[InstanceId, list[Secret]]:
    """The secrets of each instance, from texts by idInstance; an error shows no secret."""
    found: dict[InstanceId, list[Secret]] = {}
    for name, text in texts.items():
        instance_id = parse_instance_id(name)
        if instance_id is None:
            raise ValueError(f"signing_secrets: {name[:20]!r} is not an idInstance")
        try:
            found[instance_id] = [parse_secret(one) for one in text.split()]
        except ValueError as error:
            raise ValueError(f"signing_secrets of {name}: {error}") from None
    return found
