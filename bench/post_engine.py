"""What a post costs in the engine: the real library against the tests' WhatsApp server.

The floor is the bare library in a process of its own, posting the same to as many people on
the same server, in turn with ours. The server's own work is in both; it is part of no product.
"""

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench import aims
from bench.figures import Check, Figure
from bench.linked import online
from statusgate.domain.address import Address
from statusgate.domain.post import StatusPost
from statusgate.domain.status import Kind

SECTION = "posting by the real engine"
MANY = 1_000
_FIRST_OF_MANY = 500_000
_CONTACTS_SECONDS = 20.0
_CALL_SECONDS = 120.0
_QUIET_SECONDS = 2.0


class Times(msgspec.Struct, frozen=True):
    """Milliseconds of the first post and of the later ones."""

    first: float
    later: list[float]


class Pair:
    """The product's engine and the bare library, each with an account of its own."""

    def __init__(self, engine: Any, raw: Any, contacts: Path) -> None:
        self._engine = engine
        self._raw = raw
        self._contacts = contacts
        self._posts = 0

    async def in_turn(self, people: Sequence[Any], later: int) -> tuple[Times, Times]:
        """Post to *people*, once and then *later* times more; ours and the library's."""
        await self._know(people)
        audience = [Address(phone=person.phone) for person in people]
        ours, bare = [], []
        for _ in range(later + 1):
            ours.append(await self._post(audience))
            bare.append(await self._post_bare())
        return Times(ours[0], ours[1:]), Times(bare[0], bare[1:])

    async def _know(self, people: Sequence[Any]) -> None:
        known = [{"phone": one.phone, "name": f"Name {one.phone[-4:]}"} for one in people]
        fresh = self._contacts.with_suffix(".new")
        fresh.write_text(json.dumps(known))
        fresh.replace(self._contacts)
        await asyncio.to_thread(self._raw.know, *people)
        await asyncio.sleep(_QUIET_SECONDS)

    async def _post(self, audience: Sequence[Address]) -> float:
        self._posts += 1
        post = StatusPost(
            key=f"3EB0{self._posts:016X}", kind=Kind.TEXT, text=f"Post {self._posts}",
            background=0x228B22, font=2,
        )  # fmt: skip
        begun = time.perf_counter()
        sent = await self._engine.post_status(post, audience)
        taken = time.perf_counter() - begun
        if len(sent.recipients) != len(audience):
            raise RuntimeError(f"sent to {len(sent.recipients)} of {len(audience)}")
        return taken * 1000

    async def _post_bare(self) -> float:
        begun = time.perf_counter()
        await asyncio.to_thread(
            self._raw.call, "post_text", deadline=_CALL_SECONDS, text="bare", font=2
        )
        return (time.perf_counter() - begun) * 1000


def figures(root: Path, tell: Callable[[str], None], *, full: bool) -> list[Figure]:
    """Post to one and to many; says so where that cannot be done."""
    try:
        return asyncio.run(_measured(root, tell, full=full))
    except Exception as error:  # noqa: BLE001 - it needs a server and two workers around it
        note = f"not measured: {type(error).__name__}: {str(error)[:200]}"
        return [Figure(section=SECTION, name="text posts", unit="ms", value=None, note=note)]


async def _measured(root: Path, tell: Callable[[str], None], *, full: bool) -> list[Figure]:
    from tests.whatsapp.client import FakeWhatsApp, people

    with await asyncio.to_thread(FakeWhatsApp, root / "posting-whatsapp") as fake:
        fake.quick_pairing()
        one = fake.generate_contacts(1_000, 1)
        many = fake.generate_contacts(_FIRST_OF_MANY, MANY)
        tell("linking two accounts")
        async with _pair(root, fake, people(1, 2)) as pair:
            tell("posting to one contact")
            few = await pair.in_turn(one, 100 if full else 30)
            tell(f"posting to {MANY:,} contacts")
            crowd = await pair.in_turn(many, 10 if full else 3)
    return [
        _figure("text to 1 contact", few, aims.engine_text),
        _first(crowd),
        _figure(f"text to {MANY:,} contacts, once sessions exist", crowd, aims.engine_thousand),
    ]


@contextlib.asynccontextmanager
async def _pair(root: Path, fake: Any, persons: Sequence[Any]) -> AsyncIterator[Pair]:
    from statusgate.engines.neonize.config import Setup
    from statusgate.engines.neonize.engine import NeonizeEngine
    from statusgate.engines.neonize.ipc import VERSION
    from tests.whatsapp.engines import RawEngine

    contacts = root / "posting-contacts.json"
    contacts.write_text("[]")
    engine = NeonizeEngine(
        Setup(version=VERSION, directory=str(root / "posting-account"), proxy=fake.proxy),
        worker_module="tests.whatsapp.worker",
        environment=fake.environment(contacts),
    )
    raw = await asyncio.to_thread(RawEngine, fake, root / "posting-bare")
    try:
        await asyncio.to_thread(raw.pair, persons[1])
        await engine.start()
        async with online(engine, fake, persons[0]):
            yield Pair(engine, raw, contacts)
    finally:
        await engine.stop()
        await asyncio.to_thread(raw.stop)


def _figure(
    name: str, times: tuple[Times, Times], judge: Callable[[float], list[Check]]
) -> Figure:
    ours, bare = times
    value, floor = statistics.median(ours.later), statistics.median(bare.later)
    return Figure(
        section=SECTION,
        name=f"{name}: median of {len(ours.later)}",
        unit="ms",
        value=value,
        floor=floor,
        beside="library",
        ratio=value / floor,
        checks=judge(value),
        detail={
            "lowest": min(ours.later),
            "highest": max(ours.later),
            "library lowest": min(bare.later),
            "library highest": max(bare.later),
        },
    )


def _first(times: tuple[Times, Times]) -> Figure:
    ours, bare = times
    return Figure(
        section=SECTION,
        name=f"text to {MANY:,} contacts, the first: sessions are made",
        unit="ms",
        value=ours.first,
        floor=bare.first,
        beside="library",
        ratio=ours.first / bare.first,
    )
