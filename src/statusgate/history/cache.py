"""What was read recently, kept encoded: a hot read costs what its bytes cost.

Per instance and direction the newest items are kept encoded, newest first, and changed with
the commit that changes them. Statistics are kept by status. Everything here can be thrown
away at any time: the journal answers then.
"""

import sys
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from itertools import count

from statusgate.changes.changes import Changes
from statusgate.domain.clock import Clock
from statusgate.domain.ids import InstanceId
from statusgate.domain.status import Status

_LARGEST_JOINED = 4 << 20
_JOINED_KEPT = 3
_WINDOW_BYTES = 1_000
"""an empty window and its place in memory"""
_ITEM_BYTES = 160
"""key of an item: a tuple and two numbers, with what the garbage collector adds"""
_STATISTIC_BYTES = 480
"""a statistic's key, expiry and places in the tables"""
Key = tuple[int, int]
"""(-posted_ms, -number): ascending keys are newest first, ties by acceptance"""


def key_of(status: Status) -> Key:
    """Where a status stands in its journal."""
    return (-status.posted_ms, -status.no)


class Window:
    """The items of one direction of one instance, complete from ``since_ms`` on."""

    __slots__ = ("_bodies", "_by_no", "_content", "_joined", "_keys", "_span_ms", "since_ms")

    def __init__(self, since_ms: int, now_ms: int) -> None:
        """A window that reaches as far back from any later time as *since_ms* from *now_ms*."""
        self.since_ms = since_ms
        self._span_ms = now_ms - since_ms
        self._keys: list[Key] = []
        self._bodies: list[bytes] = []
        self._by_no: dict[int, Key] = {}
        self._joined: dict[int, bytes] = {}
        self._content = 0

    @property
    def size(self) -> int:
        """Bytes of memory it takes."""
        tables = map(sys.getsizeof, (self._keys, self._bodies, self._by_no))
        return (
            _WINDOW_BYTES + self._content + sum(tables) + sum(map(len, self._joined.values()))
        )

    def fill(self, items: Iterable[tuple[Key, bytes]]) -> None:
        """Take many items into an empty window."""
        ordered = sorted(items)
        self._keys = [key for key, _ in ordered]
        self._bodies = [body for _, body in ordered]
        self._by_no = {-key[1]: key for key in self._keys}
        self._content = sum(map(_cost, self._bodies))

    def put(self, status: Status, body: bytes) -> None:
        """Add an item or replace it; one older than the window is left out."""
        if status.posted_ms < self.since_ms:
            return
        self.remove(status.no)
        key = key_of(status)
        place = bisect_left(self._keys, key)
        self._keys.insert(place, key)
        self._bodies.insert(place, body)
        self._by_no[status.no] = key
        self._content += _cost(body)

    def remove(self, no: int) -> None:
        """Take an item out; unknown ones are fine."""
        self._joined.clear()
        key = self._by_no.pop(no, None)
        if key is not None:
            place = bisect_left(self._keys, key)
            del self._keys[place]
            self._content -= _cost(self._bodies.pop(place))

    def trim(self, now_ms: int) -> None:
        """Drop items that have grown older than the window reaches back."""
        since_ms = now_ms - self._span_ms
        if since_ms <= self.since_ms:
            return
        self.since_ms = since_ms
        kept = self._count(since_ms)
        if kept == len(self._keys):
            return
        for key, body in zip(self._keys[kept:], self._bodies[kept:], strict=True):
            del self._by_no[-key[1]]
            self._content -= _cost(body)
        if kept < len(self._keys) // 2:
            self._by_no = self._by_no.copy()  # a dict gives memory back only to its copy
        del self._keys[kept:], self._bodies[kept:]

    def joined(self, since_ms: int) -> bytes | None:
        """As ``since`` if an earlier read has made it and no commit changed it."""
        return self._joined.get(self._count(since_ms))

    def since(self, since_ms: int, room: int) -> bytes:
        """Return the JSON array of all items posted at or after *since_ms*, newest first.

        It is kept for the next read if it fits into *room* bytes.
        """
        length = self._count(since_ms)
        joined = _array(self._bodies[:length])
        if len(joined) <= min(room, _LARGEST_JOINED):
            if len(self._joined) >= _JOINED_KEPT:
                self._joined.clear()
            self._joined[length] = joined
        return joined

    def _count(self, since_ms: int) -> int:
        """How many items were posted at or after *since_ms*."""
        return bisect_left(self._keys, (1 - since_ms, -sys.maxsize))


