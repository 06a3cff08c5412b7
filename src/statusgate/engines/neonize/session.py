"""An account's client of the library: connecting, linking, and its events.

Made once; when it is of no use any more, the account's worker ends. The handlers below run in
the thread of the client, one after the other, and only convert and spool: the library has
acknowledged a message before they see it, so every millisecond in them is a chance to lose it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Protocol

from neonize import events as library
from neonize.exc import NeonizeError
from neonize.proto import Neonize_pb2 as wire
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps

from statusgate.domain.address import Address
from statusgate.domain.clock import now_ms
from statusgate.domain.contact import Contact
from statusgate.domain.errors import EngineUnavailable
from statusgate.domain.events import (
    ContactsChanged,
    EngineEvent,
    EngineState,
    LinkingEnded,
    Paired,
    QrCode,
    StateChanged,
    StatusReply,
)
from statusgate.engines.neonize.config import Exit, Setup
from statusgate.engines.neonize.contacts import AddressBookListener, ContactStore, ContactWatch
from statusgate.engines.neonize.convert import Converter, evidence
from statusgate.engines.neonize.gate import Gate
from statusgate.engines.neonize.library import Client, Crowded
from statusgate.engines.neonize.post_log import PostLog
from statusgate.engines.neonize.poster import Poster
from statusgate.engines.neonize.store import Linked, SessionStore
from statusgate.engines.neonize.untrusted import MAX_NAME, clean, jid_address

log = logging.getLogger(__name__)

_FIRST_QR, _LATER_QR = 60.0, 20.0
"""seconds for which WhatsApp honours the first code and each of the others"""

_QR_GRACE = 5.0
_MOST_BAN_SECONDS = 366 * 24 * 3600
_LONGEST_LEAVE = 30.0
_NEVER_QUIET = 10
_LONGEST_ASK = 3.0
_BROWSER = SimpleNamespace(name="Chrome", value=1)
_SYSTEM = SimpleNamespace(name="Linux")
"""WhatsApp accepts a pairing code only from something that looks like ``Browser (OS)``"""


class Outlet(Protocol):
    """Where a session's news go."""

    def record(self, events: list[EngineEvent]) -> None:
        """Keep events that stand or fall together; on disk on return. Raises OSError."""

    def tell(self, event: EngineEvent) -> None:
        """Pass a volatile event on."""

    def poison(self, raw: bytes, error: BaseException) -> None:
        """Keep input that could not be handled."""

    def spool_failed(self, error: OSError) -> None:
        """Have the worker end: nothing more can be kept."""

    def end(self, code: Exit) -> None:
        """Have the worker end in order, soon."""


