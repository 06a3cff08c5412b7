"""Receipts: a row for each recipient, whose progress only rises."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import (
    Progress,
    Reaction,
    Receipt,
    ReceiptChange,
    Recipient,
    Row,
    row_of,
)
from statusgate.domain.status import Status

from .instances import address_of
from .people import People, Person
from .rows import struct_of
from .session import Call, Value, clean, in_range

K = TypeVar("K")
Pair = tuple[int, int]
"""(status_no, person_no), the key of a row"""


class Change(msgspec.Struct, frozen=True):
    """A row before and after."""

    old: Row
    new: Row
    is_first: bool
    """there was no row before"""

    @property
    def raised_to(self) -> Progress | None:
        return self.new.progress if self.new.progress > self.old.progress else None

    @property
    def reacted(self) -> bool:
        """Whether the reaction is another one; taking back what was never there is not."""
        old, new = self.old.reaction, self.new.reaction
        return new != old and any(one is not None and one.emoji for one in (old, new))

    def lowers(self, at_ms: int | None) -> bool:
        """Whether a time that was *at_ms* became an earlier one."""
        old, new = self.old, self.new
        return at_ms is not None and (
            (old.delivered_ms == at_ms != new.delivered_ms)
            or (old.read_ms == at_ms != new.read_ms)
        )


class Tally(msgspec.Struct, frozen=True):
    """What a status keeps of its rows."""

    reached: int
    last_receipt_ms: int | None
    """the newest receipt"""
    recipients: int
    delivered: int
    read: int
    reactions: int

    def after(self, changes: Sequence[Change]) -> "Tally":
        recipients, delivered, read = self.recipients, self.delivered, self.read
        reactions = self.reactions
        for change in changes:
            old, new = change.old, change.new
            recipients += change.is_first
            if old.read_ms is None:
                read += new.read_ms is not None
                delivered += old.delivered_ms is None
            if new.reaction is not old.reaction:
                reactions += has_reaction(new) - has_reaction(old)
        newest = [change.new.newest_ms() for change in changes]
        return Tally(
            max(self.reached, *(int(change.new.progress) for change in changes)),
            max((at for at in (self.last_receipt_ms, *newest) if at is not None), default=None),
            recipients,
            delivered,
            read,
            reactions,
        )


class Receipts(People):
    def recipients(self, status: Status) -> list[Recipient]:
        """Rows of a status, newest ``at_ms`` first, then by participant (contract 3.7)."""
        found = self._recipients(status, ("recipients", _key_of(status)))
        return sorted(found, key=lambda one: (-one.at_ms, one.address.chat_id))

    def reactions(self, status: Status) -> list[Recipient]:
        """Rows of a status that have a reaction, the newest reaction first (contract 12.14)."""
        return self._recipients(status, ("reactions", _key_of(status)))

    def add_recipients(
        self, instance_id: InstanceId, status_no: int, addresses: Sequence[Address]
    ) -> None:
        """Add recipients to a status; rows that exist stay as they are."""
        if not self._tallies(instance_id, [status_no]):
            return
        numbers = self._numbers(instance_id, addresses)
        self._db.send(
            "add_rows",
            instance_id=instance_id,
            status_no=status_no,
            person_nos=[[number] for number in sorted(set(numbers.values()))],
        )
        self._recount(instance_id, status_no)

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
            reaction = receipt.reaction and clean(receipt.reaction)
            row = row_of(receipt.kind, in_range(receipt.at_ms), reaction)
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
                raised_to=(raised_to := change.raised_to),
                raised_from=change.old.progress,
                reacted=change.reacted,
                raised_status=(raised_to or Progress.PENDING) > by_no[status_no].reached,
            )
            for (status_no, number), change in self._raise_rows(instance_id, raised).items()
        ]

    # -- for the other parts of the journal

    def _recipients(self, status: Status, call: Call) -> list[Recipient]:
        """What *call* finds of a status, but for the account's own row."""
        account: Call = ("account", {"instance_id": status.instance_id})
        rows, found = self._db.run_each(call, account)
        own = address_of(found)
        base, base_ms = status.base, status.base_ms
        recipients = (recipient_of(row, base, base_ms) for row in rows)
        return [one for one in recipients if not one.address.meets(own)]

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
        rows, tallies = self._db.run_each(
            ("rows_of_pairs", {"instance_id": instance_id, "pairs": list(receipts)}),
            _tallies_of(instance_id, {status_no for status_no, _ in receipts}),
        )
        known = {(row.status_no, row.person_no): times_of(row) for row in rows}
        changes: dict[Pair, Change] = {}
        for pair, row in receipts.items():
            old = known.get(pair)
            new = row if old is None else old.joined(row)
            if old is None or new != old:
                changes[pair] = Change(old or Row(), new, old is None)
        self._write_rows(instance_id, changes, _by_status(tallies))
        return changes

    def _write_rows(
        self,
        instance_id: InstanceId,
        changes: Mapping[Pair, Change],
        tallies: Mapping[int, Tally],
    ) -> None:
        if not changes:
            return
        self._db.send(
            "write_rows",
            instance_id=instance_id,
            rows=[(*pair, *_columns(one.new)) for pair, one in changes.items()],
        )
        by_status: dict[int, list[Change]] = defaultdict(list)
        for (status_no, _), change in changes.items():
            by_status[status_no].append(change)
        for status_no, ones in by_status.items():
            tally = tallies[status_no]
            after = tally.after(ones)
            if after != tally:
                self._db.send(
                    "set_tally",
                    instance_id=instance_id,
                    status_no=status_no,
                    **msgspec.structs.asdict(after),
                )
            if any(one.lowers(tally.last_receipt_ms) for one in ones):
                self._recount(instance_id, status_no)

    def _recount(self, instance_id: InstanceId, status_no: int) -> None:
        """Update what a status keeps of its rows after some were added or deleted."""
        self._db.send("recount", instance_id=instance_id, status_no=status_no)

    def _tallies(self, instance_id: InstanceId, status_nos: Iterable[int]) -> dict[int, Tally]:
        (rows,) = self._db.run_each(_tallies_of(instance_id, status_nos))
        return _by_status(rows)

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
        self._db.send(
            "hold_early",
            instance_id=instance_id,
            held_ms=now_ms,
            rows=[(*key, *_columns(row)) for key, row in changed.items()],
        )


def _key_of(status: Status) -> dict[str, Value]:
    return {"instance_id": status.instance_id, "status_no": status.no}


def _tallies_of(instance_id: InstanceId, status_nos: Iterable[int]) -> Call:
    numbers = [[number] for number in status_nos]
    return "tallies", {"instance_id": instance_id, "status_nos": numbers}


def _by_status(rows: Iterable[Any]) -> dict[int, Tally]:
    return {row.status_no: struct_of(Tally, row) for row in rows}


def times_of(row: Any) -> Row:
    if row.reacted_ms is None:
        return Row(row.delivered_ms, row.read_ms)
    return Row(row.delivered_ms, row.read_ms, Reaction(row.reacted_ms, row.reaction))


def _columns(row: Row) -> tuple[int | str | None, ...]:
    if row.reaction is None:
        return row.delivered_ms, row.read_ms, None, None
    return row.delivered_ms, row.read_ms, row.reaction.at_ms, row.reaction.emoji


def has_reaction(row: Row) -> bool:
    """Whether a reaction is there and was not taken back."""
    return row.reaction is not None and row.reaction.emoji != ""


def recipient_of(row: Any, base: Progress, base_ms: int) -> Recipient:
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
