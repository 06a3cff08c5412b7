"""What one transaction changed, for everyone who must follow after the commit."""

import msgspec

from statusgate.domain.contact import KnownContact
from statusgate.domain.instance import Instance
from statusgate.domain.receipt import ReceiptChange
from statusgate.domain.status import Status


class Changes(msgspec.Struct, kw_only=True):
    """Collected while a transaction runs, told when it is committed."""

    statuses: dict[int, Status] = {}
    """statuses that are new or changed, as they are now, by number"""
    removed: list[Status] = []
    receipts: list[ReceiptChange] = []
    contacts: list[KnownContact] = []
    people_changed: bool = False
    """names or identities changed: items and statistics may show them"""
    instance: Instance | None = None
    """the instance, if its own row changed"""
    state_changed: bool = False
    gaps: int = 0
