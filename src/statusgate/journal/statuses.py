"""Statuses: what was posted, by whom, and with which outcome."""

from collections.abc import Iterable
from typing import Any

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Counts, Failure, FailureReason, Kind, NewStatus, Status

from .receipts import times_of
from .replies import Replies
from .rows import CHAT_IDS, chat_ids_json, file_of

ACCOUNT = 0
"""The author number of the account itself."""
_END_OF_TIME = 2**62
# By number; calling an enum costs a microsecond a row.
_KINDS = {kind.value: kind for kind in Kind}
_PROGRESSES = {progress.value: progress for progress in Progress}


class Statuses(Replies):
    def statuses(
        self,
        instance_id: InstanceId,
        *,
        outgoing: bool,
        since_ms: int,
        before_ms: int | None = None,
        contacts_only: bool = False,
    ) -> list[Status]:
        """Statuses with ``since_ms <= posted_ms < before_ms``, newest first (D37).

        *contacts_only* keeps those whose author now has a non-empty contact name.
        """
        rows = self._db.run(
            "statuses_in_window",
            instance_id=instance_id,
            outgoing=outgoing,
            since_ms=since_ms,
            before_ms=_END_OF_TIME if before_ms is None else before_ms,
            contacts_only=contacts_only,
        )
        return [status_of(row) for row in rows]

    def status(
        self, instance_id: InstanceId, status_id: str, author: Address | None = None
    ) -> Status | None:
        """The status of that id: outgoing wins, then the newest; *author* selects (12.3)."""
        rows = self._db.run("statuses_by_id", instance_id=instance_id, status_id=status_id)
        found = [status_of(row) for row in rows]
        if author is not None:
            found = [status for status in found if status.author.meets(author)]
        return max(found, key=lambda one: (one.outgoing, one.posted_ms, one.no), default=None)

    def status_by_no(self, instance_id: InstanceId, no: int) -> Status | None:
        rows = self._db.run("status_by_no", instance_id=instance_id, status_no=no)
        return status_of(rows[0]) if rows else None

    def statuses_by_no(self, instance_id: InstanceId, numbers: Iterable[int]) -> list[Status]:
        """Those of these numbers that are there."""
        rows = self._db.run(
            "statuses_by_no", instance_id=instance_id, status_nos=[[no] for no in numbers]
        )
        return [status_of(row) for row in rows]

    def record_status(self, instance_id: InstanceId, new: NewStatus) -> Status | None:
        """Journal a status, with the receipts that came before it.

        None if (author, id) is known already or was deleted: a repeat changes nothing.
        """
        author_no = self._author_no(instance_id, new.author)
        numbered = self._db.run(
            "take_status_no",
            instance_id=instance_id,
            author_no=author_no,
            status_id=new.status_id,
            wire_id=new.wire_id,
        )
        if not numbered:
            return None
        status_no = int(numbered[0].value)
        self._add_status(instance_id, status_no, author_no, new)
        if new.wire_id is not None:
            self._forget_gap(instance_id, author_no, new.wire_id)
            if author_no == ACCOUNT:
                self._apply_early(instance_id, status_no, new.wire_id)
                self._claim_replies(instance_id, status_no, new.wire_id)
        return self.status_by_no(instance_id, status_no)

    def mark_sent(
        self, instance_id: InstanceId, status_no: int, wire_id: str, at_ms: int
    ) -> Status | None:
        """WhatsApp accepted an outgoing status as *wire_id*; early receipts are applied."""
        status = self.status_by_no(instance_id, status_no)
        if status is None or not status.outgoing or status.sent_ms is not None:
            return status
        own = {"instance_id": instance_id, "author_no": ACCOUNT}
        if self._db.run("is_deleted", **own, wire_id=wire_id):
            self._remove_status(instance_id, status_no)
            return None
        self._absorb_echo(instance_id, status_no, wire_id)
        self._db.send(
            "set_sent",
            instance_id=instance_id,
            status_no=status_no,
            wire_id=wire_id,
            at_ms=at_ms,
            sender_phone=self._account(instance_id).phone,
        )
        self._apply_early(instance_id, status_no, wire_id)
        self._claim_replies(instance_id, status_no, wire_id)
        return self.status_by_no(instance_id, status_no)

    def mark_failed(
        self, instance_id: InstanceId, status_no: int, failure: Failure, at_ms: int
    ) -> Status | None:
        """An outgoing status will not be published."""
        status = self.status_by_no(instance_id, status_no)
        if status is None or not status.outgoing or status.base is not Progress.PENDING:
            return status
        self._db.send(
            "set_failed",
            instance_id=instance_id,
            status_no=status_no,
            at_ms=at_ms,
            failure_reason=failure.reason,
            failure_text=failure.description,
        )
        return self.status_by_no(instance_id, status_no)

    def record_deletion(
        self, instance_id: InstanceId, wire_id: str, author: Address | None, at_ms: int
    ) -> Status | None:
        """Delete a status by WhatsApp's id, with its rows and file, and return it.

        *author* None means the account itself; a status that is not sent yet is found by our
        own id. The deletion is recorded, so that a late copy does not bring the status back.
        """
        author_no = self._author_no(instance_id, author)
        key: dict[str, int | str] = {
            "instance_id": instance_id,
            "author_no": author_no,
            "wire_id": wire_id,
        }
        self._db.send("add_deletion", **key, at_ms=at_ms)
        self._db.send("forget_gap", **key)
        if author_no == ACCOUNT:
            self._db.send("take_early", instance_id=instance_id, wire_id=wire_id)
            self._db.send("forget_replies_by_wire_id", instance_id=instance_id, wire_id=wire_id)
        found = self._db.run("status_to_delete", **key)
        if not found:
            return None
        status_no = found[0].status_no
        status = self.status_by_no(instance_id, status_no)
        self._remove_status(instance_id, status_no)
        return status

    def record_gap(
        self, instance_id: InstanceId, wire_id: str, author: Address, at_ms: int
    ) -> bool:
        """Record a status that could not be decrypted; False if it is known already."""
        author_no = self._author_no(instance_id, author)
        known = self._db.run(
            "known_or_deleted",
            instance_id=instance_id,
            author_no=author_no,
            status_id=wire_id,
            wire_id=wire_id,
        )
        if known:
            return False
        added = self._db.run(
            "add_gap",
            instance_id=instance_id,
            author_no=author_no,
            wire_id=wire_id,
            at_ms=at_ms,
        )
        return bool(added)

    def close_gap(self, instance_id: InstanceId, wire_id: str, author: Address) -> None:
        """What left the gap has been read after all, and was no status."""
        self._forget_gap(instance_id, self._author_no(instance_id, author), wire_id)

    # -- for the other parts of the journal

    def _remove_status(self, instance_id: InstanceId, status_no: int) -> None:
        """Delete a status with its rows and its download; its file expires."""
        key = {"instance_id": instance_id, "status_no": status_no}
        self._db.send("forget_rows_of_status", **key)
        self._db.send("forget_replies_of_status", **key)
        self._db.send("drop_download", **key)
        self._db.send("forget_outgoing_of_status", **key)
        self._db.send("forget_publication", **key)
        for row in self._db.run("forget_status", **key):
            if row.file_key is not None:
                self._db.send("end_file", instance_id=instance_id, key=row.file_key)

    def _author_no(self, instance_id: InstanceId, author: Address | None) -> int:
        number = None if author is None else self._number(instance_id, author)
        return ACCOUNT if number is None else number

    def _add_status(
        self, instance_id: InstanceId, status_no: int, author_no: int, new: NewStatus
    ) -> None:
        columns = msgspec.structs.asdict(new)
        del columns["author"]
        columns["participants"] = chat_ids_json(new.participants)
        self._db.send(
            "add_status",
            instance_id=instance_id,
            status_no=status_no,
            author_no=author_no,
            outgoing=author_no == ACCOUNT,
            reached=Progress.PENDING,
            **columns,
        )

    def _absorb_echo(self, instance_id: InstanceId, status_no: int, wire_id: str) -> None:
        """Take over the receipts of an own status that came back before its acknowledgement."""
        echo = self._sent(instance_id, [wire_id]).get(wire_id)
        if echo is None or echo.status_no == status_no or echo.by_api:
            return
        rows = self._db.run(
            "take_rows_of_status", instance_id=instance_id, status_no=echo.status_no
        )
        self._claim_replies(instance_id, status_no, wire_id)
        self._remove_status(instance_id, echo.status_no)
        self._raise_rows(
            instance_id, {(status_no, row.person_no): times_of(row) for row in rows}
        )

    def _forget_gap(self, instance_id: InstanceId, author_no: int, wire_id: str) -> None:
        self._db.send(
            "forget_gap", instance_id=instance_id, author_no=author_no, wire_id=wire_id
        )


