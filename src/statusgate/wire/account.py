"""Answers about the account (contract 4.1, 5)."""

from typing import Literal

import msgspec

from statusgate.domain.instance import Instance, State, StateChange

Connection = Literal["online", "offline"]


class StateAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """What ``getStateInstance`` answers."""

    state_instance: State


class StatusInstanceAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Whether the WhatsApp connection is open."""

    status_instance: Connection


class StateHistoryItem(msgspec.Struct, frozen=True, rename="camel"):
    """One state the instance came into, at a time in unix seconds."""

    state_instance: State
    timestamp: int
    phone_number: str


class WaSettingsAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The linked account; strings are empty while there is none."""

    avatar: str = ""
    base64_avatar: str = msgspec.field(default="", name="base64Avatar")
    phone: str
    state_instance: State
    device_id: str
    chat_id: str
    history_sync_progress: int = 100
    logout_process: bool = False
    suspended_until: int = 0


class SaveSettingsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    save_settings: Literal[True] = True


class RebootAnswer(msgspec.Struct, frozen=True, rename="camel"):
    is_reboot: Literal[True] = True


class LogoutAnswer(msgspec.Struct, frozen=True, rename="camel"):
    is_logout: Literal[True] = True


class TokenAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A new token; shown once."""

    api_token_instance: str


class AuthorizationCodeAnswer(msgspec.Struct, frozen=True):
    """Eight characters to type on the phone; status false: none can be had."""

    status: bool
    code: str


class QrAnswer(msgspec.Struct, frozen=True):
    """A code to scan (PNG in base64), or why there is none."""

    type: Literal["qrCode", "alreadyLogged", "error"]
    message: str


def wa_settings(instance: Instance) -> WaSettingsAnswer:
    """Return the linked account; phone, device and chat id agree with getSettings' wid."""
    linked = bool(instance.wid)
    return WaSettingsAnswer(
        phone=instance.phone if linked else "",
        state_instance=instance.state,
        device_id=f"{instance.phone}:{instance.device}@s.whatsapp.net" if linked else "",
        chat_id=instance.wid,
        suspended_until=instance.suspended_until_ms // 1000,
    )


def history_item(change: StateChange) -> StateHistoryItem:
    """Return one line of ``getStateInstanceHistory``; only ``authorized`` has a number."""
    phone = change.phone if change.state is State.AUTHORIZED else ""
    return StateHistoryItem(change.state, change.at_ms // 1000, phone)
