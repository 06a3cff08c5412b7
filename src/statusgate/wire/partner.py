"""The partner API's requests and answers (contract 10)."""

from typing import Annotated, Any, Literal

import msgspec

from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import EngineName, Instance
from statusgate.wire import fields
from statusgate.wire.errors import iso_time
from statusgate.wire.requests import MAX_NAME, Request
from statusgate.wire.settings import SettingsChange

_ID_FAULT = "must be a number of 1 to 18 digits"
_TOKEN_FAULT = "must be 32 to 128 letters, digits, '_' or '-'"  # noqa: S105 - a text

InstanceNumber = Annotated[
    int, msgspec.Meta(ge=1, lt=10**18, extra={"read": fields.digits(1, 18, _ID_FAULT)})
]
ImportedToken = Annotated[
    str,
    msgspec.Meta(
        pattern="^[A-Za-z0-9_-]{32,128}$",
        extra={"read": fields.matching("[A-Za-z0-9_-]{32,128}", _TOKEN_FAULT)},
    ),
]

_OURS = msgspec.Meta(extra_json_schema=fields.EXTENSION)

CreateInstanceRequest: Any = msgspec.defstruct(
    "CreateInstanceRequest",
    [
        ("name", Annotated[str, msgspec.Meta(max_length=MAX_NAME)], ""),
        *(
            (field.encode_name, field.type, msgspec.UNSET)
            for field in msgspec.structs.fields(SettingsChange)
        ),
        ("engine", Annotated[EngineName, _OURS], "neonize"),
        ("idInstance", Annotated[InstanceNumber, _OURS] | None, None),
        ("apiTokenInstance", Annotated[ImportedToken, _OURS] | None, None),
    ],
    frozen=True,
    kw_only=True,
)
"""A new instance: any writable setting, and what it shall be."""


class DeleteInstanceRequest(Request, frozen=True, kw_only=True):
    """Which instance."""

    id_instance: InstanceNumber

    @property
    def id(self) -> InstanceId:
        """The instance's id."""
        return InstanceId(self.id_instance)


class CreateInstanceAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The new instance and its token, which is shown only here."""

    id_instance: int
    api_token_instance: str
    type_instance: Literal["whatsapp"] = "whatsapp"


class DeleteInstanceAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delete_instance_account: Literal[True] = True


class InstanceItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An instance in ``getInstances``; its token is never shown here (D35)."""

    id_instance: int
    name: str
    type_instance: Literal["whatsapp"] = "whatsapp"
    type_account: str = ""
    partner_user_uiid: str = ""
    time_created: str
    time_deleted: str
    api_token_instance: Literal[""] = ""
    deleted: bool
    tariff: Literal["SELF_HOSTED"] = "SELF_HOSTED"
    is_free: bool = False
    is_partner: bool = True
    expiration_date: str = "2099-12-31T00:00:00.000Z"
    is_expired: bool = False


def instance_item(instance: Instance) -> InstanceItem:
    """Return an item of ``getInstances``."""
    return InstanceItem(
        id_instance=instance.id,
        name=instance.name,
        time_created=iso_time(instance.created_ms),
        time_deleted="" if instance.deleted_ms is None else iso_time(instance.deleted_ms),
        deleted=instance.deleted_ms is not None,
    )
