"""A client of the library behind the gate of its process: nothing else calls the library."""

import ctypes
import itertools
import logging
import threading
import time
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neonize import client as neonize
from neonize._binder import (
    ProxySettings,
    func_callback_bytes,
    func_callback_bytes2,
    func_string,
    gocode,
)
from neonize.exc import NeonizeError
from neonize.proto.Neonize_pb2 import LogEntry

from statusgate.domain.errors import EngineUnavailable
from statusgate.engines.neonize.gate import Gate

log = logging.getLogger(__name__)

QUIET_SECONDS = 0.2
"""without an event after which a client that has disconnected is taken to have no more"""

_HUNG_AFTER = 30.0
_PATIENCE = 20.0
"""seconds for which a client waits for its turn to begin"""
_LOOK_SECONDS = 0.02
_STANZAS = (b"Client/Recv", b"Client/Send")
_WRITTEN = "Dialing "
"""how the line begins that the library logs once its maps are written"""

_numbers = itertools.count(1)
_kept: list[Any] = []
"""what the library may call as long as the process lives, also for a client that has stopped"""


class NotBegun(EngineUnavailable, NeonizeError):  # type: ignore[misc]
    """The client has not begun, or is being stopped; a call would end the process."""


class Crowded(Exception):
    """Other clients of the process, or their calls, left no moment to begin."""


def _gated(name: str) -> Callable[..., Any]:
    """Make a method that calls the library's *name*. It raises NeonizeError (NotBegun)."""
    find = attrgetter(name)

    def call(self: "Client", *arguments: Any, **named: Any) -> Any:
        with self._gate.call():
            if not self._begun or self._leaving:
                raise NotBegun("not connected any more")
            return find(self._raw)(*arguments, **named)

    return call


