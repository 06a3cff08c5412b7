"""The spool: what an engine has heard and the journal has not yet confirmed.

An engine may tell WhatsApp "got it" only once the event can no longer be lost, and the journal
lives in another process that may be away. So every event is first appended here, synced, and
kept until the journal has committed it.

On disk: segments ``spool-<first seq>`` of records ``length(4) crc32(4) seq(8) payload``, big
endian, the checksum covering sequence number and payload; ``confirmed``, the decimal position
below which nothing is needed any more; ``lock``, which keeps a second owner away.
"""

import fcntl
import os
import struct
import threading
import time
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

MAX_PAYLOAD = 1_000_000
"""bytes; leaves room for the envelope of a process border's 1 MiB frames"""

SEGMENT_BYTES = 8 * 1024 * 1024
MIN_FREE_BYTES = 16 * 1024 * 1024

_HEADER = struct.Struct(">IIQ")
_SEQ = struct.Struct(">Q")
_TIDY_BYTES = 64 * 1024
_PERSIST_EVERY = 1000
_LEAP = 1 << 20
"""more than a segment can hold, so that numbers behind a damage are never used again"""

_NO_FILE = -1

_POISON_BYTES = 4 * 1024 * 1024


class SpoolFull(OSError):
    """The disk is nearly full; nothing was appended."""


class SpoolInUse(OSError):
    """Another process owns the spool."""


class SpoolBroken(OSError):
    """A sync failed earlier: what is on disk is uncertain, so nothing more is promised."""


class _Segment:
    """One file of records whose numbers follow each other without gaps."""

    def __init__(self, directory: Path, first: int) -> None:
        self.path = directory / f"spool-{first:020d}"
        self.first = first
        self.offsets = array("Q")
        """where each record begins"""
        self.size = 0

    @property
    def last(self) -> int:
        """The number of the last record; ``first - 1`` while empty."""
        return self.first + len(self.offsets) - 1

    def add(self, record_bytes: int) -> None:
        """Note a record that was written at the end."""
        self.offsets.append(self.size)
        self.size += record_bytes

    def load(self, *, newest: bool) -> bool:
        """Index the whole records from the start of the file; cut off a torn last one.

        Returns False if the file is damaged other than by the torn end that the newest may
        have; then a copy of it is kept as ``….damaged`` beside the part that can be read.
        """
        data = self.path.read_bytes()
        while (length := _whole_record(data, self.size, self.last + 1)) is not None:
            self.add(length)
        if self.size == len(data):
            return True
        torn = newest and _is_torn(data, self.size, self.last + 1)
        if not torn:
            _write_file(self.path.with_name(self.path.name + ".damaged"), data)
        os.truncate(self.path, self.size)
        return torn


