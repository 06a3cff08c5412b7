"""Keeps a worker running for one account, and carries requests to it."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import msgspec

from statusgate.domain.errors import (
    EngineRejected,
    EngineSilent,
    EngineUnavailable,
    EngineUncertain,
    MediaUnavailable,
    StatusgateError,
)
from statusgate.domain.waiting import cancel
from statusgate.engines.neonize.config import SLACK, Exit, Setup, free_bytes, meaning
from statusgate.engines.neonize.hosts import Hosts
from statusgate.engines.neonize.ipc import (
    VERSION,
    Beat,
    Began,
    Drain,
    FrameTooLong,
    FromWorker,
    Hello,
    Now,
    ProtocolError,
    Record,
    Request,
    Response,
    Vitals,
    raw,
)
from statusgate.engines.neonize.process import Place
from statusgate.engines.neonize.restarts import Restarts, Verdict

log = logging.getLogger(__name__)

T = TypeVar("T")


class WorkerLost(EngineUnavailable):
    """The worker ended before it answered."""


class Listener(Protocol):
    """Whoever follows what a worker does."""

    def greeted(self) -> None:
        """A worker is ready to serve."""

    def heard(self, frame: Began | Record | Now) -> None:
        """It sent an event, or began to stream anew. Raises ProtocolError."""

    def ended(self, code: int, verdict: Verdict) -> None:
        """It is gone, *verdict* tells what follows."""

    def banned_for(self) -> float:
        """Seconds for which WhatsApp still bans the account."""


class Supervisor:
    """Runs workers one after the other: whenever one is needed, and again after a death."""

    def __init__(
        self,
        setup: Setup,
        listener: Listener,
        hosts: Hosts,
    ) -> None:
        self._setup = setup
        self._timing = setup.timing
        self._account = setup.directory.rpartition("/")[2]
        self._listener = listener
        self._hosts = hosts
        self._restarts = Restarts(self._timing)
        self._runner: asyncio.Task[None] | None = None
        self._stopping = False
        self._needed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._changed = asyncio.Condition()
        self._worker: Place | None = None
        self._greeted = False
        self._runs = 0
        self._forget = False
        self._requests: dict[int, asyncio.Future[Response]] = {}
        self._last_request = 0
        self._missed = 0
        self.last_exit: int | None = None
        self.held = False
        """WhatsApp does not want us for a while"""
        self.vitals = Vitals()
        """the worker's latest report of itself"""

    @property
    def pid(self) -> int | None:
        """The number of the process in which the worker runs, None while there is none."""
        return self._worker.pid if self._worker is not None else None

    async def start(self, *, needed: bool) -> None:
        """Begin to keep workers; with *needed* return once the first one has reported."""
        if self._runner is not None:
            return
        self._stopping = False
        self._needed.clear()
        self._hurry.clear()
        runs = self._runs
        self._runner = asyncio.create_task(self._run(), name="neonize-supervisor")
        if needed:
            self._needed.set()
            await self._until(lambda: self._greeted or self._runs > runs, self._timing.hello)

    async def stop(self, deadline: float) -> None:
        """Let the worker drain, at most *deadline* seconds, and keep none any more."""
        runner, self._stopping = self._runner, True
        if runner is None:
            return
        self._wake()
        self.send(Drain())
        try:
            async with asyncio.timeout(deadline):
                await asyncio.shield(runner)
        except TimeoutError:
            if self._worker is not None:
                await self._worker.end(0)
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)
        self._runner = None

    def send(self, frame: Any) -> None:
        """Send *frame* to a worker that has reported; without one it gets lost."""
        if self._worker is not None and self._greeted:
            self._worker.send(frame)

    # -- requests

    async def call(
        self, operation: str, arguments: Sequence[Any], kind: type[T] | None, deadline: float
    ) -> T:
        """Have the running worker do something.

        Raises what the worker tells (EngineRejected and so on), EngineUnavailable (WorkerLost),
        TimeoutError.
        """
        worker = self._worker
        if worker is None or not self._greeted or self._stopping:
            raise EngineUnavailable("the engine is not running")
        self._last_request += 1
        number = self._last_request
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._requests[number] = answer
        try:
            worker.send(Request(id=number, op=operation, p=raw(arguments)))
            async with asyncio.timeout(deadline):
                response = await answer
        except FrameTooLong as error:
            raise EngineUnavailable(str(error)) from None
        finally:
            self._requests.pop(number, None)
        if not response.ok:
            raise _error(response)
        return msgspec.json.decode(response.p, type=kind)

    async def ask(
        self,
        operation: str,
        arguments: Sequence[Any],
        kind: type[T] | None,
        deadline: float | None = None,
    ) -> T:
        """As ``call``, for what may simply be tried again: raises EngineUnavailable."""
        try:
            return await self.call(operation, arguments, kind, deadline or self._timing.request)
        except TimeoutError:
            raise EngineUnavailable("WhatsApp does not answer") from None

    async def ask_anyhow(
        self, operation: str, arguments: Sequence[Any], kind: type[T] | None
    ) -> T:
        """As ``ask``, but start a worker for it; one that was just ending is replaced."""
        await self._ensure_worker()
        with suppress(WorkerLost):
            return await self.ask(operation, arguments, kind)
        await self._ensure_worker()
        return await self.ask(operation, arguments, kind)

    async def end_worker(self) -> None:
        """End the running worker in order, if there is one."""
        worker, runs = self._worker, self._runs
        if worker is not None:
            await worker.end(self._timing.kill_after)
            await self._until(lambda: self._runs > runs, self._timing.kill_after)

    async def wait_for_end(self) -> None:
        """Wait for the running worker to end by itself, not for long."""
        worker = self._worker
        await self._until(lambda: self._worker is not worker, self._timing.kill_after)

    async def forget_session(self) -> None:
        """Have a worker put the session aside. Raises EngineUnavailable."""
        self._forget, self.held, self.last_exit = True, False, None
        runs = self._runs
        self._wake()
        if not await self._until(lambda: self._runs > runs, self._timing.hello):
            raise EngineUnavailable("the session could not be put aside")

    def _wake(self) -> None:
        """Have a worker started without further pause."""
        self._needed.set()
        self._hurry.set()

    async def _ensure_worker(self) -> None:
        if self._runner is None or self._stopping:
            raise EngineUnavailable("the engine is not running")
        if self.held:
            raise EngineUnavailable(meaning(self.last_exit or 0))
        if not self._greeted:
            self._wake()
        if not await self._until(lambda: self._greeted, self._timing.hello):
            raise EngineUnavailable("the engine does not start")

    async def _until(self, check: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(check)
        except TimeoutError:
            return False
        return True

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # -- one worker after the other

    async def _run(self) -> None:
        while True:
            await self._needed.wait()
            self._needed.clear()
            if self._stopping:
                return
            began = time.monotonic()
            try:
                code = await self._run_worker()
            except OSError:
                log.exception("account %s: no worker could be started", self._account)
                code = Exit.NO_ROOM
            except Exception:
                log.exception("account %s: a fault of the supervisor", self._account)
                code = Exit.PROTOCOL
            await self._pause(code, time.monotonic() - began)

    async def _run_worker(self) -> int:
        """Run one worker from its launch to its end; returns its exit code."""
        await self._hosts.launching.acquire()
        try:
            moved = self.last_exit == Exit.MOVED
            setup = msgspec.structs.replace(self._setup, forget=self._forget, moved=moved)
            self._forget, self._missed = False, 0
            worker = self._worker = await self._hosts.place(setup)
            heart = asyncio.create_task(self._watch(worker))
            try:
                return await self._attend(worker)
            finally:
                await cancel(heart)
                await worker.end(0)
                await worker.wait()  # closes the socket, also when this task was cancelled
        finally:
            if not self._greeted:
                self._hosts.launching.release()
            await self._dismiss()

    async def _attend(self, worker: Place) -> int:
        """Listen to a worker until it ends; returns its exit code."""
        reading = asyncio.create_task(self._read(worker))
        try:
            await self._until(lambda: self._greeted or reading.done(), self._timing.hello)
            if not self._greeted and not reading.done():
                log.error("account %s: the worker does not report", self._account)
                await worker.end(0)
            elif self._stopping:
                worker.send(Drain())
            await reading
        finally:
            await cancel(reading)
        return await worker.wait()

    async def _dismiss(self) -> None:
        self._worker, self._greeted = None, False
        for answer in self._requests.values():
            if not answer.done():
                answer.set_exception(WorkerLost("the engine ended meanwhile"))
        self._runs += 1
        await self._announce()

    async def _pause(self, code: int, lived: float) -> None:
        """Tell of a worker's end and wait until the next one is due."""
        verdict = self._restarts.after(
            code,
            lived=lived,
            now=time.monotonic(),
            banned_for=self._listener.banned_for(),
            culprit=self._hosts.is_alone(self._setup.directory),
        )
        log.info(
            "account %s: the worker ended: %s; next start in %s s",
            self._account,
            meaning(code),
            verdict.delay,
        )
        self.last_exit, self.held = code, verdict.held
        if self._stopping:
            verdict = msgspec.structs.replace(verdict, reported=False)
        self._listener.ended(code, verdict)
        if verdict.delay is None:
            return
        self._needed.set()
        self._hurry.clear()
        if code == Exit.NO_ROOM and self._low_on_room():
            while self._low_on_room() and not self._stopping:
                await self._sleep(self._timing.room_every)
        else:
            await self._sleep(verdict.delay)
        self.held = False

    async def _sleep(self, seconds: float) -> None:
        """Sleep unless somebody is in a hurry."""
        if not self._stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hurry.wait()

    def _low_on_room(self) -> bool:
        return free_bytes(self._setup.directory) < self._setup.min_free_bytes * SLACK

    async def _watch(self, worker: Place) -> None:
        """Ask for a sign of life again and again; end a worker that gives none."""
        while True:
            await asyncio.sleep(self._timing.beat)
            if not self._greeted:
                continue
            if self._missed >= self._timing.beats_missed:
                log.warning("account %s: the worker gives no sign of life", self._account)
                await worker.end(self._timing.kill_after)
                return
            self._missed += 1
            worker.send(Beat())

    async def _read(self, worker: Place) -> None:
        try:
            async for frame in worker.frames():
                await self._take(frame)
        except ProtocolError:
            log.exception("account %s: the worker's stream is broken", self._account)
            await worker.end(0)
        await self._announce()

    async def _take(self, frame: FromWorker) -> None:
        match frame:
            case Hello(v=version):
                if version != VERSION:
                    raise ProtocolError(f"the worker speaks version {version}")
                if not self._greeted:
                    self._greeted = True
                    self._hosts.launching.release()  # the next account's may start
                self._listener.greeted()
                await self._announce()
            case Beat(vitals=vitals):
                self._missed = 0
                self.vitals = vitals or self.vitals
            case Response():
                answer = self._requests.get(frame.id)
                if answer is not None and not answer.done():
                    answer.set_result(frame)
            case _:
                self._listener.heard(frame)


def _error(response: Response) -> StatusgateError:
    match response.err:
        case "rejected":
            return EngineRejected(response.code, response.text)
        case "silent":
            return EngineSilent(response.text)
        case "uncertain":
            return EngineUncertain(response.text)
        case "media" | "gone":
            return MediaUnavailable(response.text, final=response.err == "gone")
    return EngineUnavailable(response.text)
