"""A sandbox account on disk: the spool as its log, and a snapshot that lets the log be short.

Calls block; the engine makes them in a thread, one after the other, except
:meth:`SandboxLog.read`, which may run beside them. The account is the engine's to change.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from statusgate.domain.errors import EngineUnavailable
from statusgate.engines.account_store import AccountStore
from statusgate.engines.simulated.account import Account, Record, Snapshot

_CHECKPOINT_RECORDS = 256
_CHECKPOINT_BYTES = 1024 * 1024

_records = msgspec.json.Decoder(Record)
_snapshots = msgspec.json.Decoder(Snapshot)


class SandboxLog:
    """The log of one account and the account it makes."""

    def __init__(self, directory: Path) -> None:
        """Open or create it. Raises EngineUnavailable if the state is unreadable, OSError."""
        self._store = AccountStore(directory)
        snapshot = self._snapshot()
        self._checkpoint_seq = snapshot.seq if snapshot else 0
        self._bytes = 0
        """appended since the last checkpoint"""
        if self._store.last < self._checkpoint_seq:
            self._store.confirm(
                self._checkpoint_seq
            )  # of a damaged file, the state alone is left
        self.is_new = self._store.last == 0
        self.account = Account(snapshot)
        for seq, record in self.read(self._checkpoint_seq):
            self.account.apply(seq, record)

    @property
    def last(self) -> int:
        """The number of the newest record, 0 if there never was one."""
        return self._store.last

    @property
    def confirmed(self) -> int:
        """Everything up to here is journaled."""
        return self._store.confirmed

    def append(self, record: Record) -> int:
        """Store a record; returns its number once it is on disk."""
        encoded = msgspec.json.encode(record)
        try:
            seq = self._store.append(encoded)
        except ValueError as error:
            raise EngineUnavailable(str(error)) from error
        self._bytes += len(encoded)
        return seq

    def read(self, after: int, limit: int | None = None) -> Iterator[tuple[int, Record]]:
        """Yield the records above *after*, at most *limit*."""
        for seq, payload in islice(self._store.read(after), limit):
            yield seq, _records.decode(payload)

    def wants_checkpoint(self, acked: int) -> bool:
        """Tell whether enough has been journaled to make the log shorter."""
        return acked > self._checkpoint_seq and (
            acked - self._checkpoint_seq >= _CHECKPOINT_RECORDS
            or self._bytes >= _CHECKPOINT_BYTES
        )

    def checkpoint(self, snapshot: Snapshot, acked: int) -> None:
        """Save the account, and forget the records up to *acked*.

        An *acked* beyond the newest record makes numbering go on behind it: the journal knows
        more than this log, which was lost.
        """
        encoded = msgspec.json.encode(snapshot)
        with self._store.transaction():
            self._store.run("REPLACE INTO sandbox VALUES (1, ?)", encoded)
            self._store.confirm(acked)
            self._store.forget_confirmed()
        self._checkpoint_seq = snapshot.seq
        self._bytes = 0

    def close(self) -> None:
        self._store.close()

    def _snapshot(self) -> Snapshot | None:
        found = self._store.run("SELECT state FROM sandbox")
        try:
            return _snapshots.decode(found[0][0]) if found else None
        except msgspec.MsgspecError as error:
            self._store.close()
            raise EngineUnavailable(
                f"the state of the sandbox is unreadable: {error}"
            ) from error
