"""What the gateway can ask of a worker: each request becomes a call of the library.

The library's calls block, so each kind has its threads. Nothing here loads the library before
there is a need: a worker that only hands over an old spool stays small.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.errors import (
    EngineRejected,
    EngineSilent,
    EngineUnavailable,
    EngineUncertain,
    MediaUnavailable,
    StatusgateError,
)
from statusgate.domain.events import EngineEvent, EngineState
from statusgate.domain.media import MediaRef
from statusgate.domain.post import (
    AudiencePrivacy,
    ContactInfo,
    SentStatus,
    StatusAnswer,
    StatusPost,
)
from statusgate.engines.neonize.config import Exit, Setup
from statusgate.engines.neonize.gate import Gate
from statusgate.engines.neonize.ipc import NOT_BEGUN, Request, Response, raw
from statusgate.engines.neonize.post_log import PostLog
from statusgate.engines.neonize.store import SessionStore, StoreLost

if TYPE_CHECKING:
    from statusgate.engines.neonize.session import Session

log = logging.getLogger(__name__)

_FIRST_LOOKS = (5.0, 15.0, 60.0)
"""seconds between the looks after linking, while the phone still sends its contacts"""

_GATHERING = 0.05
_PAIRS_AT_ONCE = 200
_LAST_ANSWERS = 1.0
"""seconds that a draining worker grants to requests other than posts"""
_LAST_LOOK = 2.0
"""seconds that a draining worker grants to a look at the contacts"""
_POSTING = frozenset({"post_status", "answer_status", "delete_status"})


class Operations:
    """Serves requests; owns the session and all that hangs on it."""

    def __init__(
        self, setup: Setup, store: SessionStore, post_log: PostLog, outlet: Any, gate: Gate
    ) -> None:
        self._setup = setup
        self._store = store
        self._post_log = post_log
        self._outlet = outlet
        self._gate = gate
        self._account = store.path.parent.name
        self._opening = threading.Lock()
        self.session: Session | None = None
        self._draining = False
        self._tending = threading.Lock()
        """held by what calls the library unasked; draining waits for it"""
        self._running: dict[int, str] = {}
        """the operations of requests that are not answered"""
        self._posting: int | None = None
        """the request at work that posts, answers or deletes; there is one at most"""
        self._pools = {
            kind: ThreadPoolExecutor(threads, f"{self._account} {kind}")
            for kind, threads in (("post", 1), ("download", 2), ("ask", 3))
        }
        self._calls: dict[str, tuple[Callable[..., Any], Any]] = {
            "begin_linking": (self._begin_linking, tuple[()]),
            "pairing_code": (self._pairing_code, tuple[str]),
            "logout": (self._logout, tuple[()]),
            "post_status": (self._post_status, tuple[StatusPost, tuple[Address, ...] | None]),
            "answer_status": (self._answer_status, tuple[StatusAnswer]),
            "outcome": (self._outcome, tuple[str]),
            "delete_status": (self._delete_status, tuple[str, tuple[Address, ...]]),
            "mark_viewed": (self._mark_viewed, tuple[str, Address]),
            "download": (self._download, tuple[MediaRef, str, int]),
            "look_up": (self._look_up, tuple[Address]),
            "privacy": (self._privacy, tuple[()]),
        }
        """each operation, and its arguments as they come in a frame"""

    @property
    def connected(self) -> bool:
        """Whether there is a session that may bring events."""
        return self.session is not None and not self.session.linking

    @property
    def busy(self) -> bool:
        """Whether a request is being served."""
        return bool(self._running)

    def is_linked(self) -> bool:
        """Whether the account is linked. Raises StoreLost.

        The library's file is only looked into while the library does not use it: two copies
        of SQLite in one process do not see each other's locks, and each would undo what the
        other is about to write.
        """
        with self._opening:
            if self.session is not None:
                return not self.session.linking
            return self._store.check()

    def serve(self, request: Request) -> None:
        """Have *request* answered from a thread of its kind.

        While draining it is not answered at all: the next worker gets it.
        """
        if self._draining:
            return
        kind = "post" if request.op in _POSTING else request.op
        pool = self._pools.get(kind, self._pools["ask"])
        self._running[request.id] = request.op
        with suppress(RuntimeError):  # just shut down
            pool.submit(self._answer, request)

    def overdue(self) -> Exit | None:
        """Return how the worker should end if something hangs, else None."""
        number, session = self._posting, self.session
        if session is None:
            return None
        error = session.poster.late()
        if number is not None and error is not None:
            self._running.pop(number, None)
            self._outlet.send(_failure(number, error))
            return Exit.RESTART
        return session.overdue()

    def open_session(self, *, linked: bool) -> None:
        """Load the library and connect; *linked*: no codes are to be shown."""
        from statusgate.engines.neonize.session import Session

        with self._opening:
            if self.session is not None or self._draining:
                return
            session = self.session = Session(
                self._setup,
                self._store,
                self._post_log,
                self._outlet,
                self._gate,
                linked=linked,
            )
        session.start()
        name = f"{self._account} contacts"
        threading.Thread(
            target=self._look_after, args=(session,), name=name, daemon=True
        ).start()

    def drain(self, seconds: float, leaving: float = 2.0) -> bool:
        """Take no more posts, let the running one end, leave WhatsApp within *leaving* seconds.

        Return whether WhatsApp is known to bring nothing more.
        """
        self._draining = True
        began = time.monotonic()
        while (lasted := time.monotonic() - began) < seconds:
            if not self._posts_left() and (not self._running or lasted > _LAST_ANSWERS):
                break
            time.sleep(0.01)
        left = True
        if self.session is not None:
            self.session.attention.set()
            looked = self._tending.acquire(timeout=_LAST_LOOK)
            left = self.session.leave(leaving)
            if looked:
                self._tending.release()
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        return left

    def stop(self, seconds: float) -> None:
        """Have the library forget the account, whose process goes on."""
        if self.session is not None:
            self.session.client.stop(seconds)

    def _posts_left(self) -> bool:
        return any(operation in _POSTING for operation in self._running.values())

    def _answer(self, request: Request) -> None:
        if request.op in _POSTING:
            self._posting = request.id
        try:
            self._outlet.send(self._called(request))
        except OSError as error:
            self._outlet.spool_failed(error)
        finally:
            if request.op in _POSTING:
                self._posting = None
            self._running.pop(request.id, None)

    def _called(self, request: Request) -> Response:
        """Return the answer to *request*, whatever happens. Raises OSError alone."""
        try:
            work, kind = self._calls[request.op]
            found = work(*msgspec.json.decode(request.p, type=kind))
            return Response(id=request.id, ok=True, p=raw(found))
        except StatusgateError as error:
            return _failure(request.id, error)
        except OSError:
            raise
        except Exception as error:
            log.exception("%s failed", request.op)
            return _failure(request.id, EngineUnavailable(type(error).__name__))

    # -- the operations

    def _begin_linking(self) -> None:
        try:
            linked = self.is_linked()
        except StoreLost as lost:
            raise EngineUnavailable(str(lost)) from None
        if linked:
            raise EngineUnavailable("the account is linked already")
        if self._setup.shared:
            self._outlet.end(Exit.MOVED)
            raise EngineUnavailable("codes are shown by a process of its own")
        self.open_session(linked=False)

    def _pairing_code(self, phone: str) -> str:
        self._begin_linking()
        return self._session().pairing_code(phone)

    def _logout(self) -> None:
        if self.session is None:
            return  # not linked; this worker ends by itself
        if self.session.linking:
            self._outlet.end(Exit.LINKING_ENDED)
        else:
            self.session.logout()

    def _post_status(
        self, post: StatusPost, audience: tuple[Address, ...] | None
    ) -> SentStatus:
        session = self._open_session()
        sent = session.poster.post(post, audience)
        session.look_up_later(sent.recipients)
        return sent

    def _answer_status(self, answer: StatusAnswer) -> SentStatus:
        return self._open_session().poster.answer(answer)

    def _outcome(self, key: str) -> SentStatus:
        """Return what became of an earlier post; needs no connection."""
        found = self._post_log.outcome(key)
        if found is None:
            raise EngineUnavailable(NOT_BEGUN)
        return found

    def _delete_status(self, wire_id: str, audience: tuple[Address, ...]) -> None:
        self._open_session().poster.delete(wire_id, audience)

    def _mark_viewed(self, wire_id: str, author: Address) -> None:
        client = self._open_session().client
        from statusgate.engines.neonize.calls import mark_viewed

        mark_viewed(client, wire_id, author)

    def _download(self, ref: MediaRef, to: str, limit: int) -> None:
        self._open_session()
        from statusgate.engines.neonize.download import download

        seconds = self._setup.timing.download
        download(ref, Path(to), limit, proxy=self._setup.proxy, seconds=seconds)

    def _look_up(self, address: Address) -> ContactInfo:
        session = self._open_session()
        from statusgate.engines.neonize.calls import look_up

        return look_up(session.client, session.contacts, address)

    def _privacy(self) -> AudiencePrivacy:
        return self._open_session().poster.privacy()

    # -- in the background

    def _look_after(self, session: "Session") -> None:
        """Look at contacts when there is news of them and now and again, and pair addresses."""
        pauses = itertools.chain(_FIRST_LOOKS, itertools.repeat(None))
        next_look = 0.0
        while not self._draining:
            session.attention.wait(max(0.0, next_look - time.monotonic()))
            time.sleep(_GATHERING)
            session.attention.clear()
            if session.state is not EngineState.OPEN:
                next_look = time.monotonic() + _FIRST_LOOKS[0]
                continue
            is_due = session.contacts_due or time.monotonic() >= next_look
            if is_due:
                session.contacts_due = False
                next_look = time.monotonic() + self._until_next_look(next(pauses))
            try:
                with self._tending:
                    if not self._draining:
                        self._tend(session, is_due)
            except OSError as error:
                self._outlet.spool_failed(error)
            except Exception:
                log.exception("the contacts could not be looked at; tried again later")

    def _tend(self, session: "Session", is_due: bool) -> None:
        if is_due:
            session.poster.repair()
            session.look_up_later(session.watch.look())
            self._store.note_changes()
        self._learn_pairs(session)

    def _until_next_look(self, early: float | None) -> float:
        every = self._setup.timing.contacts_every
        return every if early is None else min(early, every)

    def _learn_pairs(self, session: "Session") -> None:
        """Record which phone and LID are one person; WhatsApp is asked once about each."""
        contacts = session.contacts
        while session.half_known and not self._draining:
            some = min(len(session.half_known), _PAIRS_AT_ONCE)
            people = [session.half_known.pop() for _ in range(some)]
            contacts.ask_lids(people, again=False)
            learned: list[EngineEvent] = []
            for person in people:
                learned.extend(session.converter.identity(contacts.complete(person)))
            if learned:
                self._outlet.record(learned)

    def _session(self) -> "Session":
        if self.session is None or self._draining:
            raise EngineUnavailable("not connected")
        return self.session

    def _open_session(self) -> "Session":
        session = self._session()
        session.require_open()
        return session


def _failure(number: int, error: StatusgateError) -> Response:
    """Return the answer to a request that failed with *error*."""
    kind, code = "unavailable", 0
    match error:
        case EngineRejected():
            kind, code = "rejected", error.code
        case EngineUncertain():
            kind = "uncertain"
        case EngineSilent():
            kind = "silent"
        case MediaUnavailable():
            kind = "gone" if error.final else "media"
    return Response(id=number, ok=False, err=kind, text=str(error), code=code)
