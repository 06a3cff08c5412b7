"""Ingest, measured in a process of its own: ``python -m bench.ingest_run DATABASE FOLDER``.

Receipts come out of an engine port and go the product's way: batches by the ownership, one
transaction each, followed by the recent window, acknowledged after the commit. What was
acknowledged is then counted in the journal. Prints one JSON object.
"""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import uvloop

from bench import workload
from bench.clock import MachineClock
from statusgate.accounts.instances import Instances
from statusgate.accounts.linking import Linking
from statusgate.accounts.manager import AccountManager
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.address import Address
from statusgate.domain.errors import EngineUnavailable
from statusgate.domain.events import Sequenced, StatusReceipt
from statusgate.domain.instance import Instance
from statusgate.domain.media import MediaRef
from statusgate.domain.post import (
    AudiencePrivacy,
    ContactInfo,
    SentAnswer,
    SentStatus,
    StatusAnswer,
    StatusPost,
)
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind, NewStatus
from statusgate.engines.port import Engine
from statusgate.history.cache import StatusCache
from statusgate.journal import Journal, Transaction, open_journal
from statusgate.ownership.ownership import Ownership
from statusgate.upkeep.space import SpaceGuard
from statusgate.wire.statuses import encode_item

STATUSES = 20
VIEWERS = 1_024
KINDS = (Progress.DELIVERED, Progress.READ)
RECEIPTS = STATUSES * VIEWERS * len(KINDS)
FIRST_VIEWER = 1
_MIN_FREE = 1 << 20
_LIMIT = 64 << 20


class Ingested(msgspec.Struct, frozen=True):
    """What became of the receipts."""

    seconds: float
    """from the first event told to the last one acknowledged"""
    transactions: list[int]
    """receipts in each"""
    rows: int
    """rows in the journal afterwards that say delivered and read"""


class ToldEngine:
    """An engine whose whole life is a list of events; remembers when it was acknowledged."""

    def __init__(self, events: Sequence[Sequenced]) -> None:
        self._events = events
        self.begun = 0.0
        self.acks: list[int] = []
        self.finished = asyncio.Event()
        self.seconds = 0.0

    async def start(self) -> None:
        """There is nothing to start."""

    async def stop(self, deadline_seconds: float = 10.0) -> None:
        """There is nothing to stop."""

    async def events(self, after: int) -> AsyncIterator[Sequenced]:
        self.begun = time.perf_counter()
        for one in self._events:
            yield one
        await asyncio.Event().wait()

    async def ack(self, seq: int) -> None:
        self.acks.append(seq)
        if seq == self._events[-1].seq:
            self.seconds = time.perf_counter() - self.begun
            self.finished.set()

    async def begin_linking(self) -> None:
        raise EngineUnavailable

    async def request_pairing_code(self, phone: str) -> str:
        raise EngineUnavailable

    async def logout(self) -> None:
        raise EngineUnavailable

    async def post_status(
        self, post: StatusPost, audience: Sequence[Address] | None
    ) -> SentStatus:
        raise EngineUnavailable

    async def answer_status(self, answer: StatusAnswer) -> SentAnswer:
        raise EngineUnavailable

    async def delete_status(self, wire_id: str, audience: Sequence[Address]) -> None:
        raise EngineUnavailable

    async def mark_viewed(self, wire_id: str, author: Address) -> None:
        raise EngineUnavailable

    async def download(self, ref: MediaRef, to: Path, limit: int) -> None:
        raise EngineUnavailable

    async def privacy(self) -> AudiencePrivacy:
        raise EngineUnavailable

    async def look_up(self, address: Address) -> ContactInfo:
        raise EngineUnavailable


def told_receipts(now_ms: int) -> list[Sequenced]:
    """Every viewer's phone comes online and gets all statuses; later every viewer looks."""
    turns = (
        (kind, viewer, status)
        for kind in KINDS
        for viewer in range(FIRST_VIEWER, FIRST_VIEWER + VIEWERS)
        for status in range(STATUSES)
    )
    return [
        Sequenced(
            seq,
            (
                StatusReceipt(
                    wire_ids=(workload.status_id(status),),
                    viewer=workload.contact(viewer),
                    kind=kind,
                    at_ms=now_ms + seq,
                ),
            ),
        )
        for seq, (kind, viewer, status) in enumerate(turns, start=1)
    ]


def _prepare(tx: Transaction, now_ms: int) -> None:
    """An account that knows its viewers, and its statuses without a row yet."""
    tx.create_instance(workload.instance(workload.INSTANCE, bytes(32), now_ms))
    tx.record_contacts(workload.INSTANCE, workload.contacts(FIRST_VIEWER + VIEWERS))
    for status in range(STATUSES):
        new = NewStatus(
            status_id=workload.status_id(status),
            wire_id=workload.status_id(status),
            author=None,
            kind=Kind.TEXT,
            text="ingest",
            posted_ms=now_ms,
            sent_ms=now_ms,
        )
        tx.record_status(workload.INSTANCE, new)


async def ingest(database: str, folder: Path) -> Ingested:
    """Let the receipts come in, then count what is durable."""
    clock = MachineClock()
    now_ms = clock.now_ms()
    space = SpaceGuard(clock, lambda: shutil.disk_usage(folder).free, _MIN_FREE)
    journal = open_journal(database, admit=space.admit)
    try:
        await journal.write(workload.INSTANCE, lambda tx: _prepare(tx, now_ms))
        engine = ToldEngine(told_receipts(now_ms))
        await _live(journal, clock, engine)
    finally:
        await journal.close()
    return Ingested(engine.seconds, sizes(engine.acks), await _count(database))


async def _live(journal: Journal, clock: MachineClock, engine: ToldEngine) -> None:
    """The product's own way, as wiring builds it."""
    publisher = ChangePublisher(journal)
    cache = StatusCache(
        lambda status: encode_item(status, ""), clock, shown=lambda _: True, limit=_LIMIT
    )
    publisher.follow(cache.follow)
    instances = Instances(journal, clock, bytes(32))

    def make_engine(_instance: Instance) -> Engine:
        return engine

    accounts = AccountManager(
        journal,
        publisher,
        instances,
        Linking(instances, clock),
        clock,
        Ownership(journal, clock),
        make_engine,
    )
    await instances.refresh()
    running = asyncio.create_task(accounts.run())
    finished = asyncio.create_task(engine.finished.wait())
    await asyncio.wait({running, finished}, return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    await asyncio.gather(running, finished, return_exceptions=True)


def sizes(acks: Sequence[int]) -> list[int]:
    """Return how many events each acknowledgement covered."""
    return [after - before for before, after in zip([0, *acks], acks, strict=False)]


async def _count(database: str) -> int:
    """Count the complete rows by opening the journal anew."""
    journal = open_journal(database)
    try:
        return await journal.read(
            lambda tx: sum(_complete(tx, workload.status_id(n)) for n in range(STATUSES))
        )
    finally:
        await journal.close()


def _complete(tx: Transaction, status_id: str) -> int:
    status = tx.status(workload.INSTANCE, status_id)
    if status is None:
        return 0
    rows = [one.row for one in tx.recipients(status)]
    return sum(row.delivered_ms is not None and row.read_ms is not None for row in rows)


def main() -> None:
    """Measure once."""
    database, folder = sys.argv[1], Path(sys.argv[2])
    print(msgspec.json.encode(uvloop.run(ingest(database, folder))).decode())


if __name__ == "__main__":
    main()
