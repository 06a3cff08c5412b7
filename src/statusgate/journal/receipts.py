"""Receipts: a row for each recipient, whose progress only rises."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import (
    Progress,
    Receipt,
    ReceiptChange,
    Recipient,
    Row,
    row_of,
)
from statusgate.domain.status import Status

from .people import People, Person
from .session import clean, in_range

K = TypeVar("K")
Pair = tuple[int, int]
"""(status_no, person_no), the key of a row"""


class Change(msgspec.Struct, frozen=True):
    """A row before and after."""

    old: Row
    new: Row

    @property
    def raised_to(self) -> Progress | None:
        return self.new.progress if self.new.progress > self.old.progress else None

    def lowers(self, at_ms: int | None) -> bool:
        """Whether a time that was *at_ms* became an earlier one."""
        old, new = self.old, self.new
        return at_ms is not None and (
            (old.delivered_ms == at_ms != new.delivered_ms)
            or (old.read_ms == at_ms != new.read_ms)
        )


class Receipts(People):
    def recipients(self, status: Status) -> list[Recipient]:
        """Rows of a status, newest ``at_ms`` first, then by participant (contract 3.7)."""
        if not status.outgoing:
            return []
        rows = self._db.run("recipients", instance_id=status.instance_id, status_no=status.no)
        own = self._account(status.instance_id)
        base, base_ms = status.base, status.base_ms
        recipients = (_recipient_of(row, base, base_ms) for row in rows)
        return sorted(
            (one for one in recipients if not one.address.meets(own)),
            key=lambda one: (-one.at_ms, one.address.chat_id),
        )

    def add_recipients(
        self, instance_id: InstanceId, status_no: int, addresses: Sequence[Address]
    ) -> None:
        """Add recipients to a status; rows that exist stay as they are."""
        if not self._tallies(instance_id, [status_no]):
            return
        numbers = self._numbers(instance_id, addresses)
        self._db.run(
            "add_rows",
            instance_id=instance_id,
            status_no=status_no,
            person_nos=[[number] for number in sorted(set(numbers.values()))],
        )

    def record_receipts(
        self, instance_id: InstanceId, receipts: Sequence[Receipt], now_ms: int
    ) -> list[ReceiptChange]:
        """Raise rows by the lattice; receipts of an unknown status wait 24 h for it.

        Unknown viewers are added to people, and the status's own ``reached`` and
        ``last_receipt_ms`` are updated. Returns the rows that changed; a repeat changes none.
        """
        persons = self._persons(instance_id, [receipt.viewer for receipt in receipts])
        sent = self._sent(instance_id, {clean(receipt.wire_id) for receipt in receipts})
        raised: dict[Pair, Row] = {}
        early: dict[tuple[str, int], Row] = {}
        viewers: dict[int, Person] = {}
        for receipt in receipts:
            viewer = persons.get(receipt.viewer)
            if viewer is None:
                continue
            row = row_of(receipt.kind, in_range(receipt.at_ms))
            wire_id = clean(receipt.wire_id)
            status = sent.get(wire_id)
            if status is None:
                _join(early, (wire_id, viewer.no), row)
            else:
                _join(raised, (status.status_no, viewer.no), row)
                viewers[viewer.no] = viewer
        if early:
            self._hold(instance_id, early, now_ms)
        by_no = {status.status_no: status for status in sent.values()}
        return [
            ReceiptChange(
                status_no=status_no,
                status_id=by_no[status_no].status_id,
                by_api=by_no[status_no].by_api == 1,
                viewer=viewers[number].address,
                row=change.new,
                raised_to=change.raised_to,
                raised_from=change.old.progress,
                raised_status=(change.raised_to or Progress.PENDING) > by_no[status_no].reached,
            )
            for (status_no, number), change in self._raise_rows(instance_id, raised).items()
        ]

    # -- for the other parts of the journal

    def _apply_early(self, instance_id: InstanceId, status_no: int, wire_id: str) -> None:
        """Apply the receipts that arrived before their status."""
        rows = self._db.run("take_early", instance_id=instance_id, wire_id=wire_id)
        self._raise_rows(
            instance_id, {(status_no, row.person_no): times_of(row) for row in rows}
        )

    def _raise_rows(
        self, instance_id: InstanceId, receipts: Mapping[Pair, Row]
    ) -> dict[Pair, Change]:
        """Join *receipts* into the rows there are; returns what that changed."""
        if not receipts:
            return {}
        rows = self._db.run("rows_of_pairs", instance_id=instance_id, pairs=list(receipts))
        known = {(row.status_no, row.person_no): times_of(row) for row in rows}
        changes: dict[Pair, Change] = {}
        for pair, row in receipts.items():
            old = known.get(pair)
            new = row if old is None else old.joined(row)
            if old is None or new != old:
                changes[pair] = Change(old or Row(), new)
        self._write_rows(instance_id, changes)
        return changes

    def _write_rows(self, instance_id: InstanceId, changes: Mapping[Pair, Change]) -> None:
        if not changes:
            return
        self._db.run(
            "write_rows",
            instance_id=instance_id,
            rows=[
                (*pair, one.new.delivered_ms, one.new.read_ms) for pair, one in changes.items()
            ],
        )
        by_status: dict[int, list[Change]] = defaultdict(list)
        for (status_no, _), change in changes.items():
            by_status[status_no].append(change)
        tallies = self._tallies(instance_id, by_status)
        for status_no, ones in by_status.items():
            reached, last_ms = tallies[status_no]
            raised = max(reached, *(one.new.progress for one in ones))
            if any(one.lowers(last_ms) for one in ones):
                newest_ms = self._newest_receipt(instance_id, status_no)
            else:
                newest_ms = _newest([last_ms, *(one.new.newest_ms() for one in ones)])
            if (raised, newest_ms) != (reached, last_ms):
                self._set_tally(instance_id, status_no, raised, newest_ms)

    def _recount(self, instance_id: InstanceId, status_no: int) -> None:
        """Update a status's newest receipt after rows were deleted."""
        reached, last_ms = self._tallies(instance_id, [status_no])[status_no]
        newest_ms = self._newest_receipt(instance_id, status_no)
        if newest_ms != last_ms:
            self._set_tally(instance_id, status_no, reached, newest_ms)

    def _newest_receipt(self, instance_id: InstanceId, status_no: int) -> int | None:
        rows = self._db.run("newest_receipt", instance_id=instance_id, status_no=status_no)
        return times_of(rows[0]).newest_ms()

    def _set_tally(
        self, instance_id: InstanceId, status_no: int, reached: int, last_ms: int | None
    ) -> None:
        self._db.run(
            "set_tally",
            instance_id=instance_id,
            status_no=status_no,
            reached=int(reached),
            last_receipt_ms=last_ms,
        )

    def _tallies(
        self, instance_id: InstanceId, status_nos: Iterable[int]
    ) -> dict[int, tuple[int, int | None]]:
        """By status: the greatest progress of its rows and the time of the newest receipt."""
        rows = self._db.run(
            "tallies", instance_id=instance_id, status_nos=[[no] for no in status_nos]
        )
        return {row.status_no: (row.reached, row.last_receipt_ms) for row in rows}

    def _sent(self, instance_id: InstanceId, wire_ids: Iterable[str]) -> dict[str, Any]:
        """The outgoing statuses among *wire_ids*: number, our id, by_api and reached."""
        rows = self._db.run(
            "outgoing_by_wire_id",
            instance_id=instance_id,
            wire_ids=[[wire_id] for wire_id in sorted(wire_ids)],
        )
        return {row.wire_id: row for row in rows}

    def _hold(
        self, instance_id: InstanceId, early: Mapping[tuple[str, int], Row], now_ms: int
    ) -> None:
        """Keep receipts until their status arrives."""
        wire_ids = [[wire_id] for wire_id in {wire_id for wire_id, _ in early}]
        rows = self._db.run("early_by_wire_id", instance_id=instance_id, wire_ids=wire_ids)
        held = {(row.wire_id, row.person_no): times_of(row) for row in rows}
        joined = {key: row.joined(held.get(key, row)) for key, row in early.items()}
        changed = {key: row for key, row in joined.items() if row != held.get(key)}
        self._db.run(
            "hold_early",
            instance_id=instance_id,
            held_ms=now_ms,
            rows=[(*key, row.delivered_ms, row.read_ms) for key, row in changed.items()],
        )


def times_of(row: Any) -> Row:
    return Row(row.delivered_ms, row.read_ms)


def _recipient_of(row: Any, base: Progress, base_ms: int) -> Recipient:
    """*base* is what the status itself makes of every row, since *base_ms*."""
    times = times_of(row)
    if times.read_ms is not None:
        progress, at_ms = Progress.READ, times.read_ms
    elif times.delivered_ms is not None:
        progress, at_ms = Progress.DELIVERED, times.delivered_ms
    else:
        progress, at_ms = base if row.refused is None else Progress.FAILED, base_ms
    return Recipient(
        address=Address(row.phone or "", row.lid or ""),
        contact_name=row.contact_name,
        progress=progress,
        at_ms=at_ms,
        row=times,
        refused=row.refused,
    )


def _join(rows: dict[K, Row], key: K, row: Row) -> None:
    old = rows.get(key)
    rows[key] = row if old is None else old.joined(row)


def _newest(times: Iterable[int | None]) -> int | None:
    return max((at_ms for at_ms in times if at_ms is not None), default=None)