def status_of(row: Any) -> Status:
    """Make a status of a row of the part ``status_item``."""
    outgoing = row.outgoing == 1
    return Status(
        instance_id=row.instance_id,
        no=row.status_no,
        status_id=row.status_id,
        wire_id=row.wire_id,
        outgoing=outgoing,
        by_api=row.by_api == 1,
        kind=_KINDS[row.kind],
        text=row.text,
        background=row.background,
        font=row.font,
        participants=CHAT_IDS.decode(row.participants),
        posted_ms=row.posted_ms,
        sent_ms=row.sent_ms,
        failed_ms=row.failed_ms,
        failure=_failure_of(row),
        reached=_PROGRESSES[row.reached],
        last_receipt_ms=row.last_receipt_ms,
        mimetype=row.mimetype,
        thumbnail=row.thumbnail,
        viewed_ms=row.viewed_ms,
        by_lid=row.by_lid == 1,
        counts=Counts(row.recipients, row.delivered, row.read, row.reactions, row.replies),
        author=(
            # The present account if it was sent before any was linked.
            Address(row.sender_phone or row.account_phone or "", row.account_lid or "")
            if outgoing
            else Address(row.author_phone or "", row.author_lid or "")
        ),
        author_name=(row.push_name if outgoing else row.author_name) or "",
        author_contact_name="" if outgoing else row.author_contact_name or "",
        file=file_of(row),
    )


def _failure_of(row: Any) -> Failure | None:
    if row.failure_reason is None:
        return None
    return Failure(FailureReason(row.failure_reason), row.failure_text)
