"""Rows in the order of an export, a page at a time: statuses, and what belongs to each.

A page goes on after the key of the last row, so that its cost does not depend on how many came
before it, and no transaction stays open between two pages.
"""

from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import Any

from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Recipient
from statusgate.domain.reply import Reply
from statusgate.domain.status import Status

from .receipts import recipient_of
from .replies import reply_of
from .statuses import Statuses

Key = tuple[Any, ...]
"""where a row stands among those of its status"""
FIRST_PERSON: Key = (0,)
FIRST_REACTION: Key = (-(2**62), 0)
FIRST_REPLY: Key = (-(2**62), "", 0)


class Exports(Statuses):
    def statuses_after(
        self,
        instance_id: InstanceId,
        posted_ms: int,
        status_no: int,
        *,
        before_ms: int,
        outgoing_only: bool,
        limit: int,
    ) -> Iterator[Status]:
        """The next *limit* statuses with ``posted_ms < before_ms``, the oldest first."""
        directions = [
            self._db.run(
                "statuses_after",
                instance_id=instance_id,
                outgoing=outgoing,
                posted_ms=posted_ms,
                status_no=status_no,
                before_ms=before_ms,
                limit=limit,
            )
            for outgoing in ([1] if outgoing_only else [0, 1])
        ]
        for row in islice(merge(*directions), limit):
            status = self.status_by_no(instance_id, row.status_no)
            if status is not None:
                yield status

    def recipients_after(
        self, status: Status, key: Key, limit: int
    ) -> list[tuple[Key, Recipient]]:
        """The next *limit* rows of an outgoing status, by person, each with its key."""
        (person_no,) = key
        rows = self._db.run("recipients_after", **_of(status), person_no=person_no, limit=limit)
        return [((row.person_no,), _recipient_of(row, status)) for row in rows]

    def reactions_after(
        self, status: Status, key: Key, limit: int
    ) -> list[tuple[Key, Recipient]]:
        """The next *limit* rows with a reaction, the oldest first, each with its key."""
        at_ms, person_no = key
        rows = self._db.run(
            "reactions_after", **_of(status), at_ms=at_ms, person_no=person_no, limit=limit
        )
        return [((row.reacted_ms, row.person_no), _recipient_of(row, status)) for row in rows]

    def replies_after(self, status: Status, key: Key, limit: int) -> list[tuple[Key, Reply]]:
        """The next *limit* replies to an outgoing status, the oldest first, with their keys."""
        at_ms, reply_id, person_no = key
        rows = self._db.run(
            "replies_after",
            **_of(status),
            at_ms=at_ms,
            reply_id=reply_id,
            person_no=person_no,
            limit=limit,
        )
        return [
            ((row.at_ms, row.reply_id, row.person_no), reply_of(row, status.wire_id or ""))
            for row in rows
        ]


def _of(status: Status) -> dict[str, int]:
    return {"instance_id": status.instance_id, "status_no": status.no}


def _recipient_of(row: Any, status: Status) -> Recipient:
    return recipient_of(row, status.base, status.base_ms)
