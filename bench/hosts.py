"""What linked accounts cost: memory, a start, a death, and busy neighbours.

A whole gateway, the unmodified WhatsApp library and the tests' WhatsApp server, which is not
counted. The accounts are linked before it starts.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench import aims
from bench.accounts import account
from bench.figures import Figure
from bench.linked_gateway import ENVIRONMENT, RECORDED, Recorded, Told
from bench.seeding import TOKEN, Place, SqliteFiles, empty_place, opened, token_digest
from bench.servers import Memory, Process, family, free_port, memory_of, post_json
from bench.timing import Spread, schedule, spread
from bench.workload import instance
from statusgate.domain.instance import Instance
from statusgate.engines.neonize.store import Linked, SessionStore
from statusgate.journal import Transaction
from statusgate.settings import Settings

SECTION = "linked accounts"
_ADMIN_TOKEN = "bench-admin" * 3
_DEADLINE_SECONDS = 120.0
_SETTLE_SECONDS = 5.0
_LOOK_SECONDS = 0.02
_FIRST_PERSON = 2_000
_FIRST_VIEWER = 3_000
_BUSY = 16
_A_SECOND = 20
"""receipts of each busy account"""
_BUSY_SECONDS = 5
_KILLS = 3
PER_PROCESS = Settings().accounts_per_process


class Shape(msgspec.Struct, frozen=True):
    """How many accounts, and how many of them in one process."""

    accounts: int
    per_process: int

    def __str__(self) -> str:
        noun = "account" if self.accounts == 1 else "accounts"
        return f"{self.accounts} {noun}, {self.per_process} a process"


class Fleet:
    """A gateway with linked accounts that are all online."""

    def __init__(self, fake: Any, server: Process, people: Sequence[Any], folder: Path) -> None:
        self.fake = fake
        self.people = people
        self._server = server
        self._folder = folder
        self.open_after = 0.0
        """seconds from the command until all accounts were online"""

    def gateway(self) -> Memory:
        """Memory of the server's own process."""
        return memory_of([self._server.pid])

    def engines(self) -> Memory:
        """Memory of all processes of engines."""
        return memory_of(self._engine_pids())

    def wait_until_open(self) -> None:
        """Return once every account is connected, and the gateway says so."""
        _until(lambda: self._connections() == len(self.people) and self._all_online())

    def kill_processes(self, count: int) -> list[float]:
        """Kill so many processes, one by one; seconds until all accounts are online again.

        Each is another one: accounts whose process dies twice are split up.
        """
        seconds = []
        for pid in self._engine_pids()[:count]:
            begun = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            _until(lambda: self._connections() < len(self.people))
            self.wait_until_open()
            seconds.append(time.monotonic() - begun)
        return seconds

    def post_all(self, count: int) -> list[str]:
        """Let the first *count* accounts post a text; WhatsApp's ids of their statuses."""
        (viewer,) = self.fake.generate_contacts(_FIRST_VIEWER - 1, 1)
        for number in range(count):
            url = f"{self._server.url}/waInstance{account(number)}/sendTextStatus"
            text = {"message": "hello", "participants": [f"{viewer.phone}@c.us"]}
            post_json(url, TOKEN, text)
        _until(lambda: len(self.fake.posts()) >= count)
        ids = {post["device"]: str(post["id"]) for post in self.fake.posts()}
        return [ids[person.device(1)] for person in self.people[:count]]

    def event_to_journal(self, busy: int, seconds: int) -> Spread:
        """Send receipts to *busy* accounts, evenly in time; how long until each is on disk."""
        ids = self.post_all(busy)
        count = busy * _A_SECOND * seconds
        viewers = self.fake.generate_contacts(_FIRST_VIEWER, count)
        begun = time.monotonic()
        sent: dict[str, float] = {}
        for number, due in enumerate(schedule(count, busy * _A_SECOND)):
            time.sleep(max(0.0, begun + due - time.monotonic()))
            viewer, to = viewers[number], number % busy
            sent[viewer.phone] = time.time()
            self.fake.receipts(self.people[to].device(1), ids[to], [viewer], "read")
        _until(lambda: len(self._recorded()) >= count)
        recorded = {one.viewer: one.at for one in self._recorded()}
        return spread([(recorded[viewer] - at) * 1000 for viewer, at in sent.items()])

    def _recorded(self) -> list[Recorded]:
        decode = msgspec.json.Decoder(Recorded).decode
        return [decode(line) for line in (self._folder / RECORDED).read_bytes().splitlines()]

    def _engine_pids(self) -> list[int]:
        return family(self._server.pid)[1:]

    def _connections(self) -> int:
        return int(self.fake.state()["connections"])

    def _all_online(self) -> bool:
        request = urllib.request.Request(
            f"{self._server.url}/partner/getInstancesStatus/{_ADMIN_TOKEN}"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            told = msgspec.json.decode(answer.read())
        return all(one["statusInstance"] == "online" for one in told)


@contextlib.contextmanager
def fleet(root: Path, shape: Shape) -> Iterator[Fleet]:
    """So many accounts, linked beforehand, and a gateway in which all are online."""
    from tests.whatsapp.client import FakeWhatsApp, people

    place = empty_place(SqliteFiles(), root, f"fleet-{shape.accounts}-{shape.per_process}")
    folder = place.folder
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        fake = stack.enter_context(FakeWhatsApp(folder / "whatsapp"))
        persons = people(_FIRST_PERSON, shape.accounts)
        asyncio.run(_create(place, shape.accounts))
        for number, person in enumerate(persons):
            home = folder / "accounts" / str(account(number))
            fake.link(person, home / "session.db")
            SessionStore(home).mark(Linked(phone=person.phone, lid=person.lid, device=1))
        port = free_port()
        environment = {
            "STATUSGATE_DATABASE": place.database,
            "STATUSGATE_DATA": str(folder),
            "STATUSGATE_PORT": str(port),
            "STATUSGATE_LOG_LEVEL": "warning",
            "STATUSGATE_ADMIN_TOKEN": _ADMIN_TOKEN,
            "STATUSGATE_ACCOUNTS_PER_PROCESS": str(shape.per_process),
            ENVIRONMENT: msgspec.json.encode(Told(fake.proxy, fake.environment())).decode(),
        }
        begun = time.monotonic()
        server = stack.enter_context(
            Process(
                ["bench.linked_gateway"], port, folder / "serve.log", "/health/ready",
                environment,
            )
        )  # fmt: skip
        made = Fleet(fake, server, persons, folder)
        made.wait_until_open()
        made.open_after = time.monotonic() - begun
        yield made


async def _create(place: Place, count: int) -> None:
    now_ms = time.time_ns() // 1_000_000
    async with opened(place.database) as journal:
        digest = await token_digest(journal, place.folder)
        for number in range(count):
            made = msgspec.structs.replace(
                instance(account(number), digest, now_ms), engine="neonize", engine_options={}
            )
            await journal.write(made.id, partial(_add, made))


def _add(made: Instance, tx: Transaction) -> None:
    tx.create_instance(made)


def _until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_DEADLINE_SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)


