"""What the tests of the real engine share: accounts that run on the fake WhatsApp server."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from statusgate.domain.address import Address
from statusgate.domain.events import (
    EngineEvent,
    EngineState,
    QrCode,
    StateChanged,
    StatusReceipt,
)
from statusgate.domain.post import StatusPost
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind
from statusgate.engines.neonize.config import Setup, Timing
from statusgate.engines.neonize.engine import NeonizeEngine
from statusgate.engines.neonize.hosts import Hosts
from statusgate.engines.neonize.ipc import VERSION
from statusgate.engines.neonize.store import Linked, SessionStore
from statusgate.engines.port import Engine
from tests.waiting import eventually
from tests.whatsapp.client import FakeWhatsApp, Person, is_seeded, people

FAST = Timing(
    beat=5.0,
    kill_after=3.0,
    restart_first=0.1,
    restart_most=1.0,
    replaced_hold=2.0,
    connecting=15.0,
    failing=10.0,
    linger=0.3,
    request=10.0,
    send=20.0,
)

Found = TypeVar("Found")
Kept = TypeVar("Kept", bound=EngineEvent)
_numbers = itertools.count(1, 10)
_crowds = itertools.count(1_000_000, 20_000)
_keys = itertools.count(1)
_folders = itertools.count(1)
_shared: list[Hosts] = []


def strangers(count: int) -> list[Person]:
    """People whom no other test uses."""
    return people(next(_numbers), count)


def whole(person: Person) -> Address:
    """The person as known by both addresses."""
    return Address(phone=person.phone, lid=person.lid)


def by_phone(person: Person) -> Address:
    return Address(phone=person.phone)


def text(words: str, **details: Any) -> StatusPost:
    """A text status with a key of its own."""
    return StatusPost(key=f"KEY{next(_keys)}", kind=Kind.TEXT, text=words, **details)


def new_hosts(fake: FakeWhatsApp, per_process: int) -> Hosts:
    """Processes for up to so many accounts each, which trust the fake server."""
    return Hosts(
        per_process,
        module="tests.whatsapp.worker",
        environment=fake.environment(fake.directory / "*.contacts"),
    )


@contextmanager
def living_in(hosts: Hosts) -> Iterator[Hosts]:
    """Accounts that are made meanwhile live in these processes."""
    _shared.append(hosts)
    yield hosts
    _shared.remove(hosts)


both_sizes = pytest.mark.parametrize(
    "hosts", [16, 1], ids=["shared", "alone"], indirect=True, scope="module"
)
"""runs a test also with a process for each account, which the others do in ``make soak``"""


def crowd(fake: FakeWhatsApp, count: int) -> list[Person]:
    """People without engines, up to 20,000, whom no other test uses."""
    return fake.generate_contacts(next(_crowds), count)


class Account:
    """A person's companion: an engine, and a reader that keeps what it tells."""

    def __init__(
        self, fake: FakeWhatsApp, person: Person, folder: Path, device: int = 1, **options: Any
    ) -> None:
        self.fake = fake
        self.person = person
        self.number = device
        self.folder = folder
        self.device = person.device(device)
        self.heard: list[EngineEvent] = []
        self.numbers: list[int] = []
        self.cursor = 0
        self.acknowledging = True
        self.hosts = _shared[-1] if _shared else new_hosts(fake, 1)
        self._contacts = fake.directory / f"{folder.name}.contacts"
        self.know()
        self._setup = Setup(
            version=VERSION,
            directory=str(folder),
            **{"proxy": fake.proxy, "timing": FAST, "min_free_bytes": 1024 * 1024, **options},
        )
        self.engine = self._new_engine()
        _: Engine = self.engine  # it is one
        self._reading: asyncio.Task[None] | None = None

    def _new_engine(self) -> NeonizeEngine:
        return NeonizeEngine(self._setup, hosts=self.hosts)

    def logs(self) -> list[Path]:
        """The files that its processes write to."""
        return [*self.folder.glob("*.log"), *self.folder.parent.glob("*.log")]

    def know(self, *contacts: Person, by: str = "phone") -> None:
        """Have these people, and only these, in the address book."""
        rows = [{by: getattr(one, by), "name": f"Name {one.phone[-3:]}"} for one in contacts]
        fresh = self._contacts.with_suffix(".new")
        fresh.write_text(json.dumps(rows))
        fresh.replace(self._contacts)

    def knows(self) -> bool:
        """Whether the library has taken over the address book as it is now."""
        return is_seeded(self._contacts)

    async def start(self) -> None:
        await self.engine.start()
        self._reading = asyncio.create_task(self._read())
        await asyncio.sleep(0)

    async def stop(self) -> None:
        await self.engine.stop()
        if self._reading is not None:
            await self._reading

    async def restart(self, **options: Any) -> None:
        """Stop, and go on as a new process of the gateway would."""
        await self.stop()
        self._setup = msgspec.structs.replace(self._setup, **options)
        self.engine = self._new_engine()
        self.heard.clear()
        await self.start()

    def link(self) -> None:
        """Be linked already, without a pairing; before the first start."""
        self.fake.link(
            self.person, self.folder / "session.db", self.number, f"Push {self.person.phone}"
        )
        mark = Linked(phone=self.person.phone, lid=self.person.lid, device=self.number)
        SessionStore(self.folder).mark(mark)

    async def pair(self) -> None:
        """Link by QR code; returns once connected, with the address book read."""
        await self.engine.begin_linking()
        code = await self.expect(QrCode)
        await asyncio.to_thread(
            self.fake.scan, code.payload, self.person, self.number, f"Push {self.person.phone}"
        )
        await self.expect_state(EngineState.OPEN)
        await eventually(self.knows, "the address book")

    async def expect(self, kind: type[Kept], deadline: float = 20.0, **fields: Any) -> Kept:
        """Return the first event of that kind with those fields, heard or still to come."""

        def fits(event: EngineEvent) -> bool:
            return isinstance(event, kind) and all(
                getattr(event, name) == value for name, value in fields.items()
            )

        end = time.monotonic() + deadline
        while time.monotonic() < end:
            for event in self.heard:
                if fits(event):
                    return event  # type: ignore[return-value]
            await asyncio.sleep(0.01)
        raise AssertionError(f"no {kind.__name__} {fields} within {deadline} s: {self.heard}")

    async def expect_state(self, state: EngineState, deadline: float = 20.0) -> StateChanged:
        return await self.expect(StateChanged, deadline, state=state)

    async def expect_receipt(self, progress: Progress, deadline: float = 20.0) -> StatusReceipt:
        """Return the first receipt of that kind."""
        return await eventually(
            lambda: next(
                (one for one in self.all_of(StatusReceipt) if one.kind is progress), None
            ),
            f"a receipt {progress.name}",
            deadline,
        )

    def all_of(self, kind: type[Kept]) -> list[Kept]:
        return [event for event in self.heard if isinstance(event, kind)]

    def states(self) -> list[EngineState]:
        return [event.state for event in self.all_of(StateChanged)]

    async def _read(self) -> None:
        async for found in self.engine.events(self.cursor):
            self.heard.extend(found.events)
            if found.seq:
                self.numbers.append(found.seq)
                if self.acknowledging:
                    await self.engine.ack(found.seq)
                    self.cursor = found.seq


@asynccontextmanager
async def account(
    fake: FakeWhatsApp,
    tmp_path: Path,
    person: Person,
    *,
    knows: Iterable[Person] = (),
    device: int = 1,
    linked: bool = True,
    **options: Any,
) -> AsyncIterator[Account]:
    """A running account; linked and connected unless told otherwise."""
    folder = tmp_path / f"account-{next(_folders)}"
    made = Account(fake, person, folder, device, **options)
    made.know(*knows)
    try:
        if linked:
            await asyncio.to_thread(made.link)
        await made.start()
        if linked:
            await made.expect_state(EngineState.OPEN)
        yield made
    finally:
        await made.stop()
