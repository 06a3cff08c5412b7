"""The encoded recent window: what a hot read costs is what its bytes cost.

Per instance and direction the newest items are kept encoded, newest first, and changed with
the commit that changes them. Statistics are kept by status. Everything here can be thrown
away at any time: the journal answers then.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from itertools import count

from statusgate.changes.changes import Changes
from statusgate.domain.ids import InstanceId
from statusgate.domain.status import Status

_LARGEST_JOINED = 4 << 20
_JOINED_KEPT = 3
_ENTRY_BYTES = 400
Key = tuple[int, str, int]
"""(-posted_ms, id, number): ascending keys are newest first, ties by id"""


def key_of(status: Status) -> Key:
    """Where a status stands in its journal."""
    return (-status.posted_ms, status.status_id, status.no)


class Window:
    """The items of one direction of one instance, complete from ``since_ms`` on."""

    def __init__(self, since_ms: int) -> None:
        self.since_ms = since_ms
        self.size = 0
        """bytes of all items"""
        self._keys: list[Key] = []
        self._bodies: dict[Key, bytes] = {}
        self._by_no: dict[int, Key] = {}
        self._joined: dict[int, bytes] = {}

    def fill(self, items: Iterable[tuple[Key, bytes]]) -> None:
        """Take many items into an empty window."""
        self._bodies = dict(items)
        self._keys = sorted(self._bodies)
        self._by_no = {key[2]: key for key in self._keys}
        self.size = sum(map(len, self._bodies.values()))

    def put(self, status: Status, body: bytes) -> None:
        """Add an item or replace it; one older than the window is left out."""
        if status.posted_ms < self.since_ms:
            return
        self.remove(status.no)
        key = key_of(status)
        insort(self._keys, key)
        self._bodies[key] = body
        self._by_no[status.no] = key
        self.size += len(body)

    def remove(self, no: int) -> None:
        """Take an item out; unknown ones are fine."""
        self._joined.clear()
        key = self._by_no.pop(no, None)
        if key is not None:
            del self._keys[bisect_left(self._keys, key)]
            self.size -= len(self._bodies.pop(key))

    def since(self, since_ms: int) -> bytes:
        """Return the JSON array of all items posted at or after *since_ms*, newest first."""
        length = bisect_left(self._keys, (1 - since_ms, "", 0))
        joined = self._joined.get(length)
        if joined is None:
            bodies = self._bodies
            joined = _array(bodies[key] for key in self._keys[:length])
            self._remember(length, joined)
        return joined

    def _remember(self, length: int, joined: bytes) -> None:
        if len(joined) > _LARGEST_JOINED:
            return
        if len(self._joined) >= _JOINED_KEPT:
            self._joined.clear()
        self._joined[length] = joined


class StatusCache:
    """Windows and statistics of all instances, bounded; the least recently used go first."""

    def __init__(
        self,
        encode: Callable[[Status], bytes],
        *,
        shown: Callable[[Status], bool],
        limit: int = 64 << 20,
    ) -> None:
        """*shown*: which incoming statuses a reader may see. *limit*: bytes to keep, two
        thirds for items and one for statistics; 0 keeps nothing: every read asks the journal.
        """
        self._encode = encode
        self._shown = shown
        self._limit = limit * 2 // 3
        self._windows: OrderedDict[tuple[InstanceId, bool], Window] = OrderedDict()
        self._statistics = _Statistics(limit // 3)
        self._loading: dict[tuple[InstanceId, bool], list[Changes]] = {}
        self._used = 0

    def window(self, instance_id: InstanceId, *, outgoing: bool, since_ms: int) -> bytes | None:
        """The answer from memory, None if memory does not reach back to *since_ms*."""
        window = self._windows.get((instance_id, outgoing))
        if window is None or window.since_ms > since_ms:
            return None
        self._windows.move_to_end((instance_id, outgoing))
        return window.since(since_ms)

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
        begun = len(missed)
        try:
            statuses = await read()
        finally:
            alone = self._loading.get(slot) is missed
            if alone:
                del self._loading[slot]
        window = Window(since_ms)
        window.fill((key_of(status), self._encode(status)) for status in statuses)
        for changes in missed[begun:]:
            self._apply(window, changes, outgoing=outgoing)
        if alone and not any(changes.people_changed for changes in missed[begun:]):
            self._keep(slot, window)
        return window.since(since_ms)

    def statistics(self) -> "_Statistics":
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
                self._used += window.size - before

    def forget(self, instance_id: InstanceId) -> None:
        """Drop all that is kept of an instance; the journal answers until it is read again."""
        self._statistics.forget_instance(instance_id)
        for outgoing in (False, True):
            self._drop((instance_id, outgoing))

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
            return
        self._drop(slot)
        self._windows[slot] = window
        self._used += window.size
        while self._used > self._limit:
            self._drop(next(iter(self._windows)))

    def _drop(self, slot: tuple[InstanceId, bool]) -> None:
        window = self._windows.pop(slot, None)
        if window is not None:
            self._used -= window.size


class _Statistics:
    """Encoded rows by status, bounded in bytes; what is being loaded is loaded once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._bodies: OrderedDict[tuple[InstanceId, str], bytes] = OrderedDict()
        self._by_instance: dict[InstanceId, set[str]] = {}
        self._loads: dict[tuple[InstanceId, str], int] = {}
        self._tickets = count()

    def get(self, instance_id: InstanceId, status_id: str) -> bytes | None:
        """The rows if they are kept."""
        body = self._bodies.get((instance_id, status_id))
        if body is not None:
            self._bodies.move_to_end((instance_id, status_id))
        return body

    async def load(
        self,
        instance_id: InstanceId,
        status_id: str,
        read: Callable[[], Awaitable[bytes]],
    ) -> bytes:
        """Answer from the journal, and keep it unless a commit changed it meanwhile."""
        key = (instance_id, status_id)
        ticket = next(self._tickets)
        self._loads[key] = ticket
        try:
            body = await read()
        finally:
            unchanged = self._loads.get(key) == ticket
            if unchanged:
                del self._loads[key]
        if unchanged:
            self._put(key, body)
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

    def _put(self, key: tuple[InstanceId, str], body: bytes) -> None:
        self._pop(key)
        if len(body) > self._limit // 4:
            return  # one giant must not push out everything else
        self._bodies[key] = body
        self._by_instance.setdefault(key[0], set()).add(key[1])
        self._used += len(body) + _ENTRY_BYTES
        while self._used > self._limit:
            self._pop(next(iter(self._bodies)))

    def _pop(self, key: tuple[InstanceId, str]) -> None:
        body = self._bodies.pop(key, None)
        if body is None:
            return
        self._used -= len(body) + _ENTRY_BYTES
        ids = self._by_instance[key[0]]
        ids.discard(key[1])
        if not ids:
            del self._by_instance[key[0]]


def _array(items: Iterable[bytes]) -> bytes:
    """Return the JSON array of encoded items."""
    return b"[" + b",".join(items) + b"]"


def _of(statuses: Iterable[Status], *, outgoing: bool) -> list[Status]:
    return [status for status in statuses if status.outgoing is outgoing]
