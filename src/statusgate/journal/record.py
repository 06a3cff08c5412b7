"""The record: one implementation of the ports' Reader and Transaction for both databases."""

from .instances import Instances
from .merging import Merging
from .notifications import Notifications
from .outbox import Outbox
from .retention import Retention


class Record(Instances, Outbox, Retention, Merging, Notifications):
    """Everything that can be asked of the record and done to it, over one session.

    What the methods mean is said where they are promised (``ports.Reader`` and
    ``ports.Transaction``).
    """
