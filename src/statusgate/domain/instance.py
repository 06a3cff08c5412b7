"""An instance: one WhatsApp account connected through us."""

from enum import StrEnum
from typing import Literal

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId

EngineName = Literal["neonize", "simulated"]


class State(StrEnum):
    """``stateInstance`` (contract 4.1)."""

    NOT_AUTHORIZED = "notAuthorized"
    AUTHORIZED = "authorized"
    STARTING = "starting"
    BLOCKED = "blocked"
    SUSPENDED = "suspended"


class InstanceSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What ``setSettings`` changes (contract 4.2); yes/no keys are booleans in here."""

    webhook_url: str = ""
    webhook_url_token: str = ""
    delay_send_messages_milliseconds: int = 1000
    outgoing_webhook: bool = True
    state_webhook: bool = False
    keep_online_status: bool = False
    status_webhook: bool = False
    status_receipt_webhook: bool = False
    status_reaction_webhook: bool = False
    status_reply_webhook: bool = False
    status_deleted_webhook: bool = False
    status_replies: bool = True
    """whether replies to statuses are kept at all"""
    # Kept: accepted, stored and returned without effect, because clients crash on missing keys.
    outgoing_message_webhook: bool = False
    outgoing_api_message_webhook: bool = msgspec.field(
        default=False, name="outgoingAPIMessageWebhook"
    )
    incoming_webhook: bool = False
    mark_incoming_messages_readed: bool = False
    mark_incoming_messages_readed_on_reply: bool = False
    shared_session: bool = False
    device_webhook: bool = False
    status_instance_webhook: bool = False
    enable_messages_history: bool = False
    poll_message_webhook: bool = False
    incoming_block_webhook: bool = False
    incoming_call_webhook: bool = False
    edited_message_webhook: bool = False
    deleted_message_webhook: bool = False
    incoming_message_status_webhook: bool = False
    avatar_info_webhook: bool = False
    auto_typing: int = 0
    link_preview: bool = True
    enable_lid_mode: bool = False


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One instance as the journal keeps it. Times are milliseconds UTC."""

    id: InstanceId
    name: str = ""
    engine: EngineName = "neonize"
    engine_options: dict[str, str | int | float | bool] = {}
    """the operator's; which there are: ``engines/registry.py``"""
    token_digest: bytes
    status_methods: bool = True
    """the operator's switch behind the 403 of contract 3.1"""
    settings: InstanceSettings = InstanceSettings()
    state: State = State.NOT_AUTHORIZED
    phone: str = ""
    """digits of the account; kept after a logout, because its statuses stay"""
    lid: str = ""
    device: int = 0
    push_name: str = ""
    suspended_until_ms: int = 0
    created_ms: int
    deleted_ms: int | None = None
    version: int = 0
    """rises with every change, over all instances; lets other processes notice"""

    @property
    def wid(self) -> str:
        """The account's own id, ``""`` while not linked."""
        linked = self.phone and self.state is not State.NOT_AUTHORIZED
        return f"{self.phone}@c.us" if linked else ""

    @property
    def me(self) -> Address:
        """Who the account is, as far as known."""
        return Address(phone=self.phone, lid=self.lid)


class StateChange(msgspec.Struct, frozen=True):
    """One line of ``getStateInstanceHistory``."""

    state: State
    at_ms: int
    phone: str


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """What the record says of an account at a glance; times that are not (yet) are None."""

    state_since_ms: int | None
    """None: since it was created"""
    posted_ms: int | None
    """of its newest status that WhatsApp took"""
    received_ms: int | None
    """of the newest incoming status"""
    failed: int
    """statuses of ours that failed lately"""
    queued: int
    scheduled: int
    next_send_ms: int | None
    notifications: int
    """that wait"""
    oldest_notification_ms: int | None
    push_code: int | None
    """of the last attempt to push; None: there was no status line"""
    push_outcome: str | None
    failing_since_ms: int | None
    """pushes fail since then"""
    paused_until_ms: int | None
    failing_url: str | None
    """whose receiver failed"""
