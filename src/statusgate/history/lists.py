"""Lists and sums of what happened: pages that cost the same wherever they are."""

from statusgate.domain.clock import Clock
from statusgate.domain.ids import InstanceId
from statusgate.journal import Journal
from statusgate.wire.summary import Calendar, StatusesSummary


class Lists:
    """Answers to those who look through much: pages and programs."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def summary(
        self, instance_id: InstanceId, timezone: str, days: int
    ) -> StatusesSummary:
        """The posts of the last *days* by day and by hour of a time zone (12.10)."""
        calendar = Calendar(timezone, days, self._clock.now_ms())
        posted = await self._journal.read(
            lambda tx: tx.posted(
                instance_id, since_ms=calendar.since_ms, before_ms=calendar.before_ms
            )
        )
        return calendar.summary(posted)
