"""Instance settings on the wire (contract 4.2)."""

from typing import Annotated, Any, Literal

import msgspec

from statusgate.domain.errors import BadRequestData
from statusgate.domain.instance import Instance, InstanceSettings
from statusgate.wire.fields import EXTENSION, Given, names_of, printable, reader, url, yes_no

BOOLEANS = frozenset({"link_preview", "enable_lid_mode"})
"""switches that are emitted as booleans (D25); all others are ``yes`` or ``no``"""

YesNo = Annotated[Literal["yes", "no"], msgspec.Meta(extra={"read": yes_no})]
WebhookUrl = Annotated[
    str,
    msgspec.Meta(
        max_length=2048,
        description="http(s) URL that notifications are pushed to; empty: they are polled",
        extra={"read": url, "blank": True},
    ),
]
WebhookUrlToken = Annotated[
    str,
    msgspec.Meta(
        max_length=4096,
        pattern="^[ -~]*$",
        description="the Authorization header of pushes",
        extra={"read": printable(4096), "blank": True},
    ),
]
Delay = Annotated[
    int,
    msgspec.Meta(ge=500, le=600_000, description="spacing of publications, milliseconds"),
]
AutoTyping = Annotated[int, msgspec.Meta(ge=0)]

OurYesNo = Annotated[YesNo, msgspec.Meta(extra_json_schema=EXTENSION)]

_TYPES: dict[str, Any] = {
    "status_webhook": OurYesNo,
    "status_receipt_webhook": OurYesNo,
    "status_reaction_webhook": OurYesNo,
    "status_reply_webhook": OurYesNo,
    "status_deleted_webhook": OurYesNo,
    "status_replies": OurYesNo,
    "webhook_url": WebhookUrl,
    "webhook_url_token": WebhookUrlToken,
    "delay_send_messages_milliseconds": Delay,
    "auto_typing": AutoTyping,
} | dict.fromkeys(BOOLEANS, bool)
_FIELDS = msgspec.structs.fields(InstanceSettings)
_RENAMED = {field.name: field.encode_name for field in _FIELDS}

SettingsChange: Any = msgspec.defstruct(
    "SettingsChange",
    [
        (field.name, _TYPES.get(field.name, YesNo) | msgspec.UnsetType, msgspec.UNSET)
        for field in _FIELDS
    ],
    rename=_RENAMED,
    frozen=True,
    kw_only=True,
)
"""Any subset of the writable settings."""

SettingsAnswer: Any = msgspec.defstruct(
    "SettingsAnswer",
    [
        ("wid", str),
        ("countryInstance", str),
        ("typeAccount", str),
        ("proxyInstance", str),
        ("typeInstance", Literal["whatsapp"]),
        *((field.encode_name, _TYPES.get(field.name, YesNo)) for field in _FIELDS),
    ],
    frozen=True,
)
"""Every setting, always."""

_read = reader(SettingsChange)
_KNOWN = names_of(InstanceSettings)


def settings_answer(instance: Instance) -> dict[str, Any]:
    """What ``getSettings`` answers: every key, always."""
    shown: dict[str, Any] = {
        "wid": instance.wid,
        "countryInstance": "",
        "typeAccount": "",
        "proxyInstance": "",
        "typeInstance": "whatsapp",
    }
    for field in _FIELDS:
        value = getattr(instance.settings, field.name)
        if isinstance(value, bool) and field.name not in BOOLEANS:
            value = "yes" if value else "no"
        shown[field.encode_name] = value
    return shown


def read_settings(given: Given) -> dict[str, Any]:
    """Return the settings that *given* names, by attribute; ``{}`` if there are none.

    Raises InvalidRequest for the first bad value; keys that cannot be written are ignored.
    """
    change = _read(given)
    changed = {field.name: getattr(change, field.name) for field in _FIELDS}
    return {name: value for name, value in changed.items() if value is not msgspec.UNSET}


def read_settings_change(given: Given) -> dict[str, Any]:
    """As ``read_settings``, for ``setSettings``: no known key is BadRequestData."""
    if not _KNOWN & given.keys():
        raise BadRequestData("no known setting")
    return read_settings(given)
