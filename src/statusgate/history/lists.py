"""Lists and sums of what happened: pages that cost the same wherever they are."""

from statusgate.domain.clock import Clock
from statusgate.domain.errors import MessageNotFound
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.journal import Journal, Transaction
from statusgate.journal.pages import FIRST, NEWEST, Place
from statusgate.wire.lists import (
    StatusesPage,
    StatusesRequest,
    ViewersPage,
    ViewersRequest,
    listed,
    page,
    place_of,
    viewer_item,
)
from statusgate.wire.summary import Calendar, StatusesSummary


class Lists:
    """Answers to those who look through much: pages and programs."""

    def __init__(
        self, journal: Journal, clock: Clock, *, public_url: str, contacts_only: bool
    ) -> None:
        """*contacts_only*: as in ``History``."""
        self._journal = journal
        self._clock = clock
        self._public_url = public_url
        self._contacts_only = contacts_only

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

    async def statuses(self, instance: Instance, request: StatusesRequest) -> StatusesPage:
        """Incoming or outgoing statuses, newest first (12.11)."""
        before = place_of("before", request.before, Place, NEWEST)
        outgoing = request.type == "outgoing"
        author = request.author
        if outgoing and author is not None and not author.meets(instance.me):
            return StatusesPage(items=[], next=None)

        def look(tx: Transaction) -> StatusesPage:
            found = tx.page_of_statuses(
                instance.id,
                request.wanted,
                outgoing=outgoing,
                author=None if outgoing else author,
                contacts_only=self._contacts_only and not outgoing,
                before=before,
                limit=request.limit + 1,
            )
            shown, following = page(found, request.limit, lambda one: (one.posted_ms, one.no))
            publications = tx.publications(instance.id, [one.no for one in shown])
            return StatusesPage(
                items=[
                    listed(one, publications.get(one.no), self._public_url) for one in shown
                ],
                next=following,
            )

        return await self._journal.read(look)

    async def viewers(self, instance: Instance, request: ViewersRequest) -> ViewersPage:
        """Recipients of an outgoing status, newest action first (12.12). MessageNotFound."""
        after = place_of("after", request.after, Place, FIRST)

        def look(tx: Transaction) -> ViewersPage | None:
            status = tx.status(instance.id, request.id_message)
            waiting = tx.outgoing_one(instance.id, request.id_message)
            if status is None and waiting is not None and waiting.is_scheduled:
                return ViewersPage(items=[], next=None)
            if status is None or not status.outgoing:
                return None
            found = tx.viewers(status, request.shown, after=after, limit=request.limit + 1)
            shown, following = page(found, request.limit, lambda one: (one.at_ms, one.no))
            return ViewersPage(
                items=[
                    viewer_item(one, status)
                    for one in shown
                    if not one.address.meets(instance.me)
                ],
                next=following,
            )

        answer = await self._journal.read(look)
        if answer is None:
            raise MessageNotFound(request.id_message)
        return answer
