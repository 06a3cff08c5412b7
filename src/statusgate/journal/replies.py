"""Replies: private messages that answer statuses of the account."""

from typing import Any

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId
from statusgate.domain.reply import MOST_REPLIES, Reply, ReplyKind
from statusgate.domain.status import Status

from .receipts import Receipts
from .session import clean, in_range


class Replies(Receipts):
    def replies(self, status: Status) -> list[Reply]:
        """Replies to an outgoing status, newest first (contract 12.15)."""
        rows = self._db.run(
            "replies_of_status", instance_id=status.instance_id, status_no=status.no
        )
        found = [reply_of(row, status.wire_id or "") for row in rows]
        return sorted(found, key=lambda one: (one.at_ms, one.reply_id), reverse=True)

    def reply_times(self, status: Status) -> list[int]:
        """When the replies to an outgoing status were sent, oldest first."""
        rows = self._db.run("reply_times", instance_id=status.instance_id, status_no=status.no)
        return [row.at_ms for row in rows]

    def record_reply(
        self, instance_id: InstanceId, reply: Reply, now_ms: int
    ) -> tuple[int, Reply] | None:
        """Journal a reply; of an unknown status it waits 24 h for it.

        Returns the status's number and the reply as it was recorded; None if the status is
        unknown, the reply is known already, or its author has answered that status
        ``MOST_REPLIES`` times.
        """
        viewer = self._persons(instance_id, [reply.viewer]).get(reply.viewer)
        if viewer is None:
            return None
        reply = msgspec.structs.replace(
            reply,
            wire_id=clean(reply.wire_id),
            viewer=viewer.address,
            reply_id=clean(reply.reply_id),
            text=clean(reply.text),
            at_ms=in_range(reply.at_ms),
        )
        status = self._sent(instance_id, [reply.wire_id]).get(reply.wire_id)
        status_no = None if status is None else status.status_no
        added = self._db.run(
            "add_reply",
            instance_id=instance_id,
            wire_id=reply.wire_id,
            person_no=viewer.no,
            reply_id=reply.reply_id,
            status_no=status_no,
            held_ms=now_ms if status is None else None,
            at_ms=reply.at_ms,
            kind=reply.kind,
            text=reply.text,
            most=MOST_REPLIES,
        )
        if not added or status_no is None:
            return None
        self._recount_replies(instance_id, status_no)
        return int(status_no), reply

    # -- for the other parts of the journal

    def _claim_replies(self, instance_id: InstanceId, status_no: int, wire_id: str) -> None:
        """Give a status the replies that name it and have no status, or a copy of it."""
        key = {"instance_id": instance_id, "status_no": status_no}
        if self._db.run("claim_replies", **key, wire_id=wire_id):
            self._recount_replies(instance_id, status_no)

    def _join_replies(self, instance_id: InstanceId, into_no: int, from_no: int) -> None:
        self._db.send("give_replies", instance_id=instance_id, into_no=into_no, from_no=from_no)
        rows = self._db.run(
            "take_replies_of_person", instance_id=instance_id, person_no=from_no
        )
        for status_no in {row.status_no for row in rows if row.status_no is not None}:
            self._recount_replies(instance_id, status_no)

    def _recount_replies(self, instance_id: InstanceId, status_no: int) -> None:
        self._db.send("recount_replies", instance_id=instance_id, status_no=status_no)


def reply_of(row: Any, wire_id: str) -> Reply:
    return Reply(
        wire_id=wire_id,
        viewer=Address(row.phone or "", row.lid or ""),
        reply_id=row.reply_id,
        kind=ReplyKind(row.kind),
        text=row.text,
        at_ms=row.at_ms,
        contact_name=row.contact_name or "",
    )
