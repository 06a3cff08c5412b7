"""The live stream: the event log, as it is written (contract 12.7)."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from statusgate.accounts.instances import Instances
from statusgate.changes.changes import Changes
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.journal import Journal
from statusgate.wire.events import EXPIRED, HEARTBEAT, RETRY, sse

HEARTBEAT_SECONDS: Final = 15.0
MOST_BUFFERED: Final = 1 << 20
"""Bytes that wait for one reader; beyond it is dropped, and can resume from the log."""
_PAGE = 50


class Live:
    """Open streams of all instances."""

    def __init__(
        self,
        journal: Journal,
        instances: Instances,
        *,
        is_shared: bool = False,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        most_buffered: int = MOST_BUFFERED,
    ) -> None:
        """*is_shared*: other nodes write to the log as well, so every event is read there."""
        self._journal = journal
        self._instances = instances
        self._is_shared = is_shared
        self._heartbeat_seconds = heartbeat_seconds
        self._most_buffered = most_buffered
        self._streams: dict[InstanceId, set[Stream]] = defaultdict(set)
        self._closed = False
        instances.listen(self._instance_changed)

    def follow(self, instance_id: InstanceId, changes: Changes) -> None:
        """Hand what a commit logged to the streams of its instance."""
        streams = self._streams.get(instance_id)
        if not (changes.events and streams):
            return
        first_no = changes.last_event_no - len(changes.events) + 1
        chunk = None if changes.in_doubt else encode(first_no, changes.events)
        for stream in streams:
            if self._is_shared:
                stream.read_on(0)
            elif chunk is None:
                stream.read_on(first_no - 1)
            else:
                stream.put(changes.last_event_no, chunk)

    def look(self) -> None:
        """Send what other nodes have written to the log."""
        for streams in self._streams.values():
            for stream in streams:
                stream.read_on(0)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for streams in self._streams.values():
            for stream in streams:
                stream.end()

    def open(self, instance: Instance, after: int | None) -> "Stream":
        """A new stream; *after*: the event to resume after, None: from now on.

        To be released with ``leave``.
        """
        stream = Stream(
            self._journal,
            instance,
            after,
            self._heartbeat_seconds,
            self._most_buffered,
            is_shared=self._is_shared,
        )
        self._streams[instance.id].add(stream)
        if self._closed:
            stream.end()
        return stream

    def leave(self, stream: "Stream") -> None:
        """Forget a stream."""
        streams = self._streams[stream.instance.id]
        streams.discard(stream)
        if not streams:
            del self._streams[stream.instance.id]

    def _instance_changed(self, instance: Instance) -> None:
        """End streams whose reader could not open one now."""
        for stream in self._streams.get(instance.id, ()):
            if not self._instances.still_admits(stream.instance):
                stream.end()


class Stream:
    """One reader."""

    def __init__(
        self,
        journal: Journal,
        instance: Instance,
        after: int | None,
        heartbeat_seconds: float,
        most_buffered: int,
        *,
        is_shared: bool,
    ) -> None:
        self.instance = instance
        self._journal = journal
        self._at = after or 0
        """number of the last event that was sent"""
        self._resumes = after is not None
        self._is_live = after is None
        self._begins_now = after is None and is_shared
        self._heartbeat_seconds = heartbeat_seconds
        self._most_buffered = most_buffered
        self._chunks: deque[tuple[int, bytes | None]] = deque()
        """what to send, up to which event; None: whatever the log has after that event"""
        self._size = 0
        self._changed = asyncio.Event()
        self._ended = False

    def put(self, last_no: int, chunk: bytes) -> None:
        """Add what a commit logged; a reader that is too far behind is dropped."""
        if not self._is_live or self._ended:
            return
        self._size += len(chunk)
        if self._size > self._most_buffered and self._chunks:
            self.end()
            return
        self._chunks.append((last_no, chunk))
        self._changed.set()

    def read_on(self, after: int) -> None:
        """Send what the log has after *after*: a commit in doubt may have added to it."""
        if not self._chunks or self._chunks[-1] != (after, None):
            self._chunks.append((after, None))
        self._changed.set()

    def end(self) -> None:
        """Send nothing more."""
        self._ended = True
        self._chunks.clear()
        self._changed.set()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What to send, as it comes, until the stream ends."""
        if self._begins_now:
            known = await self._journal.read(lambda tx: tx.log_range(self.instance.id))
            self._at = known.newest_no
        yield RETRY
        if self._resumes:
            async for chunk in self._resumed():
                yield chunk
        while not self._ended:
            self._changed.clear()
            while self._chunks:
                last_no, item = self._chunks.popleft()
                if item is None:
                    self._at = max(self._at, last_no)
                    async for chunk in self._logged():
                        yield chunk
                    continue
                self._size -= len(item)
                if last_no > self._at:
                    self._at = last_no
                    yield item
            if not self._ended and not await self._has_changed():
                yield HEARTBEAT

    async def _has_changed(self) -> bool:
        try:
            await asyncio.wait_for(self._changed.wait(), self._heartbeat_seconds)
        except TimeoutError:
            return False
        return True

    async def _resumed(self) -> AsyncGenerator[bytes, None]:
        """What was logged after the event asked for; then live without a gap."""
        known = await self._journal.read(lambda tx: tx.log_range(self.instance.id))
        if not known.oldest_no - 1 <= self._at <= known.newest_no:
            self._at = known.newest_no
            yield sse(self._at, EXPIRED)
        async for chunk in self._logged():
            yield chunk
        self._is_live = True
        async for chunk in self._logged():
            yield chunk

    async def _logged(self) -> AsyncGenerator[bytes, None]:
        while not self._ended:
            after = self._at
            page = await self._journal.read(
                lambda tx, after=after: tx.logged_events(self.instance.id, after, _PAGE)  # type: ignore[misc]
            )
            if not page:
                return
            for logged in page:
                known = max(0, after + 1 - logged.first_no)
                self._at = logged.last_no
                yield encode(logged.first_no + known, logged.lines[known:])


def encode(first_no: int, lines: Sequence[bytes]) -> bytes:
    """Lines as server-sent events, numbered from *first_no*."""
    return b"".join(sse(number, line) for number, line in enumerate(lines, first_no))
