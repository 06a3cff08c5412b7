"""The record of everything, in SQLite or PostgreSQL; the only room that knows SQL."""

from .journal import Journal, migrate_journal, open_journal
from .owners import Owned
from .session import JournalRefused, Later
from .transaction import Transaction

__all__ = [
    "Journal",
    "JournalRefused",
    "Later",
    "Owned",
    "Transaction",
    "migrate_journal",
    "open_journal",
]
