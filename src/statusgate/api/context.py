"""What the API is built from: the services it calls."""

import msgspec

from statusgate.accounts.contacts import Contacts
from statusgate.accounts.instances import Instances
from statusgate.accounts.linking import Linking
from statusgate.accounts.manager import AccountManager
from statusgate.domain.clock import Clock
from statusgate.engines.port import EngineProcesses
from statusgate.history.exporting import Exports
from statusgate.history.lists import Lists
from statusgate.history.reading import History
from statusgate.journal import Journal
from statusgate.media.store import MediaStore
from statusgate.notifications.live import Live
from statusgate.notifications.polling import Notifications
from statusgate.notifications.testing import WebhookTests
from statusgate.publishing.accepting import Publishing
from statusgate.publishing.deleting import Deleting
from statusgate.publishing.reports import Reports
from statusgate.publishing.uploads import Uploads


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a handler may call."""

    instances: Instances
    accounts: AccountManager
    processes: EngineProcesses
    linking: Linking
    history: History
    lists: Lists
    exports: Exports
    contacts: Contacts
    publishing: Publishing
    deleting: Deleting
    reports: Reports
    uploads: Uploads
    notifications: Notifications
    webhook_tests: WebhookTests
    live: Live
    media: MediaStore
    journal: Journal
    clock: Clock
    max_participants: int
    """that one call may name"""
