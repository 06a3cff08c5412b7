"""What the API is built from: the services it calls, the options an operator chose."""

from typing import Literal

import msgspec

from statusgate.ports import Clock, Journal, MediaStore
from statusgate.services.contacts import Contacts
from statusgate.services.history import History
from statusgate.services.instances import Instances
from statusgate.services.linking import Linking
from statusgate.services.live import Live
from statusgate.services.notifications import Notifications
from statusgate.services.ownership import Ownership
from statusgate.services.publishing import Deleting, Publishing, Reports
from statusgate.services.uploads import Uploads


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a handler may call."""

    instances: Instances
    ownership: Ownership
    linking: Linking
    history: History
    contacts: Contacts
    publishing: Publishing
    deleting: Deleting
    reports: Reports
    uploads: Uploads
    notifications: Notifications
    live: Live
    media: MediaStore
    journal: Journal
    clock: Clock


class ApiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The server settings that concern HTTP."""

    version: str = ""
    admin_token: str = ""
    """opens the partner API; empty: closed"""
    cors_allow_origin: str = "*"
    rate_profile: Literal["off", "green-api"] = "off"
    trusted_proxies: str = ""
    """addresses (comma-separated, CIDR) whose X-Forwarded-For counts"""
    access_log: bool = False
    body_idle_seconds: float = 30.0
    """longest silence within a request body"""
