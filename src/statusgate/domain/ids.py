"""Identifiers: made here, parsed here (contract 2.3)."""

import re
import secrets
from typing import NewType
from uuid import UUID

InstanceId = NewType("InstanceId", int)

FIRST_INSTANCE_ID = InstanceId(1101000001)
MAX_STATUS_ID_LENGTH = 128
_INSTANCE_ID = re.compile(r"[1-9][0-9]{0,17}")
_IMPORTED_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,128}")


def parse_instance_id(text: str) -> InstanceId | None:
    """Return the id, or None if *text* is not 1-18 ASCII digits without leading zero."""
    return InstanceId(int(text)) if _INSTANCE_ID.fullmatch(text) else None


def is_token(text: str) -> bool:
    """Tell whether *text* may be an instance token, ours or an imported one."""
    return _IMPORTED_TOKEN.fullmatch(text) is not None


def new_token() -> str:
    """Return a new secret of 200 bits: 50 lower-case hex digits."""
    return secrets.token_hex(25)


def new_status_id() -> str:
    """Return a new idMessage: ``3EB0`` and 16 upper-case hex digits."""
    return "3EB0" + secrets.token_hex(8).upper()


def new_media_key() -> str:
    """Return 128 random bits, written 8-4-4-4-12 in hex; the key is the file's only secret."""
    return str(UUID(bytes=secrets.token_bytes(16)))
