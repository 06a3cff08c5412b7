"""The record of everything, in SQLite or PostgreSQL; the only room that knows SQL."""

from .journal import Journal, migrate_journal, open_journal
from .session import JournalRefused
from .transaction import Transaction

__all__ = ["Journal", "JournalRefused", "Transaction", "migrate_journal", "open_journal"]
