"""A transaction: everything that can be asked of the record and done to it."""

from .exports import Exports
from .merging import Merging
from .notifications import Notifications
from .owners import Owners
from .pages import Pages
from .retention import Retention


class Transaction(Pages, Retention, Merging, Notifications, Exports, Owners):
    """One view of the record, over one session of either database.

    Given to ``Journal.read`` it is a consistent view of what is committed; given to
    ``Journal.write`` its changes are all on disk afterwards, or none of them.
    """
