"""What the services need from the outside, as Protocols.

Nothing gets a port before it has two implementations: the journal (SQLite, PostgreSQL), the
engine (simulated, neonize), the media store (folder, memory, S3), the clock (system, virtual).
"""

from statusgate.ports.journal import Journal, Reader, Transaction
from statusgate.ports.outside import (
    Clock,
    Converter,
    Engine,
    Fetcher,
    MediaStore,
    Sandbox,
    Sender,
    Thumbnailer,
)

__all__ = [
    "Clock",
    "Converter",
    "Engine",
    "Fetcher",
    "Journal",
    "MediaStore",
    "Reader",
    "Sandbox",
    "Sender",
    "Thumbnailer",
    "Transaction",
]