def figures(root: Path, tell: Callable[[str], None]) -> Iterator[Figure]:
    """Measure a few fleets; says so where that cannot be done."""
    for accounts, measure in ((1, _one), (20, _twenty), (100, _hundred)):
        shape = Shape(accounts, PER_PROCESS)
        tell(f"running {shape}")
        try:
            with fleet(root, shape) as made:
                time.sleep(_SETTLE_SECONDS)
                yield from measure(made, shape)
        except Exception as error:  # noqa: BLE001 - it needs so much around it
            note = f"not measured: {type(error).__name__}: {str(error)[:200]}"
            yield Figure(section=SECTION, name=str(shape), unit="MB", value=None, note=note)


def _one(made: Fleet, shape: Shape) -> Iterator[Figure]:
    yield _memory(made, shape)


def _twenty(made: Fleet, shape: Shape) -> Iterator[Figure]:
    found = _memory(made, shape)
    assert found.value is not None
    yield msgspec.structs.replace(found, checks=aims.twenty_accounts(found.value))
    times = made.event_to_journal(_BUSY, _BUSY_SECONDS)
    yield Figure(
        section=SECTION,
        name=f"event to journal, {_BUSY} accounts that get {_A_SECOND} receipts/s each: p99",
        unit="ms",
        value=times.p99,
        detail={"p50": times.p50, "p90": times.p90, "max": times.longest},
        checks=aims.beside_neighbours(times.p99),
    )


def _hundred(made: Fleet, shape: Shape) -> Iterator[Figure]:
    found = _memory(made, shape)
    assert found.value is not None
    yield msgspec.structs.replace(found, checks=aims.each_of_many(found.value / shape.accounts))
    yield Figure(
        section=SECTION,
        name=f"command to {shape.accounts} accounts online",
        unit="s",
        value=made.open_after,
        checks=aims.all_online(made.open_after),
    )
    seconds = made.kill_processes(_KILLS)
    median = statistics.median(seconds)
    yield Figure(
        section=SECTION,
        name=f"a process is killed: all accounts online again, median of {_KILLS}",
        unit="s",
        value=median,
        checks=aims.recovery(median),
        detail={"lowest": min(seconds), "highest": max(seconds)},
    )


def _memory(made: Fleet, shape: Shape) -> Figure:
    engines, gateway = made.engines(), made.gateway()
    return Figure(
        section=SECTION,
        name=f"{shape}, online and idle: PSS of all engine processes",
        unit="MB",
        value=engines.pss,
        peer=aims.ACCOUNTS_PEER,
        detail={
            "engine processes": engines.processes,
            "MB an account": round(engines.pss / shape.accounts, 1),
            "with the gateway MB": round(engines.pss + gateway.pss, 1),
        },
    )


def main() -> None:
    """Measure one fleet: ``python -m bench.hosts ACCOUNTS PER_PROCESS``."""
    shape = Shape(int(sys.argv[1]), int(sys.argv[2]))
    root = tempfile.TemporaryDirectory(prefix="statusgate-bench-")
    with root as folder, fleet(Path(folder), shape) as made:
        time.sleep(_SETTLE_SECONDS)
        print(f"{shape}: open after {made.open_after:.2f} s, killed one: ", end="")
        found = _memory(made, shape)
        print(f"{made.kill_processes(1)[0]:.2f} s")
        print(f"{found.value} MB, {found.detail}")
        busy = min(shape.accounts, _BUSY)
        print(f"event to journal, {busy} busy: {made.event_to_journal(busy, _BUSY_SECONDS)}")


if __name__ == "__main__":
    main()
