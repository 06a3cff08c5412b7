"""Lists and sums: what happened, a page at a time or summed up."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress, Viewer
from statusgate.domain.status import Posted, Status

from .outbox import Outbox
from .receipts import recipient_of
from .rows import struct_of

QUARTER_MS: Final = 900_000
"""A quarter of an hour; in every time zone midnight and the hours begin with one."""

Place = tuple[int, int]
"""where an item stands in its list: a time, and a number for those of the same time"""
FIRST: Final = (2**63 - 1, -1)
"""the place before the first item"""


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


def _viewer_of(row: Any, status: Status, replied_ms: int | None) -> Viewer:
    recipient = recipient_of(row, status.base, status.base_ms)
    return Viewer(
        **msgspec.structs.asdict(recipient),
        no=row.person_no,
        name=row.name,
        replied_ms=replied_ms,
    )
