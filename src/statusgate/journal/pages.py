"""Lists and sums: what happened, a page at a time or summed up."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId
from statusgate.domain.outbox import Outgoing, Publication
from statusgate.domain.receipt import Progress, Viewer
from statusgate.domain.status import Posted, Status, Wanted

from .outbox import Outbox, outgoing_of
from .receipts import recipient_of
from .rows import struct_of
from .statuses import status_of

QUARTER_MS: Final = 900_000
"""A quarter of an hour; in every time zone midnight and the hours begin with one."""

Place = tuple[int, int]
"""where an item stands in its list: a time, and a number for those of the same time"""
_LAST: Final = 2**63 - 1
FIRST: Final = (_LAST, -1)
"""the place before the first viewer"""
NEWEST: Final = (_LAST, 0)
"""the place before the newest status"""
QueuePlace = tuple[int, int, int, str]
"""where a status stands in the queue"""
FIRST_QUEUED: Final = (-1, 0, 0, "")


class Pages(Outbox):
    def posted(
        self, instance_id: InstanceId, *, since_ms: int, before_ms: int
    ) -> dict[int, Posted]:
        """Sums over the published statuses with ``since_ms <= posted_ms < before_ms``.

        By the quarter of an hour that they were posted in: its start, milliseconds UTC.
        """
        rows = self._db.run(
            "posted",
            instance_id=instance_id,
            since_ms=since_ms,
            before_ms=before_ms,
            quarter_ms=QUARTER_MS,
        )
        return {row.quarter * QUARTER_MS: struct_of(Posted, row) for row in rows}

    def page_of_statuses(
        self,
        instance_id: InstanceId,
        wanted: Wanted,
        *,
        outgoing: bool,
        author: Address | None = None,
        contacts_only: bool = False,
        before: Place = NEWEST,
        limit: int,
    ) -> list[Status]:
        """Statuses of one direction, newest first, without their *participants* (12.11).

        *author*: only those of this person; they are incoming. *before*: ``posted_ms`` and
        ``no`` of the one before the first.
        """
        until_ms, before_no = min(before, (wanted.before_ms, 0))
        page = {
            "instance_id": instance_id,
            "since_ms": wanted.since_ms,
            "until_ms": until_ms,
            "before_no": before_no,
            "contacts_only": contacts_only,
            "limit": limit,
            "kind": wanted.kind or 0,
            "progress": -1 if wanted.progress is None else wanted.progress,
        }
        if author is None:
            rows = self._db.run("page_of_statuses", outgoing=outgoing, **page)
        else:
            person = self._look_up(instance_id, [author]).person(author)
            number = 0 if person is None else person.no
            rows = self._db.run("page_of_author", author_no=number, **page)
        return [status_of(row) for row in rows]

    def page_of_queue(
        self,
        instance_id: InstanceId,
        wanted: Wanted,
        *,
        after: QueuePlace = FIRST_QUEUED,
        limit: int,
    ) -> list[Outgoing]:
        """Statuses that wait, in the order of ``outgoing``, by when they are to be posted."""
        after_no, after_ms, after_accepted_ms, after_id = after
        rows = self._db.run(
            "page_of_queue",
            instance_id=instance_id,
            since_ms=wanted.since_ms,
            before_ms=wanted.before_ms,
            kind=wanted.kind or 0,
            last_no=_LAST,
            after_no=after_no,
            after_ms=after_ms,
            after_accepted_ms=after_accepted_ms,
            after_id=after_id,
            limit=limit,
        )
        return [outgoing_of(row) for row in rows]

    def publications(
        self, instance_id: InstanceId, status_nos: Sequence[int]
    ) -> dict[int, Publication]:
        """As ``publication`` for many statuses, without those who were left out."""
        rows = self._db.run(
            "publications", instance_id=instance_id, status_nos=[[no] for no in status_nos]
        )
        return {row.status_no: struct_of(Publication, row) for row in rows}

    def viewers(
        self,
        status: Status,
        shown: Sequence[Progress],
        *,
        after: Place = FIRST,
        limit: int,
    ) -> list[Viewer]:
        """Recipients of *status* whose progress is *shown*, newest ``at_ms`` first (12.12).

        *after*: ``at_ms`` and ``no`` of the one before the first.
        """
        rows = self._db.run(
            "viewers",
            instance_id=status.instance_id,
            status_no=status.no,
            base=status.base,
            base_ms=status.base_ms,
            shown=[[progress] for progress in shown],
            from_ms=after[0],
            after_no=after[1],
            limit=limit,
        )
        replied = self._newest_replies(status, [row.person_no for row in rows])
        return [_viewer_of(row, status, replied.get(row.person_no)) for row in rows]

    def _newest_replies(self, status: Status, numbers: Sequence[int]) -> dict[int, int]:
        """When each of these people last replied to *status*, if they did."""
        rows = self._db.run(
            "newest_replies",
            instance_id=status.instance_id,
            wire_id=status.wire_id or "",
            numbers=[[number] for number in numbers],
        )
        return {row.person_no: row.replied_ms for row in rows}


def queue_place(outgoing: Outgoing) -> QueuePlace:
    """Where it stands in ``page_of_queue``."""
    at_ms = outgoing.draft.send_at_ms or 0
    number = _LAST if outgoing.queue_no is None else outgoing.queue_no
    return number, at_ms, outgoing.accepted_ms, outgoing.status_id


def _viewer_of(row: Any, status: Status, replied_ms: int | None) -> Viewer:
    recipient = recipient_of(row, status.base, status.base_ms)
    return Viewer(
        **msgspec.structs.asdict(recipient),
        no=row.person_no,
        name=row.name,
        replied_ms=replied_ms,
    )
