"""What the gateway asks of an engine, whichever library is behind it."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.clock import Clock
from statusgate.domain.events import Sequenced
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
from statusgate.domain.script import ScriptEvent


class Engine(Protocol):
    """One account on one WhatsApp library."""

    async def start(self) -> None:
        """Return once the engine runs, not once it is connected."""

    async def stop(self, deadline_seconds: float = 10.0) -> None:
        """Drain and end; idempotent, bounded."""

    def events(self, after: int) -> AsyncIterator[Sequenced]:
        """Events with ``seq > after``, in order, and volatile ones as they come."""

    async def ack(self, seq: int) -> None:
        """Everything up to *seq* is committed."""

    async def begin_linking(self) -> None:
        """Make codes come as QrCode events; idempotent while one is shown."""

    async def request_pairing_code(self, phone: str) -> str:
        """Return 8 characters to type on the phone. EngineUnavailable if not obtainable."""

    async def logout(self) -> None:
        """Unlink the device; also when it is not linked."""

    async def post_status(
        self, post: StatusPost, audience: Sequence[Address] | None
    ) -> SentStatus:
        """Publish to *audience* (None: every contact with a contact name).

        Raises EngineRejected, EngineUnavailable or EngineUncertain.
        """

    async def answer_status(self, answer: StatusAnswer) -> SentAnswer:
        """Send a reaction or a reply to the author of a status, and to nobody else.

        Raises EngineRejected, EngineUnavailable or EngineUncertain.
        """

    async def delete_status(self, wire_id: str, audience: Sequence[Address]) -> None: ...

    async def mark_viewed(self, wire_id: str, author: Address) -> None: ...

    async def download(self, ref: MediaRef, to: Path, limit: int) -> None:
        """Write the file to *to*. MediaUnavailable if it cannot be had or is over *limit*."""

    async def privacy(self) -> AudiencePrivacy:
        """Ask WhatsApp who may see the account's statuses; a live query."""

    async def look_up(self, address: Address) -> ContactInfo:
        """Ask WhatsApp about a number; a live query."""


class Sandbox(Protocol):
    """What a simulated engine can beyond an engine (contract 12.9)."""

    async def simulate(self, events: Sequence[ScriptEvent]) -> None:
        """Take validated script events, all or none; returns once they are committed."""


class EngineProcess(msgspec.Struct, frozen=True, kw_only=True):
    """How a process is in which engines run."""

    number: int
    """small, and free again when the process has ended"""
    pid: int
    restarts: dict[str, int]
    """how often the gateway started each of its accounts again, by the name of its folder"""
    memory_bytes: int
    """resident, with what it shares with others"""


class EngineProcesses(Protocol):
    """The processes in which the engines of a gateway run."""

    deaths: int
    """those that have ended unasked, since the start of the gateway"""

    def running(self) -> list[EngineProcess]:
        """Return how they are, by number."""

    def isolated(self) -> list[str]:
        """Return accounts that ended the processes they shared with others, and live alone."""


class EngineContext(msgspec.Struct, frozen=True, kw_only=True):
    """What all engines of one gateway are made with."""

    clock: Clock
    seed: str = "0"
    """of the chance in sandboxes"""
    proxy: str = ""
    """URL through which WhatsApp is reached; ``""``: directly"""
    min_free_bytes: int = 0
    """of disk; below that an account goes offline"""
    memory_bytes: int = 1024 * 1024 * 1024
    """that an engine process may use"""
    processes: "EngineProcesses | None" = None
    """those that accounts share; None: each has its own"""


class EngineKind(msgspec.Struct, frozen=True, kw_only=True):
    """An engine as ``registry.py`` lists it: how one is made, and what it can do."""

    about: str
    """for people, a few words"""
    make: Callable[[Instance, Path, EngineContext], Engine]
    """makes the engine of an instance over its own folder; raises InvalidRequest"""
    options: type[msgspec.Struct]
    """the engine options an instance may have"""
    is_movable: bool = False
    """any node may run its accounts, whichever ran them before"""
    is_sandbox: bool = False
    """it is a ``Sandbox``, and has its state back as soon as it has started"""
    links_itself: Callable[[Instance], bool] = lambda _instance: False
    """whether a new instance becomes authorized without anybody's help"""
