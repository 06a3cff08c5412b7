"""``statusgate serve`` whose linked accounts live on the tests' WhatsApp server.

Run as ``python -m bench.linked_gateway``; FAKE_WHATSAPP holds what the server told, as JSON.
Beside the data folder's journal it writes ``recorded.jsonl``: when each receipt was durable.
"""

import os
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from statusgate.cli.main import main
from statusgate.domain.events import Sequenced, StatusReceipt
from statusgate.domain.instance import Instance
from statusgate.engines.neonize.config import Setup
from statusgate.engines.neonize.engine import NeonizeEngine
from statusgate.engines.neonize.hosts import Hosts
from statusgate.engines.neonize.ipc import VERSION
from statusgate.engines.port import Engine, EngineContext
from statusgate.engines.registry import ENGINES

ENVIRONMENT = "FAKE_WHATSAPP"
RECORDED = "recorded.jsonl"


class Told(msgspec.Struct, frozen=True):
    """What the accounts need to find and to trust the server."""

    proxy: str
    environment: dict[str, str]


class Recorded(msgspec.Struct, frozen=True, array_like=True):
    """A receipt that is in the journal."""

    account: str
    viewer: str
    at: float
    """Unix seconds"""


class Watched(NeonizeEngine):
    """The real engine; it notes when what it reported was acknowledged, which is on disk."""

    def watch(self, account: str, notes: Any) -> "Watched":
        self._account, self._notes = account, notes
        self._waiting: deque[tuple[int, str]] = deque()
        return self

    async def events(self, after: int) -> AsyncIterator[Sequenced]:
        async for sequenced in super().events(after):
            for event in sequenced.events:
                if isinstance(event, StatusReceipt):
                    self._waiting.append((sequenced.seq, event.viewer.phone))
            yield sequenced

    async def ack(self, seq: int) -> None:
        now = time.time()
        while self._waiting and self._waiting[0][0] <= seq:
            _, viewer = self._waiting.popleft()
            self._notes.write(msgspec.json.encode(Recorded(self._account, viewer, now)) + b"\n")
        await super().ack(seq)


def _use(told: Told, notes: Any) -> None:
    hosts = Hosts(
        int(os.environ.get("STATUSGATE_ACCOUNTS_PER_PROCESS", "16")),
        module="tests.whatsapp.worker",
        environment=told.environment,
    )

    def make(_instance: Instance, folder: Path, _context: EngineContext) -> Engine:
        setup = Setup(
            version=VERSION,
            directory=str(folder.absolute()),
            proxy=told.proxy,
            min_free_bytes=1 << 20,
        )
        return Watched(setup, hosts=hosts).watch(folder.name, notes)

    ENGINES["neonize"] = msgspec.structs.replace(ENGINES["neonize"], make=make)


if __name__ == "__main__":
    notes_file = Path(os.environ["STATUSGATE_DATA"]) / RECORDED
    with notes_file.open("ab", buffering=0) as opened:
        _use(msgspec.json.decode(os.environ[ENVIRONMENT], type=Told), opened)
        main(["serve"])
