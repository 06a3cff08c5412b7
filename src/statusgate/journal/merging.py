"""Merging two people that turn out to be one, first seen by phone and by LID."""

import msgspec

from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress, Row

from .receipts import has_reaction, times_of
from .statuses import Statuses


class Merging(Statuses):
    def _join_people(self, instance_id: InstanceId, into_no: int, from_no: int) -> None:
        self._join_names(instance_id, into_no, from_no)
        self._join_receipts(instance_id, into_no, from_no)
        self._join_early(instance_id, into_no, from_no)
        self._join_replies(instance_id, into_no, from_no)
        self._join_statuses(instance_id, into_no, from_no)

    def _join_names(self, instance_id: InstanceId, into_no: int, from_no: int) -> None:
        people = self._people(instance_id, {into_no, from_no})
        into, gone = people[into_no], people[from_no]
        ranks = [no for no in (into.known_no, gone.known_no) if no is not None]
        joined = msgspec.structs.replace(
            into,
            name=into.name or gone.name,
            contact_name=into.contact_name or gone.contact_name,
            book_name=gone.book_name if into.book_name is None else into.book_name,
            known_no=min(ranks, default=None),
        )
        self._save(instance_id, [joined])
        self._db.send("forget_person", instance_id=instance_id, person_no=from_no)

    def _join_receipts(self, instance_id: InstanceId, into_no: int, from_no: int) -> None:
        adopted = self._db.run(
            "adopt_rows", instance_id=instance_id, into_no=into_no, from_no=from_no
        )
        rows = self._db.run("take_rows_of_person", instance_id=instance_id, person_no=from_no)
        fewer = {row.status_no: _fewer(times_of(row)) for row in rows}
        for row in adopted:
            fewer[row.status_no][0] = 0
        self._db.send(
            "adjust_counts",
            instance_id=instance_id,
            rows=[(status_no, *counts) for status_no, counts in fewer.items()],
        )
        moved = {row.status_no: times_of(row) for row in rows if times_of(row) != Row()}
        self._raise_rows(instance_id, {(no, into_no): row for no, row in moved.items()})
        for status_no, tally in self._tallies(instance_id, moved).items():
            if tally.last_receipt_ms == moved[status_no].newest_ms():
                self._recount(instance_id, status_no)

    def _join_early(self, instance_id: InstanceId, into_no: int, from_no: int) -> None:
        rows = self._db.run("take_early_of_person", instance_id=instance_id, person_no=from_no)
        for row in rows:
            self._hold(instance_id, {(row.wire_id, into_no): times_of(row)}, row.held_ms)

    def _join_statuses(self, instance_id: InstanceId, into_no: int, from_no: int) -> None:
        both = {"instance_id": instance_id, "into_no": into_no, "from_no": from_no}
        for row in self._db.run("statuses_in_two_copies", **both):
            self._remove_status(instance_id, row.status_no)
        for name in ("give_statuses", "give_deletions", "give_gaps"):
            self._db.send(name, **both)
        of_gone = {"instance_id": instance_id, "author_no": from_no}
        self._db.send("forget_deletions_of_author", **of_gone)
        self._db.send("forget_gaps_of_author", **of_gone)
        of_joined = {"instance_id": instance_id, "author_no": into_no}
        for row in self._db.run("withdrawn_statuses", **of_joined):
            self._remove_status(instance_id, row.status_no)
        self._db.send("fill_gaps", **of_joined)


def _fewer(row: Row) -> list[int]:
    """What a status loses with *row*: recipients, delivered, read, reactions."""
    delivered = row.progress is not Progress.PENDING
    return [-1, -delivered, -(row.read_ms is not None), -has_reaction(row)]
