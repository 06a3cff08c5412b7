"""One account in an engine process: its channel to the gateway, its spool and its session."""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from statusgate.domain.clock import now_ms
from statusgate.domain.events import EngineEvent, EngineState, StateChanged
from statusgate.engines.account_store import AccountStore
from statusgate.engines.neonize.config import SLACK, Exit, Setup, free_bytes
from statusgate.engines.neonize.gate import Gate
from statusgate.engines.neonize.ipc import (
    VERSION,
    Ack,
    Beat,
    Channel,
    Drain,
    Ended,
    From,
    GatewayGone,
    Hello,
    Move,
    Now,
    ProtocolError,
    Request,
    Vitals,
    raw,
)
from statusgate.engines.neonize.memory import resident_bytes
from statusgate.engines.neonize.operations import Operations
from statusgate.engines.neonize.post_log import PostLog
from statusgate.engines.neonize.spool_sender import SpoolSender
from statusgate.engines.neonize.store import SessionStore, StoreInDoubt, StoreLost

log = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0
_LEAVING, _LEAVING_ALONE = 10.0, 2.0
"""seconds for leaving WhatsApp where others live on, and where the process ends anyway"""
_STOPPING = 1.0
_MOST = 5.0
"""seconds beyond those granted for each step of ending, after which it is given up"""


class Worker:
    """Wires spool, its sender and the session together and decides when to end."""

    def __init__(
        self, channel: Channel, setup: Setup, gate: Gate, gone: Callable[["Worker"], None]
    ) -> None:
        """*gone* is called once it has ended, or gave that up. Raises StoreInUse, OSError."""
        self._channel = channel
        self._setup = setup
        self._gone = gone
        directory = Path(setup.directory)
        self.account = directory.name
        self._spool = AccountStore(directory)
        self._store = SessionStore(directory)
        self._sender = SpoolSender(self._spool, channel, self.spool_failed)
        self._operations = Operations(setup, self._store, PostLog(self._spool), self, gate)
        self._ending = threading.Lock()
        self._began = threading.Event()
        self._gateway_gone = False
        self._resting = False
        self._busy_at = time.monotonic()
        self._checked_at = 0.0
        self.code: Exit | None = None
        """why it ends, once that is decided"""
        if self._spool.damaged:
            log.error("the account's file was damaged and is kept as %s", self._spool.damaged)

    def start(self) -> None:
        """Serve, in threads, until there is a reason to end."""
        self.send(Hello(v=VERSION, pid=os.getpid()))
        self._thread("listen", self._listen)
        self._thread("spool-sender", self._sender.run)

    def tick(self) -> None:
        """Look at what may have lasted too long or run out; called a few times a second."""
        if self.code is None and (code := self._overdue()) is not None:
            self.end(code)

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

    def spool_failed(self, error: OSError) -> None:
        """End: WhatsApp keeps what is undelivered, but we could not."""
        log.critical("the spool failed: %s", error)
        self.end(Exit.NO_ROOM)

    def end(self, code: Exit) -> None:
        """End in order; the first one to say so decides why."""
        with self._ending:
            if self.code is not None:
                return
            self.code = code
        timing = self._setup.timing
        most = timing.send_drain + timing.ack_drain + self._leaving + _MOST
        giving_up = threading.Timer(most, self._end_as, [Exit.STUCK])
        giving_up.daemon = True
        giving_up.start()
        self._thread("end", self._finish, code, giving_up)

    @property
    def _leaving(self) -> float:
        return _LEAVING if self._setup.shared else _LEAVING_ALONE

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
        except ValueError:
            if self.code is None:
                raise
            return  # it has ended meanwhile, and its files are closed
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
            case Move():
                self.end(Exit.MOVED)
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
        self._thread("begin", self._connect_if_linked)

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
        except StoreInDoubt as doubt:
            log.warning("%s, as it seems; another process will look", doubt)
            self.end(Exit.CROWDED)
        except StoreLost as lost:
            self._state(EngineState.CLOSED, str(lost))
            self.end(Exit.STORE_LOST)
        except OSError as error:
            self.spool_failed(error)

    def _state(self, state: EngineState, reason: str) -> None:
        self.record([StateChanged(state=state, reason=reason, at_ms=now_ms())])

    # -- ending

    def _overdue(self) -> Exit | None:
        now = time.monotonic()
        code = self._operations.overdue()
        if code is not None:
            return code
        if now - self._checked_at > _EVERY_SECONDS:
            self._checked_at = now
            self._tidy()
            if self._operations.connected and self._low_on_room():
                log.critical("little room is left on the disk; leaving WhatsApp meanwhile")
                return Exit.NO_ROOM
        return self._idle(now)

    def _idle(self, now: float) -> Exit | None:
        """End an unlinked worker when everything is handed over; move a newly linked one."""
        session = self._operations.session
        if self._operations.busy or session is not None:
            self._busy_at = now
            moves = self._setup.moves and not self._operations.busy
            return Exit.MOVED if moves and session is not None and session.settled else None
        if self._resting and self._sender.settled():
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

    def _finish(self, code: Exit, giving_up: threading.Timer) -> None:
        """Drain: let a post end, leave WhatsApp, hand over what is spooled."""
        log.info("ending: %s", code.name)
        timing, shared = self._setup.timing, self._setup.shared
        left = self._operations.drain(timing.send_drain, self._leaving)
        end = time.monotonic() + timing.ack_drain
        while not self._gateway_gone and not self._sender.settled() and time.monotonic() < end:
            time.sleep(0.01)
        self._sender.close()
        if left or not shared:
            if shared:
                self._operations.stop(_STOPPING)
            code = self._close_stores(code)
        else:
            code = Exit.STUCK  # its files stay in its hands until the process ends
        giving_up.cancel()
        self._end_as(code)

    def _end_as(self, code: Exit) -> None:
        """Tell the gateway, and the host."""
        self.code = code
        self.send(Ended(code=code))
        self._channel.close()
        self._gone(self)

    def _close_stores(self, code: Exit) -> Exit:
        """Close the account's files; return why the worker ends, if that went well or not."""
        try:
            self._store.note_changes()
            self._spool.close()
        except OSError as error:
            log.critical("the spool failed: %s", error)
            return Exit.NO_ROOM
        return code

    def _vitals(self) -> Vitals:
        session = self._operations.session
        return Vitals(
            state=str(session.state or "") if session else "",
            waiting=max(0, self._spool.last - self._spool.confirmed),
            poisoned=self._spool.poisoned,
            threads=threading.active_count(),
            resident_bytes=resident_bytes(),
        )

    def _thread(self, name: str, work: object, *arguments: object) -> None:
        threading.Thread(
            target=work,  # type: ignore[arg-type]
            args=arguments,
            name=f"{self.account} {name}",
            daemon=True,
        ).start()
