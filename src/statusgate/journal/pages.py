"""Lists and sums: what happened, a page at a time or summed up."""

from typing import Final

from statusgate.domain.ids import InstanceId
from statusgate.domain.status import Posted

from .outbox import Outbox
from .rows import struct_of

QUARTER_MS: Final = 900_000
"""A quarter of an hour; in every time zone midnight and the hours begin with one."""


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