class StatusCache:
    """Windows and statistics of all instances, bounded; the least recently used go first."""

    def __init__(
        self,
        encode: Callable[[Status], bytes],
        clock: Clock,
        *,
        shown: Callable[[Status], bool],
        limit: int = 64 << 20,
    ) -> None:
        """*shown*: which incoming statuses a reader may see. *limit*: bytes of memory to use,
        two thirds for items and one for statistics; 0 keeps nothing: every read asks the
        journal.
        """
        self._encode = encode
        self._clock = clock
        self._shown = shown
        self._limit = limit * 2 // 3
        self._windows: OrderedDict[tuple[InstanceId, bool], Window] = OrderedDict()
        self._statistics = Statistics(clock, limit // 3)
        self._loading: dict[tuple[InstanceId, bool], list[Changes]] = {}
        self._used = 0

    def window(self, instance_id: InstanceId, *, outgoing: bool, since_ms: int) -> bytes | None:
        """The answer from memory, None if memory does not reach back to *since_ms*."""
        window = self._windows.get((instance_id, outgoing))
        if window is None or window.since_ms > since_ms:
            return None
        self._windows.move_to_end((instance_id, outgoing))
        answer = window.joined(since_ms)
        if answer is None:
            before = window.size
            answer = window.since(since_ms, self._limit - self._used)
            self._used += window.size - before
        return answer

    async def load(
        self,
        instance_id: InstanceId,
        *,
        outgoing: bool,
        since_ms: int,
        read: Callable[[], Awaitable[list[Status]]],
    ) -> bytes:
        """Answer from the journal (*read*: everything since *since_ms*) and remember it.

        Commits that land while the journal is read are applied on top, in their order.
        """
        if not self._limit:
            return _array(self._encode(status) for status in await read())
        slot = (instance_id, outgoing)
        missed = self._loading.setdefault(slot, [])
        start = len(missed)
        window = Window(since_ms, self._clock.now_ms())
        try:
            statuses = await read()
        finally:
            alone = self._loading.get(slot) is missed
            if alone:
                del self._loading[slot]
        window.fill((key_of(status), self._encode(status)) for status in statuses)
        for changes in missed[start:]:
            self._apply(window, changes, outgoing=outgoing)
        if alone and not any(changes.people_changed for changes in missed[start:]):
            self._keep(slot, window)
        return window.since(since_ms, 0)

    def statistics(self) -> "Statistics":
        """The encoded rows of single statuses."""
        return self._statistics

    def follow(self, instance_id: InstanceId, changes: Changes) -> None:
        """Take over what a commit changed; called in the order of the commits."""
        if changes.people_changed:
            self.forget(instance_id)
        for status in (*changes.statuses.values(), *changes.removed):
            if status.outgoing:
                self._statistics.forget(instance_id, status.status_id)
        for outgoing in (False, True):
            slot = (instance_id, outgoing)
            if slot in self._loading:
                self._loading[slot].append(changes)
            window = self._windows.get(slot)
            if window is not None:
                before = window.size
                self._apply(window, changes, outgoing=outgoing)
                window.trim(self._clock.now_ms())
                self._used += window.size - before
                self._evict()

    def forget(self, instance_id: InstanceId) -> None:
        """Drop all that is kept of an instance; the journal answers until it is read again."""
        self._statistics.forget_instance(instance_id)
        for outgoing in (False, True):
            self._drop((instance_id, outgoing))

    def tidy(self) -> None:
        """Drop what has grown too old, also of instances without traffic."""
        now_ms = self._clock.now_ms()
        for window in self._windows.values():
            before = window.size
            window.trim(now_ms)
            self._used += window.size - before
        self._statistics.tidy()

    def _apply(self, window: Window, changes: Changes, *, outgoing: bool) -> None:
        for status in _of(changes.statuses.values(), outgoing=outgoing):
            if outgoing or self._shown(status):
                window.put(status, self._encode(status))
            else:
                window.remove(status.no)
        for status in _of(changes.removed, outgoing=outgoing):
            window.remove(status.no)

    def _keep(self, slot: tuple[InstanceId, bool], window: Window) -> None:
        if window.size > self._limit // 2:
            return  # one giant must not push out everything else
        self._drop(slot)
        self._windows[slot] = window
        self._used += window.size
        self._evict()

    def _evict(self) -> None:
        while self._used > self._limit:
            self._drop(next(iter(self._windows)))

    def _drop(self, slot: tuple[InstanceId, bool]) -> None:
        window = self._windows.pop(slot, None)
        if window is not None:
            self._used -= window.size


class Statistics:
    """Encoded rows by status, bounded in bytes; each is kept until its status expires."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._used = 0
        self._entries: OrderedDict[tuple[InstanceId, str], tuple[bytes, int]] = OrderedDict()
        self._by_instance: dict[InstanceId, set[str]] = {}
        self._loads: dict[tuple[InstanceId, str], int] = {}
        self._tickets = count()

    def get(self, instance_id: InstanceId, status_id: str) -> bytes | None:
        """The rows if they are kept."""
        key = (instance_id, status_id)
        entry = self._entries.get(key)
        if entry is None:
            return None
        body, until_ms = entry
        if until_ms <= self._clock.now_ms():
            self._pop(key)
            return None
        self._entries.move_to_end(key)
        return body

    async def load(
        self,
        instance_id: InstanceId,
        status_id: str,
        read: Callable[[], Awaitable[tuple[bytes, int]]],
    ) -> bytes:
        """Answer from the journal, and keep it unless a commit changed it meanwhile.

        *read* returns the rows and the time (ms UTC) until which they may be kept.
        """
        key = (instance_id, status_id)
        ticket = next(self._tickets)
        self._loads[key] = ticket
        try:
            body, until_ms = await read()
        finally:
            unchanged = self._loads.get(key) == ticket
            if unchanged:
                del self._loads[key]
        if unchanged:
            self._put(key, body, until_ms)
        return body

    def forget(self, instance_id: InstanceId, status_id: str) -> None:
        """A commit changed these rows."""
        self._loads.pop((instance_id, status_id), None)
        self._pop((instance_id, status_id))

    def forget_instance(self, instance_id: InstanceId) -> None:
        """A commit changed how people of this instance are shown."""
        for status_id in tuple(self._by_instance.get(instance_id, ())):
            self._pop((instance_id, status_id))
        for key in [key for key in self._loads if key[0] == instance_id]:
            del self._loads[key]

    def tidy(self) -> None:
        """Drop what has expired."""
        now_ms = self._clock.now_ms()
        for key in [key for key, (_, until) in self._entries.items() if until <= now_ms]:
            self._pop(key)

    def _put(self, key: tuple[InstanceId, str], body: bytes, until_ms: int) -> None:
        self._pop(key)
        if len(body) > self._limit // 4:
            return  # one giant must not push out everything else
        self._entries[key] = (body, until_ms)
        self._by_instance.setdefault(key[0], set()).add(key[1])
        self._used += _STATISTIC_BYTES + len(body) + len(key[1])
        while self._used > self._limit:
            self._pop(next(iter(self._entries)))

    def _pop(self, key: tuple[InstanceId, str]) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._used -= _STATISTIC_BYTES + len(entry[0]) + len(key[1])
        ids = self._by_instance[key[0]]
        ids.discard(key[1])
        if not ids:
            del self._by_instance[key[0]]


def _cost(body: bytes) -> int:
    """Bytes of memory of an item, beside its place in the tables."""
    return _ITEM_BYTES + sys.getsizeof(body)


def _array(items: Iterable[bytes]) -> bytes:
    """Return the JSON array of encoded items."""
    return b"[" + b",".join(items) + b"]"


def _of(statuses: Iterable[Status], *, outgoing: bool) -> list[Status]:
    return [status for status in statuses if status.outgoing is outgoing]
