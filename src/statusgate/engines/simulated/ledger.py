"""A sandbox account on disk: the spool as its log, and a snapshot that lets the log be short.

In the account's directory: ``spool/``; ``state.json``, the account after some record; and
``records/``, records too long for the spool. Calls block; the engine makes them in a thread,
one after the other, except :meth:`Ledger.read`, which may run beside them. The account is the
engine's to change.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from statusgate.domain.errors import EngineUnavailable
from statusgate.engines.disk import make_private, write_durably
from statusgate.engines.simulated.account import Account, Record, Snapshot
from statusgate.engines.spool import MAX_PAYLOAD, Spool

_CHECKPOINT_RECORDS = 256
_CHECKPOINT_BYTES = 1024 * 1024

_records = msgspec.json.Decoder(Record)
_snapshots = msgspec.json.Decoder(Snapshot)
_ELSEWHERE = msgspec.json.encode(Record(elsewhere=True))


class Ledger:
    """The log of one account and the account it makes."""

    def __init__(self, directory: Path) -> None:
        """Open or create it. Raises EngineUnavailable if the state is unreadable, OSError."""
        make_private(directory)
        self._state_path = directory / "state.json"
        self._records_path = directory / "records"
        snapshot = _read_snapshot(self._state_path)
        self._spool = Spool(directory / "spool")
        self._checkpoint_seq = snapshot.seq if snapshot else 0
        self._bytes = 0
        """appended since the last checkpoint"""
        if self._spool.last < self._checkpoint_seq:
            self._spool.confirm(self._checkpoint_seq)  # the spool alone was lost
        self.is_new = self._spool.last == 0
        self.account = Account(snapshot)
        for seq, record in self.read(self._checkpoint_seq):
            self.account.apply(seq, record)

    @property
    def last(self) -> int:
        """The number of the newest record, 0 if there never was one."""
        return self._spool.last

    @property
    def confirmed(self) -> int:
        """Everything up to here is journaled."""
        return self._spool.confirmed

    def append(self, record: Record) -> int:
        """Store a record; returns its number once it is on disk."""
        encoded = msgspec.json.encode(record)
        if len(encoded) > MAX_PAYLOAD:
            make_private(self._records_path)
            write_durably(self._record_path(self._spool.last + 1), encoded)
        fits = len(encoded) <= MAX_PAYLOAD
        seq = self._spool.append(encoded if fits else _ELSEWHERE)
        self._bytes += len(encoded)
        return seq

    def read(self, after: int, limit: int | None = None) -> Iterator[tuple[int, Record]]:
        """Yield the records above *after*, at most *limit*."""
        for count, (seq, payload) in enumerate(self._spool.read(after), start=1):
            record = _records.decode(payload)
            if record.elsewhere:
                record = self._long_record(seq)
            yield seq, record
            if count == limit:
                return

    def wants_checkpoint(self, acked: int) -> bool:
        """Tell whether enough has been journaled to make the log shorter."""
        return acked > self._checkpoint_seq and (
            acked - self._checkpoint_seq >= _CHECKPOINT_RECORDS
            or self._bytes >= _CHECKPOINT_BYTES
        )

    def checkpoint(self, snapshot: Snapshot, acked: int) -> None:
        """Save the account, then forget the records up to *acked*.

        An *acked* beyond the newest record makes numbering go on behind it: the journal knows
        more than this log, which was lost.
        """
        write_durably(self._state_path, msgspec.json.encode(snapshot))
        self._checkpoint_seq = snapshot.seq
        self._bytes = 0
        self._spool.confirm(acked)
        self._drop_long_records(acked)

    def close(self) -> None:
        self._spool.close()

    def _record_path(self, seq: int) -> Path:
        return self._records_path / f"{seq:020d}.json"

    def _long_record(self, seq: int) -> Record:
        try:
            return _records.decode(self._record_path(seq).read_bytes())
        except FileNotFoundError as error:
            if seq <= self._spool.confirmed:
                return Record()  # whoever reads this late has it from elsewhere
            raise EngineUnavailable(f"record {seq} of the sandbox is gone") from error

    def _drop_long_records(self, acked: int) -> None:
        if self._records_path.is_dir():
            for path in self._records_path.glob("*.json"):
                if int(path.stem) <= acked:
                    path.unlink(missing_ok=True)


def _read_snapshot(path: Path) -> Snapshot | None:
    try:
        return _snapshots.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise EngineUnavailable(f"{path.name} of the sandbox is unreadable: {error}") from error
