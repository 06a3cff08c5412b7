"""Single fields of what strangers wrote: cut, cleaned, checked, put into range."""

import re
from typing import Any, Final

from statusgate.domain.address import Address
from statusgate.domain.clock import now_ms
from statusgate.engines.neonize.audience import LIDS, PHONES

DAY_MS: Final = 24 * 3600 * 1000
MAX_TEXT: Final = 4096
MAX_NAME: Final = 256
STATUS_CHAT: Final = "status@broadcast"

_ID = re.compile(r"[!-~]{1,128}")
_USER = re.compile(r"[0-9]{1,20}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def is_id(text: str) -> bool:
    """Return whether *text* can be the id of a message."""
    return _ID.fullmatch(text) is not None


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Return *text* cut to *limit* code points, control characters replaced."""
    return _CONTROL.sub("\ufffd", text[:limit])


def jid_address(jid: Any) -> Address | None:
    """Return the person behind a library address, device number dropped; None if no person."""
    return None if jid.IsEmpty else _address(jid.User, jid.Server)


def person_of(source: Any) -> Address | None:
    """Return the sender, under both forms if the message names both."""
    person, other = jid_address(source.Sender), jid_address(source.SenderAlt)
    if person is None:
        return None
    if other is None:
        return person
    return Address(phone=person.phone or other.phone, lid=person.lid or other.lid)


def parsed(text: str) -> Address | None:
    """Return the person behind ``digits[:device]@server``."""
    user, _, server = text.partition("@")
    return _address(user.partition(":")[0], server)


def _address(user: str, server: str) -> Address | None:
    if not _USER.fullmatch(user):
        return None
    if server == PHONES:
        return Address(phone=user)
    return Address(lid=user) if server == LIDS else None


def is_status(source: Any) -> bool:
    """Return whether a message was sent to the chat of statuses."""
    return bool(source.Chat.User == "status" and source.Chat.Server == "broadcast")


def in_range(ms: int) -> int:
    """Return *ms* if it can be true, else the present time."""
    present_ms = now_ms()
    return ms if 0 < ms <= present_ms + DAY_MS else present_ms
