"""Seeded data directories and databases, one for each journal that is measured."""

import asyncio
import contextlib
import shutil
import time
import urllib.error
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from bench import workload
from bench.clock import MachineClock
from bench.plans import Filler, Variant
from bench.servers import Process, gateway, post_json
from statusgate.accounts.instances import Instances
from statusgate.domain.ids import InstanceId
from statusgate.journal import Journal, open_journal
from statusgate.server.folders import server_key

TOKEN = "bench" * 10
_LINK_SECONDS = 10.0


class Databases(Protocol):
    """Where journals live: files, or a PostgreSQL server."""

    name: str

    def create(self, folder: Path) -> str:
        """Return the URL of a new, empty database that belongs to *folder*."""
        ...

    def drop(self, url: str) -> None: ...


class SqliteFiles:
    """One file a journal, in its data directory."""

    name = "SQLite"

    def create(self, folder: Path) -> str:
        return f"sqlite:///{folder / 'statusgate.db'}"

    def drop(self, url: str) -> None:
        """The file goes with its folder."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A data directory with an instance in it."""

    databases: Any
    folder: Path
    database: str
    seeded_at: float = 0.0
    """monotonic; the windows hold for 13 minutes"""

    def gateway(self, **settings: str) -> Process:
        """Start a gateway here."""
        return gateway(self.database, self.folder, **settings)

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self.seeded_at

    def remove(self) -> None:
        """Forget it all."""
        self.databases.drop(self.database)
        shutil.rmtree(self.folder, ignore_errors=True)


def method_url(server: Process, method: str) -> str:
    """Return the URL of a method of the workload's instance, as clients write it."""
    path, _, query = method.partition("?")
    return f"{server.url}/waInstance{workload.INSTANCE}/{path}/{TOKEN}" + (
        f"?{query}" if query else ""
    )


def empty_place(databases: Databases, root: Path, name: str) -> Place:
    """Make a new data directory."""
    folder = root / name
    folder.mkdir(parents=True)
    return Place(databases=databases, folder=folder, database=databases.create(folder))


def seeded_place(
    databases: Databases,
    root: Path,
    name: str,
    *,
    filler: Filler = Filler.NONE,
    variant: Variant = Variant.PLAIN,
) -> Place:
    """Make a data directory with the workload in it, its sandbox account linked."""
    place = empty_place(databases, root, name)
    now_ms = time.time_ns() // 1_000_000
    asyncio.run(_seed(place, filler, variant, now_ms))
    place = msgspec.structs.replace(place, seeded_at=time.monotonic())
    with place.gateway() as server:
        link(server)
    return place


def link(server: Process) -> None:
    """Let the sandbox account be linked with the workload's own number, once it runs."""
    url = f"{server.url}/waInstance{workload.INSTANCE}/simulate"
    event = {"event": "state", "state": "authorized", "wid": workload.OWN_WID}
    deadline = time.monotonic() + _LINK_SECONDS
    while True:
        try:
            post_json(url, TOKEN, [event])
            return
        except urllib.error.HTTPError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


@contextlib.asynccontextmanager
async def opened(database: str) -> AsyncIterator[Journal]:
    """An open journal, closed at the end."""
    journal = open_journal(database)
    try:
        yield journal
    finally:
        await journal.close()


async def _seed(place: Place, filler: Filler, variant: Variant, now_ms: int) -> None:
    async with opened(place.database) as journal:
        digest = await token_digest(journal, place.folder)
        await _add_instance(journal, workload.INSTANCE, digest, now_ms)
        if filler is Filler.SAME:
            await workload.seed_filler(journal, [workload.INSTANCE], now_ms)
        elif filler is Filler.RECEIPTS:
            await workload.seed_receipts(journal, workload.INSTANCE, now_ms)
        elif filler is Filler.OTHERS:
            others = [
                InstanceId(workload.FIRST_FILLER_INSTANCE + n)
                for n in range(workload.FILLER_INSTANCES)
            ]
            for other in others:
                await _add_instance(journal, other, digest, now_ms)
            await workload.seed_filler(journal, others, now_ms)
        await workload.seed(
            journal,
            workload.INSTANCE,
            now_ms,
            thumbnails=variant is Variant.THUMBNAILS,
            many_viewers=variant is Variant.MANY_VIEWERS,
        )


async def token_digest(journal: Journal, folder: Path) -> bytes:
    """What the gateway in *folder* stores of the workload's token."""
    key = await server_key(folder, journal)
    return Instances(journal, MachineClock(), key).digest(TOKEN)


async def _add_instance(
    journal: Journal, instance_id: InstanceId, digest: bytes, now_ms: int
) -> None:
    instance = workload.instance(instance_id, digest, now_ms)
    await journal.write(instance_id, lambda tx: tx.create_instance(instance))


@contextlib.contextmanager
def removed_after(place: Place) -> Iterator[Place]:
    """The place, until the block ends."""
    try:
        yield place
    finally:
        place.remove()