class Client:
    """One account's client; it begins once, and ends once."""

    build_revoke = _gated("build_revoke")
    get_all_contacts = _gated("contact.get_all_contacts")
    get_lid_from_pn = _gated("get_lid_from_pn")
    get_me = _gated("get_me")
    get_pn_from_lid = _gated("get_pn_from_lid")
    get_profile_picture = _gated("get_profile_picture")
    get_status_privacy = _gated("get_status_privacy")
    get_user_info = _gated("get_user_info")
    is_on_whatsapp = _gated("is_on_whatsapp")
    logout = _gated("logout")
    mark_read = _gated("mark_read")
    pair_phone = _gated("PairPhone")
    put_all_contact_name = _gated("contact.put_all_contact_name")
    send_message = _gated("send_message")
    upload = _gated("upload")

    def __init__(
        self,
        store: Path,
        gate: Gate,
        *,
        props: Any,
        on_code: Callable[[bytes], None],
        on_log: Callable[[str, int, str], None],
    ) -> None:
        """*on_code* gets each QR code; *on_log* the logger, level and text of each line."""
        self._gate = gate
        self._props = props
        self._on_code = on_code
        self._on_log = on_log
        name = f"{store.parent.name}/{next(_numbers)}"
        self._raw = neonize.NewClient(quote(str(store.absolute())), uuid=name)
        self._raw._stop_finalizer.detach()  # it would stop the client past the gate
        self._beginning = threading.Lock()
        self._begun_at = 0.0
        self._begun = self._leaving = False
        self._settled = threading.Event()
        self._left = threading.Event()
        self._handling = False
        self._heard_at = time.monotonic()

    @property
    def me(self) -> Any:
        """The linked device as it was at connecting."""
        return self._raw.me

    @property
    def quiet_for(self) -> float:
        """Seconds since the last event."""
        return 0.0 if self._handling else time.monotonic() - self._heard_at

    @property
    def hung(self) -> bool:
        """Whether beginning takes so long that the process should be replaced."""
        if not self._begun_at or self._begun or self._settled.is_set():
            return False
        return time.monotonic() - self._begun_at > _HUNG_AFTER

    def on(self, kind: Any, handler: Callable[[Any, Any], None]) -> None:
        """Have events of *kind* handled; only before connecting. Handlers never call this."""
        self._raw.event(kind)(handler)

    def connect(self, proxy: str) -> None:
        """Begin; return when the connection is over for good. Raises NeonizeError, Crowded."""
        kinds = bytes(self._raw.event.list_func)
        props = self._props.SerializeToString()
        settings = ProxySettings(proxy)._to_c_struct() if proxy else None
        calls = (
            func_string(self._code_came),
            func_string(lambda _uuid, _state: None),
            func_callback_bytes(self._event_came),
            func_callback_bytes2(self._log_came),
        )
        _kept.append(calls)
        if not self._gate.enter(self, _PATIENCE):
            raise Crowded
        try:
            with self._beginning:
                if self._leaving:
                    return
                self._begun_at = time.monotonic()
            error = gocode.Neonize(
                *(self._raw.name.encode(), self._raw.uuid, b"", 0, 0, b"DEBUG", *calls),
                *(kinds, len(kinds), props, len(props), b"", 0),
                settings and ctypes.byref(settings),
            )
        finally:
            self._begun = False
            self._settle()
        if error:
            raise NeonizeError(error.decode())

    def leave(self, seconds: float) -> bool:
        """Disconnect and let the last events through; return whether that was possible.

        No call is let in any more. May last *seconds* and some more for the events.
        """
        with self._beginning:
            self._leaving = True
            if not self._begun_at:
                return True
        leaving = threading.Thread(target=self._disconnect, daemon=True)
        leaving.start()
        leaving.join(seconds)
        if leaving.is_alive():
            return False
        end = time.monotonic() + seconds
        while self.quiet_for < QUIET_SECONDS and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
        return True

    def wait_until_left(self, seconds: float) -> None:
        """Hold a handler up, and thereby all events, until the client is disconnected."""
        self._left.wait(seconds)

    def stop(self, seconds: float) -> None:
        """Have the library forget the client as soon as the gate allows; wait for a while."""
        stopping = threading.Thread(target=self._stop, daemon=True)
        stopping.start()
        stopping.join(seconds)

    def _stop(self) -> None:
        whoever = object()
        if self._gate.enter(whoever):
            try:
                self._raw.stop()
            finally:
                self._gate.leave(whoever)

    def _disconnect(self) -> None:
        while not self._begun:
            if self._settled.wait(_LOOK_SECONDS):
                break
        with self._gate.call():
            if self._begun:
                self._raw.disconnect()
        self._left.set()

    # -- what the library calls

    def _event_came(self, uuid: bytes, data: int, size: int, code: int) -> None:
        self._settle(begun=True)
        self._handling = True
        try:
            self._raw.event.execute(uuid, data, size, code)
        except BaseException:  # there is nobody above but the library
            log.exception("an event of kind %d was not handled", code)
        finally:
            self._heard_at = time.monotonic()
            self._handling = False

    def _code_came(self, _uuid: int, code: int) -> None:
        self._settle(begun=True)
        self._on_code(ctypes.string_at(code))

    def _settle(self, *, begun: bool = False) -> None:
        """The maps are written, and the loop that delivers events has read them."""
        if begun and not self._begun and not self._settled.is_set():
            self._begun = True
        if not self._settled.is_set():
            self._settled.set()
            self._gate.leave(self)

    def _log_came(self, data: int, size: int) -> None:
        if size <= 0:
            return
        raw = ctypes.string_at(data, size)
        if raw.endswith(_STANZAS) and b"DEBUG" in raw[-24:]:
            return
        entry = LogEntry.FromString(raw)
        if not self._settled.is_set() and entry.Message.startswith(_WRITTEN):
            self._begun = True
            self._gate.admit_calls(self)
        level = logging.getLevelName(entry.Level.replace("WARN", "WARNING"))
        self._on_log(
            entry.Name, level if isinstance(level, int) else logging.INFO, entry.Message
        )