class Session:
    """The one client; *linked*: the store holds a device already."""

    def __init__(
        self,
        setup: Setup,
        store: SessionStore,
        post_log: PostLog,
        outlet: Outlet,
        gate: Gate,
        *,
        linked: bool,
    ) -> None:
        self._setup = setup
        self._account = store.path.parent.name
        self._store = store
        self._outlet = outlet
        self._marked = mark = store.linked()
        self.converter = Converter(
            Address(phone=mark.phone, lid=mark.lid) if mark else Address()
        )
        self._changing = threading.Lock()
        self._linking_since = None if linked else time.monotonic()
        self._qr_until = 0.0
        self._stopping = self._broken = False
        self.state: EngineState | None = None
        self._state_since = time.monotonic()
        self.qr_shown = threading.Event()
        self.attention = threading.Event()
        """set when there is something to look after: contacts, or *half_known*"""
        self.contacts_due = False
        self.half_known: set[Address] = set()
        """people met under one form of their address, whose other form is to be looked up"""
        props = DeviceProps(os=setup.display_name, platformType=DeviceProps.CHROME)
        self.client = Client(
            store.path,
            gate,
            props=props,
            on_code=lambda code: self._guarded(self._show_code)(None, code),
            on_log=lambda *line: self._address_book.hear(*line),
        )
        self.contacts = ContactStore(self.client)
        self._address_book = AddressBookListener(
            self._account, self.contacts, self._look_at_contacts
        )
        self.poster = Poster(
            self.client, self.contacts, post_log, store, lambda: self.own, setup
        )
        self.watch = ContactWatch(
            self.contacts, self.poster.names_in_place, lambda: self.own, self._tell_contacts
        )
        self._listen()

    @property
    def own(self) -> Address:
        """The account itself; empty while not linked."""
        return self.converter.own

    @property
    def linking(self) -> bool:
        """Whether codes are being shown."""
        return self._linking_since is not None

    def start(self) -> None:
        """Connect, in a thread that lasts as long as the session."""
        self._store.opened()
        if self._setup.moved:  # it was open a moment ago: nothing to report
            self.state = EngineState.CONNECTING
        elif not self.linking:
            self._change(EngineState.CONNECTING)
        name = f"{self._account} client"
        threading.Thread(target=self._connect, name=name, daemon=True).start()

    def leave(self, seconds: float) -> bool:
        """Leave WhatsApp and record what it still brings; return whether that was possible."""
        self._stopping = True
        return self.client.leave(seconds)

    @property
    def settled(self) -> bool:
        """Whether the account is open and has had no news for a while, or is never quiet."""
        quiet = self._setup.timing.settle
        open_for = time.monotonic() - self._state_since
        is_quiet = self.client.quiet_for > quiet or open_for > _NEVER_QUIET * quiet
        return self.state is EngineState.OPEN and is_quiet

    def require_open(self) -> None:
        """Raise EngineUnavailable unless connected."""
        if self.state is not EngineState.OPEN:
            raise EngineUnavailable(f"not connected ({self.state or 'not linked'})")

    def _wait_open(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self.state is EngineState.CONNECTING and time.monotonic() < end:
            time.sleep(0.05)
        self.require_open()

    def pairing_code(self, phone: str) -> str:
        """Return the 8 characters to type on the phone. Raises EngineUnavailable."""
        if not self.qr_shown.wait(self._setup.timing.request / 2):
            raise EngineUnavailable("WhatsApp cannot be reached")
        try:
            code = self.client.pair_phone(phone, True, _SYSTEM, _BROWSER)
        except NeonizeError as error:
            raise EngineUnavailable(f"no pairing code: {clean(str(error), 200)}") from None
        return str(code).replace("-", "")

    def logout(self) -> None:
        """Unlink the device. Raises EngineUnavailable if WhatsApp cannot be reached."""
        self._wait_open(self._setup.timing.request / 2)
        try:
            self.client.logout()
        except NeonizeError as error:
            raise EngineUnavailable(f"not logged out: {clean(str(error), 200)}") from None
        self._unlinked(EngineState.LOGGED_OUT, "logged out here", Exit.LOGGED_OUT)

    def overdue(self) -> Exit | None:
        """Return how the worker should end if something has lasted too long, else None."""
        timing, now = self._setup.timing, time.monotonic()
        if self.client.hung:
            return Exit.STUCK
        if self._linking_since is not None:
            ran_out = self.qr_shown.is_set() and now > self._qr_until + _QR_GRACE
            late = not self.qr_shown.is_set() and now > self._linking_since + timing.connecting
            return (
                Exit.LINKING_ENDED
                if ran_out or late or now > self._linking_since + timing.linking
                else None
            )
        lasted = now - self._state_since
        if self.state is EngineState.CONNECTING and lasted > timing.connecting:
            return Exit.RESTART
        broken = self.state in (EngineState.FAILING, EngineState.CLOSED)
        return Exit.RESTART if broken and lasted > timing.failing else None

    # -- events of the library

    def _listen(self) -> None:
        """Register all handlers; the library only learns of those that exist at connecting."""
        handlers: dict[Any, Callable[[Any], None]] = {
            library.PairStatusEv: self._on_pair_status,
            library.ConnectedEv: self._on_connected,
            library.DisconnectedEv: lambda _: self._change(EngineState.CLOSED, "disconnected"),
            library.StreamReplacedEv: lambda _: self._leave(
                Exit.REPLACED, EngineState.REPLACED, "the session is in use elsewhere"
            ),
            library.LoggedOutEv: self._on_logged_out,
            library.TemporaryBanEv: self._on_ban,
            library.ClientOutdatedEv: lambda _: self._leave(
                Exit.OUTDATED,
                EngineState.OUTDATED,
                "WhatsApp refuses this version of the library",
            ),
            library.ConnectFailureEv: lambda event: self._leave(
                Exit.UNREACHABLE, EngineState.CLOSED, f"refused: {_named(event.Reason)}"
            ),
            # The library would neither close nor reconnect after such an error.
            library.StreamErrorEv: lambda event: self._leave(
                Exit.RESTART,
                EngineState.CLOSED,
                f"stream error {clean(event.Code, 20)}".strip(),
            ),
            library.KeepAliveTimeoutEv: lambda _: self._change(
                EngineState.FAILING, "no answer"
            ),
            library.KeepAliveRestoredEv: self._on_restored,
            library.OfflineSyncCompletedEv: lambda _: self._look_at_contacts(),
            library.MessageEv: lambda event: self._record(self.converter.message(event)),
            library.ReceiptEv: lambda event: self._record(self.converter.receipt(event)),
            library.UndecryptableMessageEv: lambda event: self._record(
                self.converter.undecryptable(event)
            ),
            library.HistorySyncEv: self._on_history,
        }
        for kind, handler in handlers.items():
            self.client.on(kind, self._guarded(handler))

    def _guarded(self, handler: Callable[[Any], None]) -> Callable[[Any, Any], None]:
        """Wrap *handler* so that the library, which swallows exceptions, loses nothing."""

        def run(_client: Any, message: Any) -> None:
            if self._broken:
                return  # lost, like what would follow the end of a process
            try:
                handler(message)
            except OSError as error:
                self._broken = True
                self._outlet.spool_failed(error)
                self.client.wait_until_left(_LONGEST_LEAVE)
            except BaseException as error:  # noqa: BLE001 - the library would swallow it
                self._outlet.poison(evidence(message), error)

        return run

    def _record(self, events: list[EngineEvent]) -> None:
        if not events:
            return
        self._outlet.record(events)
        for event in events:
            about = event.reply if isinstance(event, StatusReply) else event
            person = getattr(about, "viewer", None) or getattr(about, "author", None)
            if person is not None and not person.phone and len(self.half_known) < 10_000:
                self.half_known.add(person)
                self.attention.set()

    def look_up_later(self, people: Iterable[Address]) -> None:
        """Have the other form of these people's addresses looked up soon."""
        self.half_known.update(one for one in people if not (one.phone and one.lid))
        self.attention.set()

    def _tell_contacts(self, contacts: list[Contact]) -> None:
        self._outlet.record([ContactsChanged(contacts=tuple(contacts), at_ms=now_ms())])

    def _look_at_contacts(self) -> None:
        self.contacts_due = True
        self.attention.set()

    def _on_history(self, event: Any) -> None:
        for events in self.converter.history(event):
            self._record(events)
        self._look_at_contacts()

    def _show_code(self, payload: bytes) -> None:
        if not self.linking:  # somebody has replaced the store meanwhile
            self._leave(Exit.STORE_LOST, EngineState.CLOSED, "the session store has no device")
            return
        now = time.monotonic()
        lasts = _LATER_QR if self.qr_shown.is_set() else _FIRST_QR
        self._qr_until = now + lasts
        self.qr_shown.set()
        expires_ms = now_ms() + int(lasts * 1000)
        self._outlet.tell(QrCode(payload=payload.decode(), expires_ms=expires_ms))

    def _on_pair_status(self, event: Any) -> None:
        if event.Error:
            self._outlet.tell(LinkingEnded(reason=clean(event.Error, 200)))
            self._outlet.end(Exit.LINKING_ENDED)
        else:
            self._paired()

    def _on_connected(self, _event: Any) -> None:
        if self._marked is None:  # linked just before a crash
            self._paired()
        device = self.client.me
        if not device.LID.User:  # an old session learns its LID at connecting
            device = self._ask_device() or device
        self._take_own(device)
        self._change(
            EngineState.OPEN,
            me=self.own,
            device=device.JID.Device,
            push_name=clean(device.PushName, MAX_NAME),
        )
        self._look_at_contacts()

    def _paired(self) -> None:
        """The device is linked: report it, then mark the folder."""
        device = self.client.me
        self._take_own(device)
        self._linking_since = None
        self._state_since = time.monotonic()
        paired = Paired(
            me=self.own,
            device=device.JID.Device,
            push_name=clean(device.PushName, MAX_NAME),
            at_ms=now_ms(),
        )
        self._outlet.record([paired])
        self._marked = Linked(phone=self.own.phone, lid=self.own.lid, device=device.JID.Device)
        self._store.mark(self._marked)
        self._change(EngineState.CONNECTING, "linked")

    def _ask_device(self) -> Any:
        """Ask the library about the device, elsewhere: handlers do not call it."""
        found: list[Any] = []

        def ask() -> None:
            with suppress(NeonizeError):
                found.append(self.client.get_me())

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(_LONGEST_ASK)
        return found[0] if found else None

    def _take_own(self, device: Any) -> None:
        me, lid = jid_address(device.JID), jid_address(device.LID)
        if me is not None:
            self.converter.own = Address(phone=me.phone, lid=lid.lid if lid else "")

    def _on_restored(self, _event: Any) -> None:
        if self.state is EngineState.FAILING:
            self._change(EngineState.OPEN, me=self.own)

    def _on_logged_out(self, event: Any) -> None:
        reason = _named(event.Reason)
        if event.Reason == wire.UNKNOWN_LOGOUT:  # WhatsApp's 406: banned for good
            self._unlinked(EngineState.BLOCKED, reason, Exit.BLOCKED)
        else:
            self._unlinked(EngineState.LOGGED_OUT, reason, Exit.LOGGED_OUT)

    def _unlinked(self, state: EngineState, reason: str, code: Exit) -> None:
        """The library has deleted the session by itself."""
        self._change(state, reason)
        self._store.unmark()
        self._outlet.end(code)

    def _on_ban(self, event: Any) -> None:
        seconds = min(max(int(event.Expire), 0), _MOST_BAN_SECONDS)
        until_ms = now_ms() + seconds * 1000
        self._leave(Exit.BANNED, EngineState.BANNED, f"code {event.Code}", until_ms=until_ms)

    def _leave(self, code: Exit, state: EngineState, reason: str, **details: Any) -> None:
        self._change(state, reason, **details)
        self._outlet.end(code)

    def _change(self, state: EngineState, reason: str = "", **details: Any) -> None:
        """Record a change of state; a repeat of the present one is none."""
        with self._changing:
            if state is self.state:
                return
            self._outlet.record(
                [StateChanged(state=state, reason=reason, at_ms=now_ms(), **details)]
            )
            self.state = state
            self._state_since = time.monotonic()
        log.info("state %s %s", state, reason)

    def _connect(self) -> None:
        try:
            self.client.connect(self._setup.proxy)
            code = Exit.RESTART
        except Crowded:
            self._outlet.end(Exit.CROWDED)
            return
        except Exception:
            log.exception("connecting failed")
            code = Exit.UNREACHABLE
        if not self._stopping:
            try:
                if not self.linking:
                    self._change(EngineState.CLOSED, "WhatsApp cannot be reached")
            except OSError as error:
                self._outlet.spool_failed(error)
            self._outlet.end(code)


def _named(reason: int) -> str:
    """Return the library's word for why a connection was refused."""
    return str(wire.ConnectFailureReason.Name(reason)).lower().replace("_", " ")
