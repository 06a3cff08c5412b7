"""The gateway's side of the real engine; never imports the library.

A worker that ends is started again unless there is nothing to do (not linked, logged out) or
no sense in it (the session is lost, in use elsewhere, banned).
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.clock import now_ms
from statusgate.domain.errors import EngineUnavailable, EngineUncertain, MediaUnavailable
from statusgate.domain.events import (
    EngineDied,
    EngineEvent,
    EngineState,
    LinkingEnded,
    Paired,
    QrCode,
    Sequenced,
    StateChanged,
)
from statusgate.domain.media import MediaRef
from statusgate.domain.post import (
    AudiencePrivacy,
    ContactInfo,
    SentAnswer,
    SentStatus,
    StatusAnswer,
    StatusPost,
)
from statusgate.engines.account_store import may_hold_events
from statusgate.engines.neonize.config import Exit, Setup, meaning
from statusgate.engines.neonize.hosts import MODULE, Hosts
from statusgate.engines.neonize.ipc import (
    NOT_BEGUN,
    Ack,
    Began,
    From,
    Now,
    ProtocolError,
    Record,
    Vitals,
)
from statusgate.engines.neonize.restarts import Verdict
from statusgate.engines.neonize.store import SessionStore
from statusgate.engines.neonize.supervisor import Supervisor, WorkerLost

log = logging.getLogger(__name__)

T = TypeVar("T")

_FRESH_CODES_SECONDS = 30.0
"""a pairing code lives as long as the QR codes, so it gets a young connection"""

_events = msgspec.json.Decoder(tuple[EngineEvent, ...])
_event = msgspec.json.Decoder(EngineEvent)


class NeonizeEngine:
    """One account on WhatsApp itself; implements ``ports.Engine``."""

    def __init__(
        self,
        setup: Setup,
        *,
        hosts: Hosts | None = None,
        worker_module: str = MODULE,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """The folder that *setup* names is the account's own, created if missing.

        *hosts* are the processes that the accounts of a gateway share. Without them the account
        has processes of its own, which run *worker_module* with *environment* added to their
        small one.
        """
        self._directory = Path(setup.directory)
        self._timing = setup.timing
        self._store = SessionStore(self._directory)
        self._hosts = hosts or Hosts(module=worker_module, environment=environment)
        self._hosts.expect(setup.directory)
        self._supervisor = Supervisor(setup, self, self._hosts)
        self._reader: asyncio.Queue[Sequenced | None] | None = None
        self._delivered = 0
        self._acked = 0
        self._in_step = False
        self._code: QrCode | None = None
        self._linking_since: float | None = None
        self._banned_until_ms = 0

    @property
    def vitals(self) -> Vitals:
        """The worker's latest report of itself."""
        return self._supervisor.vitals

    @property
    def pid(self) -> int | None:
        """The number of the process in which it runs, None while there is none."""
        return self._supervisor.pid

    # -- life

    async def start(self) -> None:
        """Return once the worker runs; without anything to do none is started."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.chmod(0o700)
        self._hosts.expect(str(self._directory))
        needed = self._store.exists or await asyncio.to_thread(may_hold_events, self._directory)
        await self._supervisor.start(needed=needed)

    async def stop(self, deadline_seconds: float = 10.0) -> None:
        """Drain and end; idempotent, bounded."""
        await self._supervisor.stop(deadline_seconds)
        self._hosts.forget(str(self._directory))
        self._end_reader()

    async def events(self, after: int) -> AsyncIterator[Sequenced]:
        """Events with ``seq > after``, in order, and volatile ones as they come.

        One reader at a time: a new one ends the former. The account connects only once
        somebody reads, because the numbers of its events follow from *after*.
        """
        self._end_reader()
        self._reader = reader = asyncio.Queue[Sequenced | None]()
        self._delivered = self._acked = after
        self._tell_place()
        while (found := await reader.get()) is not None:
            yield found

    async def ack(self, seq: int) -> None:
        """Everything up to *seq* is committed."""
        if seq > self._acked:
            self._acked = seq
            self._supervisor.send(Ack(seq=seq))

    # -- linking

    async def begin_linking(self) -> None:
        """Make codes come as QrCode events; while one is shown it comes again.

        Raises EngineUnavailable if the account is linked, or its session lost.
        """
        self._refuse_lost()
        if self._code is not None and self._code.expires_ms > now_ms():
            self._emit(self._code)
        else:
            await self._link("begin_linking", (), None)

    async def request_pairing_code(self, phone: str) -> str:
        """Return 8 characters to type on the phone. EngineUnavailable if not obtainable."""
        self._refuse_lost()
        since = self._linking_since
        if since is not None and time.monotonic() - since > _FRESH_CODES_SECONDS:
            await self._cancel_linking()
        return await self._link("pairing_code", (phone,), str)

    async def logout(self) -> None:
        """Unlink the device; also when it is not linked.

        While WhatsApp cannot be reached for long (the session is lost, banned, in use
        elsewhere), it is only put aside here. Otherwise raises EngineUnavailable.
        """
        if self._supervisor.last_exit == Exit.STORE_LOST or self._supervisor.held:
            await self._supervisor.forget_session()
        elif self._linking_since is not None:
            await self._cancel_linking()
            self._emit(LinkingEnded(reason="cancelled"))
        elif self._store.exists:
            await self._supervisor.ask_anyhow("logout", (), None)
            await self._supervisor.wait_for_end()

    async def _link(
        self, operation: str, arguments: tuple[str, ...], kind: type[T] | None
    ) -> T:
        """Have a worker show codes; when they end, LinkingEnded follows."""
        fresh = self._linking_since is None
        self._linking_since = self._linking_since or time.monotonic()
        try:
            return await self._supervisor.ask_anyhow(operation, arguments, kind)
        except EngineUnavailable:
            if fresh and self._code is None:
                self._linking_since = None
            raise

    async def _cancel_linking(self) -> None:
        self._linking_since, self._code = None, None
        await self._supervisor.end_worker()

    def _refuse_lost(self) -> None:
        if self._supervisor.last_exit == Exit.STORE_LOST:
            raise EngineUnavailable(meaning(Exit.STORE_LOST))

    # -- statuses and people

    async def post_status(
        self, post: StatusPost, audience: Sequence[Address] | None
    ) -> SentStatus:
        """Publish to *audience* (None: every contact with a contact name).

        A repeat with the same key publishes nothing and tells what became of the first.
        Raises EngineRejected, EngineUnavailable (EngineSilent) or EngineUncertain.
        """
        return await self._send("post_status", (post, audience), post.key)

    async def answer_status(self, answer: StatusAnswer) -> SentAnswer:
        """Send a reaction or a reply to the author of a status, and to nobody else.

        Repeats and errors as ``post_status``.
        """
        sent = await self._send("answer_status", (answer,), answer.key)
        return SentAnswer(key=sent.key, wire_id=sent.wire_id, sent_ms=sent.sent_ms)

    async def _send(self, operation: str, arguments: tuple[Any, ...], key: str) -> SentStatus:
        """Have the worker send something once; its successor knows what became of it."""
        try:
            return await self._supervisor.call(
                operation, arguments, SentStatus, self._timing.post
            )
        except (TimeoutError, EngineUncertain):
            raise EngineUncertain(key) from None
        except WorkerLost:
            return await self._outcome(key)

    async def delete_status(self, wire_id: str, audience: Sequence[Address]) -> None:
        """Withdraw a status from those who got it."""
        arguments = wire_id, audience
        await self._supervisor.ask("delete_status", arguments, None, self._timing.post)

    async def mark_viewed(self, wire_id: str, author: Address) -> None:
        """Tell *author* that the account saw the status."""
        await self._supervisor.ask("mark_viewed", (wire_id, author), None)

    async def download(self, ref: MediaRef, to: Path, limit: int) -> None:
        """Write the file to the absolute path *to*, whole or not at all.

        MediaUnavailable if it cannot be had or is over *limit* bytes.
        """
        arguments = ref, str(to), limit
        try:
            await self._supervisor.ask("download", arguments, None, self._timing.download)
        except EngineUnavailable as error:
            raise MediaUnavailable(str(error), final=False) from None

    async def privacy(self) -> AudiencePrivacy:
        """Ask WhatsApp who may see the account's statuses."""
        return await self._supervisor.ask("privacy", (), AudiencePrivacy)

    async def look_up(self, address: Address) -> ContactInfo:
        """Ask WhatsApp about a number; a live query. Raises EngineUnavailable."""
        return await self._supervisor.ask("look_up", (address,), ContactInfo)

    async def _outcome(self, key: str) -> SentStatus:
        """Ask the next worker what became of a post that its predecessor was sending."""
        try:
            return await self._supervisor.ask_anyhow("outcome", (key,), SentStatus)
        except EngineUnavailable as error:
            if str(error) == NOT_BEGUN:
                raise
            raise EngineUncertain(key) from None

    # -- what the worker tells

    def greeted(self) -> None:
        """A worker is ready: it connects once it knows where the journal is."""
        self._tell_place()

    def heard(self, frame: Began | Record | Now) -> None:
        """Take a worker's event, or the beginning of its stream."""
        match frame:
            case Began():
                self._in_step = True
            case Record():
                self._take_record(frame)
            case Now():
                try:
                    event = _event.decode(frame.p)
                except msgspec.DecodeError as error:
                    raise ProtocolError(f"no event: {error}") from None
                self._note(event)
                self._emit(event)

    def ended(self, code: int, verdict: Verdict) -> None:
        """A worker is gone."""
        self._in_step = False
        if self._linking_since is not None:
            self._linking_since, self._code = None, None
            self._emit(LinkingEnded(reason=meaning(code)))
        if verdict.reported:
            died = EngineDied(
                exit_code=code, reason=meaning(code), alarm=verdict.alarm, at_ms=now_ms()
            )
            self._emit(died)

    def banned_for(self) -> float:
        """Seconds for which WhatsApp still bans the account."""
        return max(0, self._banned_until_ms - now_ms()) / 1000

    def _tell_place(self) -> None:
        """Have the worker stream from where the reader is; what comes till then is old."""
        self._in_step = False
        if self._reader is not None:
            self._supervisor.send(From(seq=self._delivered, acked=self._acked))

    def _take_record(self, record: Record) -> None:
        if not self._in_step or record.seq <= self._delivered or self._reader is None:
            return
        try:
            events = _events.decode(record.p)
        except msgspec.DecodeError:
            log.exception("record %d of the spool is unreadable and left out", record.seq)
            events = ()
        self._delivered = record.seq
        for event in events:
            self._note(event)
        self._reader.put_nowait(Sequenced(record.seq, events))

    def _note(self, event: EngineEvent) -> None:
        """Remember what matters for linking and restarts."""
        match event:
            case QrCode():
                self._code = event
            case Paired() | LinkingEnded():
                self._code, self._linking_since = None, None
            case StateChanged(state=EngineState.BANNED):
                self._banned_until_ms = event.until_ms

    def _emit(self, event: EngineEvent) -> None:
        if self._reader is not None:
            self._reader.put_nowait(Sequenced(0, (event,)))

    def _end_reader(self) -> None:
        if self._reader is not None:
            self._reader.put_nowait(None)
            self._reader = None
