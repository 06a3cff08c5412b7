"""How many connections there may be, and how long one may keep an answer waiting.

Neither uvicorn nor the operating system says anything about fairness: one address could take
every descriptor, and answers that nobody reads stay in memory.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from statusgate.api.auth import subscriber

_LEAST_PROGRESS = 16 << 10
_SHARE_OF_DESCRIPTORS = 0.75
_MOST_DESCRIPTORS = 1 << 16
_LOOPBACK = ("127.", "::1")


class OpenConnections:
    """All connections of one server."""

    per_address = 512
    per_trusted_address = 4096
    """for loopback and the operator's proxies, behind which there are many clients"""
    most_unsent = 128 << 20
    """bytes of answers that may wait for their readers, all connections together"""

    def __init__(self, is_proxy: Callable[[str], bool]) -> None:
        soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        unlimited = soft == resource.RLIM_INFINITY
        known = _MOST_DESCRIPTORS if unlimited else min(soft, _MOST_DESCRIPTORS)
        self.most = int(known * _SHARE_OF_DESCRIPTORS)
        self.idle: dict[Guarded, None] = {}
        """those without a request under way, the longest idle first"""
        self._is_proxy = is_proxy
        self._open: set[Guarded] = set()
        self._by_address: Counter[str] = Counter()
        self._blocked: dict[Guarded, None] = {}
        """those whose reader is behind, the longest blocked first"""

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._open)

    @property
    def unsent(self) -> int:
        """Bytes of answers that wait for readers who are behind."""
        return sum(one.transport.get_write_buffer_size() for one in self._blocked)

    def enter(self, connection: "Guarded") -> bool:
        """Count a connection; False if its address has too many.

        Where all addresses together have too many, the longest idle connection gives way.
        """
        self._open.add(connection)
        self.idle[connection] = None
        self._by_address[connection.address] += 1
        if self._by_address[connection.address] > self._limit(connection.host):
            return False
        if len(self._open) > self.most:
            longest_idle = next(iter(self.idle))
            del self.idle[longest_idle]
            longest_idle.transport.abort()
        return True

    def leave(self, connection: "Guarded") -> None:
        """Forget a connection."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        self.idle.pop(connection, None)
        self._blocked.pop(connection, None)
        self._by_address[connection.address] -= 1
        if self._by_address[connection.address] == 0:
            del self._by_address[connection.address]

    def block(self, connection: "Guarded") -> None:
        """Note that a reader is behind, and keep what waits for all readers within bounds."""
        self._blocked[connection] = None
        unsent = Counter[str]()
        for one in self._blocked:
            unsent[one.address] += one.transport.get_write_buffer_size()
        while unsent.total() > self.most_unsent and len(self._blocked) > 1:
            ((address, _),) = unsent.most_common(1)
            victim = next(one for one in self._blocked if one.address == address)
            unsent[address] -= victim.transport.get_write_buffer_size()
            del self._blocked[victim]
            victim.transport.abort()

    def unblock(self, connection: "Guarded") -> None:
        """Note that a reader has caught up."""
        self._blocked.pop(connection, None)

    def _limit(self, host: str) -> int:
        trusted = host.startswith(_LOOPBACK) or self._is_proxy(host)
        return self.per_trusted_address if trusted else self.per_address


class Guarded(asyncio.Protocol):
    """Mixed into uvicorn's protocols: a connection that is counted, and must move."""

    head_seconds = 15.0
    """longest time until something that is due has come"""
    write_seconds = 30.0
    """longest time in which a reader takes less than 16 KiB of what waits for it"""
    everyone: ClassVar[OpenConnections]
    """each server has its own"""
    transport: asyncio.Transport
    client: tuple[str, int] | None
    loop: asyncio.AbstractEventLoop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.host = self.client[0] if self.client else ""
        self.address = subscriber(self.host)
        self.waits_since: float | None = self.loop.time()
        """since when something is due: a head, or the rest of a body that nobody reads"""
        self._is_blocked = False
        self._unsent: int | None = None
        """what waited when the reader last made progress; None while it keeps up"""
        self._progress_at = 0.0
        self._watch: asyncio.TimerHandle | None = None
        if self.everyone.enter(self):
            self._watch_progress()
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.release()
        super().connection_lost(exc)

    def release(self) -> None:
        """Neither count nor watch this connection any more."""
        if self._watch is not None:
            self._watch.cancel()
        self.everyone.leave(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._is_blocked = True
        self.everyone.block(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_blocked = False
        self._unsent = None
        self.everyone.unblock(self)

    def _watch_progress(self) -> None:
        """End a connection that has waited too long for its client."""
        now = self.loop.time()
        if self._is_stuck(now):
            self.transport.abort()
            return
        if self.waits_since is not None and now - self.waits_since > self.head_seconds:
            self.transport.close()
        pause = min(self.head_seconds, self.write_seconds) / 3
        self._watch = self.loop.call_later(pause, self._watch_progress)

    def _is_stuck(self, now: float) -> bool:
        """Whether the client has taken next to nothing of an answer for too long."""
        if not self._is_blocked and not self.transport.is_closing():
            return False
        unsent = self.transport.get_write_buffer_size()
        if self._unsent is None or unsent <= self._unsent - _LEAST_PROGRESS:
            self._unsent = unsent
            self._progress_at = now
        return now - self._progress_at > self.write_seconds
