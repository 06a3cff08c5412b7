"""The worker process: one account, one client of the library.

Started by the supervisor as ``python -m statusgate.engines.neonize.worker FD`` where FD is its
end of a socket pair. It ends with a code of ``config.Exit``, always through ``os._exit``,
because threads of the library cannot be joined.
"""

import logging
import os
import queue
import resource
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import msgspec

from statusgate.domain.clock import now_ms
from statusgate.domain.events import EngineEvent, EngineState, StateChanged
from statusgate.engines.account_store import AccountStore, StoreInUse
from statusgate.engines.neonize.config import SLACK, Exit, Setup, free_bytes
from statusgate.engines.neonize.ipc import (
    VERSION,
    Ack,
    Beat,
    Channel,
    Drain,
    From,
    GatewayGone,
    Hello,
    Now,
    ProtocolError,
    Request,
    Vitals,
    raw,
)
from statusgate.engines.neonize.operations import Operations
from statusgate.engines.neonize.post_log import PostLog
from statusgate.engines.neonize.spool_sender import SpoolSender
from statusgate.engines.neonize.store import SessionStore, StoreLost

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.25
_LOG_BYTES = 4 * 1024 * 1024
_EVERY_SECONDS = 5.0


class Worker:
    """Wires spool, its sender and the session together and decides when to end."""

    def __init__(self, channel: Channel, setup: Setup) -> None:
        """Raises StoreInUse, OSError."""
        self._channel = channel
        self._setup = setup
        directory = Path(setup.directory)
        self._spool = AccountStore(directory)
        self._store = SessionStore(directory)
        self._sender = SpoolSender(self._spool, channel, self.spool_failed)
        self._operations = Operations(setup, self._store, PostLog(self._spool), self)
        self._ending: queue.SimpleQueue[Exit] = queue.SimpleQueue()
        self._began = threading.Event()
        self._gateway_gone = False
        self._resting = False
        self._busy_at = time.monotonic()
        self._checked_at = 0.0
        if self._spool.damaged:
            log.error("the account's file was damaged and is kept as %s", self._spool.damaged)

    def run(self) -> NoReturn:
        """Serve until there is a reason to end."""
        signal.signal(signal.SIGTERM, lambda *_: self.end(Exit.DRAINED))
        self.send(Hello(v=VERSION, pid=os.getpid()))
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        threading.Thread(target=self._sender.run, name="spool-sender", daemon=True).start()
        code = self._wait_for_end()
        self._finish(code)

    # -- the outlet of session and operations

    def record(self, events: list[EngineEvent]) -> None:
        """Keep events that stand or fall together; on disk on return. Raises OSError."""
        self._spool.append(msgspec.json.encode(events))

    def tell(self, event: EngineEvent) -> None:
        """Pass a volatile event on."""
        self.send(Now(p=raw(event)))

    def poison(self, raw_input: bytes, error: BaseException) -> None:
        """Keep input that could not be handled, and go on."""
        self._spool.put_aside(raw_input, repr(error))
        log.error("an event could not be handled and was put aside", exc_info=error)

    def spool_failed(self, error: OSError) -> NoReturn:
        """End at once: WhatsApp keeps what is undelivered, but we could not."""
        log.critical("the spool failed: %s", error)
        os._exit(Exit.NO_ROOM)

    def end(self, code: Exit) -> None:
        """Have the process end in order; the first one to say so decides."""
        self._ending.put(code)

    def send(self, frame: object) -> None:
        """Send *frame*; without a gateway it gets lost."""
        try:
            self._channel.send(frame)
        except GatewayGone:
            self._gateway_gone = True

    # -- the gateway

    def _listen(self) -> None:
        """Serve the gateway's frames until it is gone."""
        try:
            while (frame := self._channel.receive()) is not None:
                self._serve(frame)
        except ProtocolError as error:
            log.critical("%s", error)
            self.end(Exit.PROTOCOL)
        except OSError as error:
            self.spool_failed(error)
        self._gateway_gone = True
        self.end(Exit.DRAINED)

    def _serve(self, frame: object) -> None:
        match frame:
            case Ack(seq=seq):
                self._sender.ack(seq)
            case From(seq=seq, acked=acked):
                self._sender.begin(seq, acked)
                self._begin()
            case Beat():
                self.send(Beat(vitals=self._vitals()))
            case Drain():
                self.end(Exit.DRAINED)
            case Request():
                self._busy_at = time.monotonic()
                self._operations.serve(frame)
            case _:
                raise ProtocolError(f"{type(frame).__name__} was not expected")

    def _begin(self) -> None:
        """Connect once the gateway has said how far the journal is: numbers follow from it."""
        if self._began.is_set():
            return
        self._began.set()
        threading.Thread(target=self._connect_if_linked, name="begin", daemon=True).start()

    def _connect_if_linked(self) -> None:
        try:
            if self._setup.forget:
                self._store.set_aside()
                self._state(EngineState.LOGGED_OUT, "unlinked here")
                self.end(Exit.LOGGED_OUT)
            elif not self._operations.is_linked():
                self._resting = True
            elif self._low_on_room(SLACK):
                self.end(Exit.NO_ROOM)
            else:
                self._operations.open_session(linked=True)
        except StoreLost as lost:
            self._state(EngineState.CLOSED, str(lost))
            self.end(Exit.STORE_LOST)
        except OSError as error:
            self.spool_failed(error)

    def _state(self, state: EngineState, reason: str) -> None:
        self.record([StateChanged(state=state, reason=reason, at_ms=now_ms())])

    # -- ending

    def _wait_for_end(self) -> Exit:
        while True:
            try:
                return self._ending.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                code = self._overdue()
            if code is not None:
                return code

    def _overdue(self) -> Exit | None:
        """Look at what may have lasted too long or run out."""
        now = time.monotonic()
        self._check_memory()
        code = self._operations.overdue()
        if code is not None:
            return code
        if now - self._checked_at > _EVERY_SECONDS:
            self._checked_at = now
            _cap_log()
            self._tidy()
            if self._operations.connected and self._low_on_room():
                log.critical("little room is left on the disk; leaving WhatsApp meanwhile")
                return Exit.NO_ROOM
        return self._idle(now)

    def _check_memory(self) -> None:
        """End at once if too much is in use: an orderly end would take yet more of it."""
        used, limit = _resident_bytes(), self._setup.memory_bytes
        if used > limit > 0:
            log.critical("%d MB are in use, %d are allowed", used >> 20, limit >> 20)
            logging.shutdown()
            os._exit(Exit.MEMORY)

    def _idle(self, now: float) -> Exit | None:
        """An unlinked worker ends when everything is handed over."""
        if self._operations.busy or self._operations.session is not None:
            self._busy_at = now
        elif self._resting and self._sender.settled():
            rested = now - self._busy_at > self._setup.timing.linger
            return Exit.DRAINED if rested else None
        return None

    def _tidy(self) -> None:
        """Leave nothing personal in the spool that is journaled."""
        try:
            if self._sender.settled():
                self._spool.tidy()
        except OSError as error:
            self.spool_failed(error)

    def _low_on_room(self, slack: float = 1.0) -> bool:
        return free_bytes(self._setup.directory) < self._setup.min_free_bytes * slack

    def _finish(self, code: Exit) -> NoReturn:
        """Drain: let a post end, leave WhatsApp, hand over what is spooled."""
        timing = self._setup.timing
        hard = timing.send_drain + timing.ack_drain + 5
        threading.Timer(hard, os._exit, [code]).start()
        log.info("ending: %s", code.name)
        self._operations.drain(timing.send_drain)
        end = time.monotonic() + timing.ack_drain
        while not self._gateway_gone and not self._sender.settled() and time.monotonic() < end:
            time.sleep(0.01)
        self._sender.close()
        try:
            self._store.note_changes()
            self._spool.close()
        except OSError as error:
            self.spool_failed(error)
        logging.shutdown()
        os._exit(code)

    def _vitals(self) -> Vitals:
        session = self._operations.session
        return Vitals(
            state=str(session.state or "") if session else "",
            waiting=max(0, self._spool.last - self._spool.confirmed),
            poisoned=self._spool.poisoned,
            threads=threading.active_count(),
            resident_bytes=_resident_bytes(),
        )


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _cap_log() -> None:
    """Empty the log, which is our standard output, before it grows too large."""
    try:
        if os.fstat(2).st_size > _LOG_BYTES:
            os.ftruncate(2, 0)
    except OSError:
        return  # a terminal or a pipe


def _harden() -> None:
    """Keep keys out of core dumps and other people's reach; say nothing to the gateway's."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    os.dup2(2, 1)  # the library prints; the supervisor gave us a log file as 2
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
    )


def main() -> NoReturn:
    """Run the worker whose end of the socket is the descriptor in the first argument."""
    _harden()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    try:
        setup = channel.receive()
    except ProtocolError:
        os._exit(Exit.PROTOCOL)
    if setup is None:
        os._exit(Exit.DRAINED)
    if not isinstance(setup, Setup) or setup.version != VERSION:
        os._exit(Exit.PROTOCOL)
    os.chdir(setup.directory)  # the library's file name allows no special characters
    try:
        worker = Worker(channel, setup)
    except StoreInUse:
        os._exit(Exit.LOCKED)
    except OSError:
        log.exception("the account's folder cannot be used")
        os._exit(Exit.NO_ROOM)
    worker.run()


if __name__ == "__main__":
    main()
