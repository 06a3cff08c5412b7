"""``statusgate`` that is killed at a named step of publishing, once, when told to.

``python -m tests.acceptance.crashing serve``; the file named by CRASH_FILE holds the step. With
FAKE_WHATSAPP (JSON: proxy, environment, contacts) accounts of the real engine talk to our own
protocol server; the codes they show are kept in ``codes`` beside the contacts.
"""

import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec

from statusgate.cli.main import main
from statusgate.domain.events import QrCode, Sequenced
from statusgate.domain.instance import Instance
from statusgate.engines.neonize.config import Setup
from statusgate.engines.neonize.engine import NeonizeEngine
from statusgate.engines.neonize.ipc import VERSION
from statusgate.engines.port import EngineContext
from statusgate.engines.registry import ENGINES
from statusgate.engines.simulated import SimulatedEngine
from statusgate.media.store import FolderMediaStore, MediaStore
from statusgate.publishing.accepting import Publishing
from statusgate.publishing.outcomes import Outcomes
from statusgate.publishing.preparing import Preparing
from statusgate.publishing.sending import Sending

CRASH = Path(os.environ.get("CRASH_FILE", "never"))
STEPS: dict[str, list[tuple[type, str]]] = {
    "accept": [(Publishing, "accept")],
    "fetch": [(Preparing, "_fetch")],
    "keep": [(Preparing, "_keep")],
    "hand over": [(Sending, "post")],
    "phase": [(Sending, "_set_phase")],
    "publish": [(SimulatedEngine, "post_status"), (NeonizeEngine, "post_status")],
    "outcome": [(Outcomes, "sent")],
}
"""Each has a ``before`` and an ``after``."""
ANSWER_STEPS: dict[str, list[tuple[type, str]]] = {
    "accept answer": [(Publishing, "answer")],
    "answer": [(SimulatedEngine, "answer_status"), (NeonizeEngine, "answer_status")],
    "outcome of answer": [(Outcomes, "answered")],
}
"""what a reaction or a reply does otherwise than a status"""


STORE_STEPS: dict[str, list[tuple[type, str]]] = {
    "store": [(FolderMediaStore, "put"), (MediaStore, "put")],
}
"""between the record of a file and the fact that keeps it"""


def die_if_told(moment: str) -> None:
    """SIGKILL this process if the file names this moment; the file is gone then."""
    if CRASH.exists() and CRASH.read_text() == moment:
        CRASH.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def mined(step: str, work: Callable[..., Any]) -> Callable[..., Any]:
    async def run(*arguments: Any, **named: Any) -> Any:
        die_if_told(f"before {step}")
        result = await work(*arguments, **named)
        die_if_told(f"after {step}")
        return result

    return run


def lay_mines() -> None:
    for step, places in (STEPS | ANSWER_STEPS | STORE_STEPS).items():
        for owner, name in places:
            setattr(owner, name, mined(step, getattr(owner, name)))


class ShownEngine(NeonizeEngine):
    """The real engine; the codes it shows are written down."""

    shown: Path

    async def events(self, after: int) -> AsyncIterator[Sequenced]:
        async for sequenced in super().events(after):
            for event in sequenced.events:
                if isinstance(event, QrCode) and event.payload:
                    self.shown.write_text(event.payload)
            yield sequenced


def use_fake(told: dict[str, Any]) -> None:
    def make(_instance: Instance, folder: Path, _context: EngineContext) -> NeonizeEngine:
        engine = ShownEngine(
            Setup(
                version=VERSION,
                directory=str(folder.absolute()),
                proxy=told["proxy"],
                min_free_bytes=1 << 20,
            ),
            worker_module="tests.whatsapp.worker",
            environment=told["environment"],
        )
        engine.shown = Path(told["codes"])
        return engine

    ENGINES["neonize"] = msgspec.structs.replace(ENGINES["neonize"], make=make)


if __name__ == "__main__":
    lay_mines()
    if "FAKE_WHATSAPP" in os.environ:
        use_fake(json.loads(os.environ["FAKE_WHATSAPP"]))
    main()
