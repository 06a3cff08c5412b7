"""Hands the spool's records to the gateway, in order, few enough at a time."""

import threading
from collections import deque
from collections.abc import Callable

import msgspec

from statusgate.engines.account_store import AccountStore
from statusgate.engines.neonize.ipc import Began, Channel, GatewayGone, Record

WINDOW = 256
"""records that may be under way without an acknowledgement; the spool holds the rest"""

_POLL_SECONDS = 0.5


class SpoolSender:
    """A thread that streams once the gateway has said where to begin."""

    def __init__(
        self, spool: AccountStore, channel: Channel, failed: Callable[[OSError], object]
    ) -> None:
        """*failed* is called when the spool cannot be read."""
        self._spool = spool
        self._failed = failed
        self._channel = channel
        self._moved = threading.Condition()
        self._next_after: int | None = None
        self._restarted = False
        self._under_way: deque[int] = deque()
        self._closed = False

    def run(self) -> None:
        """Stream until closed or the gateway is gone."""
        try:
            while self._wait_for_room():
                self._answer_begin()
                self._send_some()
        except GatewayGone:
            return  # the reading side sees it too
        except OSError as error:
            self._failed(error)

    def begin(self, seq: int, acked: int) -> None:
        """Stream the records after *seq*; a later call begins anew. Raises OSError.

        The gateway knows records that are not here if the spool was lost; then numbers go on
        behind *seq*.
        """
        self._spool.confirm(seq if seq > self._spool.last else acked)
        with self._moved:
            self._next_after = seq
            self._restarted = True
            self._under_way.clear()
            self._moved.notify_all()

    def ack(self, seq: int) -> None:
        """Everything up to *seq* is journaled. Raises OSError."""
        self._spool.confirm(min(seq, self._spool.last))
        with self._moved:
            while self._under_way and self._under_way[0] <= seq:
                self._under_way.popleft()
            self._moved.notify_all()

    def settled(self) -> bool:
        """Tell whether the gateway has journaled everything."""
        return self._spool.confirmed >= self._spool.last

    def close(self) -> None:
        """Make the thread end."""
        with self._moved:
            self._closed = True
            self._moved.notify_all()

    def _wait_for_room(self) -> bool:
        with self._moved:
            self._moved.wait_for(
                lambda: (
                    self._closed
                    or self._restarted
                    or (self._next_after is not None and len(self._under_way) < WINDOW)
                )
            )
            return not self._closed

    def _answer_begin(self) -> None:
        """Mark the place in the stream from which on records are the ones asked for."""
        with self._moved:
            if not self._restarted or self._next_after is None:
                return
            self._restarted = False
            seq = self._next_after
        self._channel.send(Began(seq=seq))

    def _send_some(self) -> None:
        after = self._next_after
        if after is None or not self._spool.wait(after, _POLL_SECONDS):
            return
        for seq, payload in self._spool.read(after):
            with self._moved:
                if self._closed or self._restarted or len(self._under_way) >= WINDOW:
                    return
                self._under_way.append(seq)
                self._next_after = seq
            self._channel.send(Record(seq=seq, p=msgspec.Raw(payload)))