class Spool:
    """Append-only record file of one account; any number of threads, one process.

    Sequence numbers rise strictly and are never used twice, also over restarts.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        min_free_bytes: int = MIN_FREE_BYTES,
    ) -> None:
        """Open or create the spool in *directory*. Raises SpoolInUse, OSError."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._min_free_bytes = min_free_bytes
        self._changed = threading.Condition()
        self._lock_fd = _take_lock(directory / "lock")
        self._file = _NO_FILE
        self._syncing = False
        self._broken = False
        self._closed = False
        self.damaged = 0
        """segments found damaged at the start, other than by a torn end"""
        self._confirmed = self._persisted = _read_position(directory / "confirmed")
        self._segments = self._load_segments()
        newest = self._segments[-1].last if self._segments else 0
        self._last = max(newest, self._confirmed) + (_LEAP if self.damaged else 0)
        self._durable = self._last
        self._drop_confirmed()

    @property
    def first(self) -> int:
        """The number of the oldest record that is still here; ``last + 1`` if there is none."""
        with self._changed:
            return self._segments[0].first if self._segments else self._last + 1

    @property
    def last(self) -> int:
        """The last number given out; 0 if none ever was."""
        with self._changed:
            return self._last

    @property
    def confirmed(self) -> int:
        """Everything up to here is journaled."""
        with self._changed:
            return self._confirmed

    def append(self, payload: bytes) -> int:
        """Store *payload* and return its number once it is on disk.

        Threads that append at the same time share one sync. Raises SpoolFull with nothing
        stored, SpoolBroken after a failed sync, OSError for other faults, ValueError over
        MAX_PAYLOAD.
        """
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"a record of {len(payload)} bytes is too long for the spool")
        with self._changed:
            self._check_open()
            self._check_room(len(payload))
            seq = self._write(payload)
            self._sync(seq)
            return seq

    def read(self, after: int) -> Iterator[tuple[int, bytes]]:
        """Yield the records on disk whose number is above *after*, in order, then end."""
        while (found := self._locate(after + 1)) is not None:
            segment, first, count = found
            try:
                for seq, payload in _read_records(segment, first, count):
                    yield seq, payload
                    after = seq
            except FileNotFoundError:
                after = segment.last  # confirmed meanwhile

    def wait(self, after: int, timeout: float) -> bool:
        """Wait until there is a record above *after*, at most *timeout* seconds."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._durable > after or self._closed, timeout
            )

    def confirm(self, seq: int) -> None:
        """Forget everything up to *seq*; it is journaled.

        A *seq* beyond the last one, told by a journal that knows more than this spool (whose
        files were lost), makes numbering go on behind it. Raises OSError.
        """
        with self._changed:
            self._check_open()
            if seq <= self._confirmed:
                return
            self._confirmed = seq
            if seq > self._last:
                self._leave_segment()
                self._last = self._durable = seq
            if self._drop_confirmed() or seq - self._persisted >= _PERSIST_EVERY:
                self._persist()

    def tidy(self) -> None:
        """Remove what is confirmed also from the file being written, if all of it is.

        Meant for quiet moments: the next record costs a new file. Raises OSError.
        """
        with self._changed:
            self._check_open()
            self._drop_confirmed(tidy_bytes=0)

    def close(self) -> None:
        """Sync and release everything; idempotent."""
        with self._changed:
            if self._closed:
                return
            try:
                if not self._broken:
                    self._leave_segment()
                    self._persist()
                    self._drop_confirmed(tidy_bytes=0)
            finally:
                self._closed = True
                if self._file != _NO_FILE:
                    os.close(self._file)
                self._changed.notify_all()
                os.close(self._lock_fd)

    # -- all below: with the lock held

    def _load_segments(self) -> list[_Segment]:
        segments = []
        paths = sorted(self._directory.glob("spool-" + "[0-9]" * 20))
        for path in paths:
            segment = _Segment(self._directory, int(path.name[6:]))
            if not segment.load(newest=path == paths[-1]):
                self.damaged += 1
            if segment.offsets:
                _sync_path(path)  # a killed process may have left records unsynced
                segments.append(segment)
            else:
                path.unlink()
        return segments

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the spool is closed")
        if self._broken:
            raise SpoolBroken("an earlier sync of the spool failed")

    def _check_room(self, wanted: int) -> None:
        disk = os.statvfs(self._directory)
        if disk.f_bavail * disk.f_frsize < self._min_free_bytes + wanted:
            raise SpoolFull("too little space is left on the disk of the spool")

    def _write(self, payload: bytes) -> int:
        if self._segments and self._segments[-1].size >= self._segment_bytes:
            self._leave_segment()
        seq = self._last + 1
        if self._file == _NO_FILE:
            self._begin_segment(seq)
        segment = self._segments[-1]
        body = _SEQ.pack(seq) + payload
        record = struct.pack(">II", len(payload), zlib.crc32(body)) + body
        try:
            _write_whole(self._file, record)
        except OSError:
            self._take_back(segment)
            raise
        segment.add(len(record))
        self._last = seq
        return seq

    def _take_back(self, segment: _Segment) -> None:
        """Cut off what a failed write left; numbering and file stay usable."""
        try:
            os.ftruncate(self._file, segment.size)
        except OSError:
            self._broken = True

    def _sync(self, seq: int) -> None:
        """Return once *seq* is on disk; one thread syncs for all that wait."""
        while self._durable < seq:
            if self._syncing:
                self._changed.wait()
            else:
                self._sync_now(self._last)

    def _sync_now(self, upto: int) -> None:
        """Sync without holding the lock meanwhile, so that others can append."""
        if self._broken:
            raise SpoolBroken("a sync of the spool failed")
        self._syncing = True
        self._changed.release()
        try:
            failed = False
            os.fdatasync(self._file)
        except OSError:
            failed = True
            raise
        finally:
            self._changed.acquire()
            self._syncing = False
            self._broken = self._broken or failed
            if not failed:
                self._durable = max(self._durable, upto)
            self._changed.notify_all()

    def _begin_segment(self, first: int) -> None:
        segment = _Segment(self._directory, first)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(segment.path, flags, 0o600)
        self._segments.append(segment)
        _sync_path(self._directory)

    def _leave_segment(self) -> None:
        """Sync and close the file that is written to, if any; the next write begins another."""
        while self._file != _NO_FILE and (self._syncing or self._durable < self._last):
            if self._syncing:
                self._changed.wait()
            else:
                self._sync_now(self._last)
        if self._file != _NO_FILE:
            os.close(self._file)
            self._file = _NO_FILE

    def _locate(self, seq: int) -> tuple[_Segment, int, int] | None:
        """Return where the synced records from *seq* on are: segment, first number, count."""
        with self._changed:
            for segment in self._segments:
                if segment.last >= seq:
                    first = max(seq, segment.first)
                    count = min(segment.last, self._durable) - first + 1
                    return (segment, first, count) if count > 0 else None
            return None

    def _drop_confirmed(self, tidy_bytes: int = _TIDY_BYTES) -> bool:
        """Remove segments that are confirmed as a whole; tell whether any was.

        The one being written counts only once it has *tidy_bytes*, lest every event costs a
        new file.
        """
        newest = self._segments[-1] if self._segments else None
        if newest and newest.last <= self._confirmed and newest.size >= tidy_bytes:
            self._leave_segment()
        closed = self._segments if self._file == _NO_FILE else self._segments[:-1]
        gone = [segment for segment in closed if segment.last <= self._confirmed]
        if not gone:
            return False
        self._persist()  # first: numbers go on behind it when the files are gone
        for segment in gone:
            segment.path.unlink(missing_ok=True)
            self._segments.remove(segment)
        return True

    def _persist(self) -> None:
        if self._persisted == self._confirmed:
            return
        _write_file(self._directory / "confirmed", b"%d\n" % self._confirmed)
        self._persisted = self._confirmed


class PoisonFile:
    """Raw input that could not be handled, kept for a developer; bounded, never raises.

    Records: ``length(4) unix seconds(4) reason length(4) reason raw``, big endian.
    """

    def __init__(self, directory: Path, *, limit_bytes: int = _POISON_BYTES) -> None:
        self._path = directory / "poison"
        self._limit_bytes = limit_bytes
        self.count = 0
        """since this process started"""

    def write(self, raw: bytes, reason: str) -> None:
        """Keep *raw*, unless the file has reached its limit."""
        self.count += 1
        why = reason.encode(errors="replace")[:1000]
        head = struct.pack(">III", len(raw), int(time.time()), len(why))
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                if os.fstat(file).st_size + len(raw) <= self._limit_bytes:
                    os.write(file, head + why + raw)
            finally:
                os.close(file)
        except OSError:
            return


def _whole_record(data: bytes, at: int, seq: int) -> int | None:
    """Return the length of the record of number *seq* at *at*, None if it is not whole."""
    if at + _HEADER.size > len(data):
        return None
    length, checksum, found = _HEADER.unpack_from(data, at)
    end = at + _HEADER.size + length
    if found != seq or length > MAX_PAYLOAD or end > len(data):
        return None
    if zlib.crc32(memoryview(data)[at + 8 : end]) != checksum:
        return None
    return int(end - at)


def _is_torn(data: bytes, at: int, seq: int) -> bool:
    """Tell whether *at* is where the last writes, from *seq* on, were cut short.

    Nothing whole follows then.
    """
    if at + _HEADER.size > len(data) or not any(memoryview(data)[at:]):
        return True
    return not any(
        _whole_record(data, later, found) is not None
        for later in range(at + 1, len(data) - _HEADER.size)
        if seq < (found := _SEQ.unpack_from(data, later + 8)[0]) < seq + _LEAP
    )


def _read_records(segment: _Segment, first: int, count: int) -> Iterator[tuple[int, bytes]]:
    with segment.path.open("rb") as file:
        file.seek(segment.offsets[first - segment.first])
        for seq in range(first, first + count):
            length, checksum, _ = _HEADER.unpack(file.read(_HEADER.size))
            payload = file.read(length)
            if zlib.crc32(_SEQ.pack(seq) + payload) != checksum:
                raise SpoolBroken(f"record {seq} of the spool has changed on disk")
            yield seq, payload


def _write_whole(file: int, record: bytes) -> None:
    written = os.write(file, record)
    if written != len(record):
        raise OSError(f"only {written} of {len(record)} bytes could be written")


def _take_lock(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise SpoolInUse(f"{path.parent} is in use by another process") from None
    return lock


def _read_position(path: Path) -> int:
    try:
        return int(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return 0


def _write_file(path: Path, content: bytes) -> None:
    """Replace *path* so that a crash leaves either the old or the new content."""
    temporary = path.with_name(path.name + ".tmp")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, content)
        os.fsync(file)
    finally:
        os.close(file)
    temporary.replace(path)
    _sync_path(path.parent)


def _sync_path(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
