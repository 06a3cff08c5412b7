"""The record: everything journaled, in SQLite or PostgreSQL. The only room that knows SQL."""

from .journal import migrate_journal, open_journal
from .session import JournalRefused

__all__ = ["JournalRefused", "migrate_journal", "open_journal"]
