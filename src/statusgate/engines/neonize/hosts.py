"""The engine processes of a gateway: which account lives in which (decision 46)."""

import asyncio
import itertools
import logging
import math
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from statusgate.engines.disk import make_private
from statusgate.engines.neonize.blame import Blame
from statusgate.engines.neonize.config import Exit, Setup, meaning
from statusgate.engines.neonize.memory import resident_bytes
from statusgate.engines.neonize.process import HostProcess, Place
from statusgate.engines.neonize.store import SessionStore
from statusgate.engines.port import EngineProcess

log = logging.getLogger(__name__)

MODULE = "statusgate.engines.neonize.host"

WORN = 256
"""accounts that a process has let in, after which it is replaced: the library never closes the
database of a client that stopped, which costs two descriptors and 0.3 MB each time"""

UNSETTLED = 30.0
"""seconds that a process goes on in which an account is stuck, before it is replaced"""


class Hosts:
    """Hands out places in engine processes; implements ``port.EngineProcesses``."""

    def __init__(
        self,
        per_process: int = 1,
        *,
        logs: Path | None = None,
        module: str = MODULE,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """At most *per_process* linked accounts share a process, whose log is in *logs*.

        Without *logs* it is beside the folders of the accounts; that of a process with one
        account is in its folder.
        *environment* is added to the small one of the processes.
        """
        self.launching = asyncio.Semaphore(4)
        """held while an account is placed: so few processes start at a time"""
        self.deaths = 0
        """processes that ended unasked"""
        self._per_process = per_process
        self._logs = logs
        self._module = module
        self._environment = dict(environment or {})
        self._hosts: list[HostProcess] = []
        self._linked: set[str] = set()
        self._placed: Counter[str] = Counter()
        self._blame = Blame()
        self._tasks: set[asyncio.Task[None]] = set()

    def expect(self, account: str) -> None:
        """The account in the folder *account* will need a place, if it is linked."""
        if SessionStore(Path(account)).is_marked:
            self._linked.add(account)

    def forget(self, account: str) -> None:
        """It needs no place for now."""
        self._linked.discard(account)

    def is_alone(self, account: str) -> bool:
        """Whether it ended the processes it shared with others, and lives alone therefore."""
        return self._blame.is_alone(account)

    def isolated(self) -> list[str]:
        """Return accounts that live alone therefore, by the names of their folders."""
        return sorted(Path(account).name for account in self._linked if self.is_alone(account))

    def running(self) -> list[EngineProcess]:
        """Return how the running processes are, by number."""
        return [
            EngineProcess(
                number=host.number,
                pid=host.pid,
                restarts={
                    Path(place.account).name: self._placed[place.account] - 1
                    for place in host.places
                },
                memory_bytes=resident_bytes(host.pid),
            )
            for host in sorted(self._hosts, key=lambda one: one.number)
            if host.pid is not None
        ]

    async def place(self, setup: Setup) -> Place:
        """Give the account of *setup* a place in a running process. Raises OSError."""
        await self._wait_for_folder(setup.directory)
        while True:
            host = self._host_for(setup)
            with suppress(BrokenPipeError):  # it has ended just now
                return await self._admitted(setup, host)

    async def _admitted(self, setup: Setup, host: HostProcess) -> Place:
        host.expected.add(setup.directory)
        try:
            if await host.launch(self._module, self._environment):
                self._spawn(self._attend(host))
            moves = self._per_process > 1 and not self._is_linked(setup)
            setup = msgspec.structs.replace(setup, shared=host.shared, moves=moves)
            place = await host.admit(setup, self._left)
            self._placed[setup.directory] += 1
        except BrokenPipeError:
            host.admitting = False
            raise
        else:
            if host.admitted == WORN:
                self._spawn(host.evacuate())
            return place
        finally:
            host.expected.discard(setup.directory)
            if not host.accounts:
                await self._end(host)

    # -- which process

    def _host_for(self, setup: Setup) -> HostProcess:
        """Choose a process that has room, or make one; it may not have been started yet."""
        account = setup.directory
        group = self._blame.group(account, time.monotonic())
        if self._per_process == 1 or group == account or not self._is_linked(setup):
            return self._made(Path(account) / "worker.log", shared=False, group=group)
        self._linked.add(account)
        fitting = [
            one for one in self._hosts if one.shared and one.admitting and one.group == group
        ]
        with_room = [
            one
            for one in fitting
            if len(one.accounts) < self._per_process and account not in one.crowded_out
        ]
        needed = 1 if group else math.ceil(len(self._linked) / self._per_process)
        if with_room and len(fitting) >= needed:
            return min(with_room, key=lambda one: (len(one.accounts), one.number))
        logs = self._logs or Path(account).parent
        make_private(logs)
        log_file = logs / f"host-{self._free_number()}.log"
        return self._made(log_file, shared=True, group=group)

    def _is_linked(self, setup: Setup) -> bool:
        return SessionStore(Path(setup.directory)).is_marked

    def _made(self, log_file: Path, *, shared: bool, group: str) -> HostProcess:
        host = HostProcess(self._free_number(), log_file, shared=shared, group=group)
        self._hosts.append(host)
        return host

    def _free_number(self) -> int:
        taken = {host.number for host in self._hosts}
        return next(number for number in itertools.count(1) if number not in taken)

    async def _wait_for_folder(self, account: str) -> None:
        """Wait for the end of a process in which a worker of the account was given up."""
        for host in list(self._hosts):
            if account in host.stuck:
                await host.gone.wait()

    # -- their ends

    async def _left(self, place: Place) -> None:
        """An account has left its process, or its worker was given up."""
        host = place.host
        host.places.discard(place)
        if place.code == Exit.CROWDED:
            host.crowded_out.add(place.account)
        if place.code == Exit.STUCK and not host.gone.is_set():
            host.admitting = False
            if host.accounts and not host.stuck:
                self._spawn(self._replace(host))
            host.stuck.add(place.account)
        if host.accounts:
            return
        if host.stuck:
            await self._end(host)
        else:
            await host.dismiss()
            await host.gone.wait()

    async def _replace(self, host: HostProcess) -> None:
        """Let a process go on for a while in which an account is stuck, then replace it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(UNSETTLED):
                await host.gone.wait()
                return
        await host.evacuate()

    async def _end(self, host: HostProcess) -> None:
        await host.end(0)
        if host.pid is None:
            self._forget(host)
        await host.gone.wait()

    async def _attend(self, host: HostProcess) -> None:
        """Wait for the end of a process, and see who is to blame for it."""
        try:
            code = await self._ended(host)
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):  # for the last words of its accounts
                    await asyncio.gather(*(place.over.wait() for place in host.places))
            host.victims = sorted(one.account for one in host.places if one.code is None)
            if host.victims and not host.ending:
                self._blame_somebody(host, code)
        finally:
            self._forget(host)

    async def _ended(self, host: HostProcess) -> int:
        """Wait for the end of a process; one of suspects ends when they are above suspicion."""
        if host.group and self._per_process > 1:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._blame.seconds(host.group, time.monotonic())):
                    return await host.wait()
            await host.evacuate()
        return await host.wait()

    def _blame_somebody(self, host: HostProcess, code: int) -> None:
        self.deaths += 1
        log.warning(
            "engine process %d with %d accounts ended: %s",
            *(host.number, len(host.victims), meaning(code)),
        )
        if self._per_process > 1:
            guilty = self._blame.died(host.victims, time.monotonic())
            if guilty is not None:
                log.error("account %s ended it, and lives alone now", Path(guilty).name)

    def _forget(self, host: HostProcess) -> None:
        host.admitting = False
        self._hosts.remove(host)
        host.gone.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="engine-process")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
