"""Reports on statuses, the queue and audiences (contract 7.3, 12.3-12.5, 12.8)."""

import msgspec

from statusgate.accounts.manager import AccountManager
from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.address import Address, parse_chat_id
from statusgate.domain.audience import Choice, Reason, without
from statusgate.domain.clock import Clock
from statusgate.domain.errors import EngineUnavailable, MessageNotFound, NotAuthorized
from statusgate.domain.instance import Instance
from statusgate.domain.outbox import Draft, Outgoing, Phase, Publication
from statusgate.domain.receipt import Progress, Recipient
from statusgate.domain.status import Status
from statusgate.journal import Journal, Transaction
from statusgate.journal.pages import FIRST_QUEUED, QueuePlace, queue_place
from statusgate.publishing.accepting import choose_audience, publication_of
from statusgate.publishing.sending import excluded, not_on_whatsapp
from statusgate.wire.lists import (
    ListedStatus,
    StatusesPage,
    StatusesRequest,
    listed,
    page,
    place_of,
)
from statusgate.wire.reports import (
    AudienceAnswer,
    IncomingStatus,
    OutgoingStatus,
    QueueItem,
    StatusReport,
    audience_answer,
    queue_item,
    status_answer,
    status_report,
)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One status with all that is recorded about it."""

    status: Status
    publication: Publication | None
    recipients: list[Recipient]
    reply_times: list[int]
    scheduled: bool = False


class Reports:
    """Answers about single statuses, the queue, and audiences."""

    def __init__(
        self,
        journal: Journal,
        publisher: ChangePublisher,
        accounts: AccountManager,
        clock: Clock,
        *,
        public_url: str,
        max_audience: int | None,
    ) -> None:
        self._journal = journal
        self._publisher = publisher
        self._accounts = accounts
        self._clock = clock
        self._public_url = public_url
        self._max_audience = max_audience

    async def status(
        self, instance: Instance, status_id: str, chat_id: str | None
    ) -> IncomingStatus | OutgoingStatus:
        """The item of either direction and what more is known (12.3). MessageNotFound."""
        view = await self._view(instance, status_id, chat_id)
        return status_answer(view.status, view.publication, view.recipients, self._public_url)

    async def report(self, instance: Instance, status_id: str, interval: str) -> StatusReport:
        """Who got an outgoing status and when (12.4). MessageNotFound."""
        view = await self._view(instance, status_id, None)
        if not view.status.outgoing:
            raise MessageNotFound(status_id)
        return status_report(
            view.status,
            view.publication,
            view.recipients,
            view.reply_times,
            interval=interval,
            scheduled=view.scheduled,
        )

    async def queue(self, instance: Instance) -> list[QueueItem]:
        """What waits or is scheduled, next first (7.3)."""
        found = await self._journal.read(lambda tx: tx.outgoing(instance.id))
        return [queue_item(one) for one in found if one.phase is not Phase.SENDING]

    async def page(self, instance: Instance, request: StatusesRequest) -> StatusesPage:
        """Statuses that wait or are scheduled, next first (12.11)."""
        after = place_of("before", request.before, QueuePlace, FIRST_QUEUED)
        author, wanted = request.author, request.wanted
        others = author is not None and not author.meets(instance.me)
        if others or wanted.progress not in (None, Progress.PENDING):
            return StatusesPage(items=[], next=None)

        def look(tx: Transaction) -> StatusesPage:
            found = tx.page_of_queue(instance.id, wanted, after=after, limit=request.limit + 1)
            shown, following = page(found, request.limit, queue_place)
            return StatusesPage(
                items=[self._listed(tx, one, instance) for one in shown], next=following
            )

        return await self._journal.read(look)

    def _listed(
        self, tx: Transaction, outgoing: Outgoing, instance: Instance
    ) -> ListedStatus | IncomingStatus:
        number = outgoing.status_no
        status = None if number is None else tx.status_by_no(instance.id, number)
        if status is None:
            view = scheduled_view(outgoing, instance)
            return listed(view.status, view.publication, self._public_url, scheduled=True)
        return listed(status, tx.publication(instance.id, status.no), self._public_url)

    async def count(self, instance: Instance) -> int:
        """How many wait or are scheduled (7.3)."""
        return await self._journal.read(lambda tx: tx.count_outgoing(instance.id))

    async def audience(
        self, instance: Instance, participants: tuple[str, ...], limit: int | None
    ) -> AudienceAnswer:
        """Who would get a status now (12.5); unknown numbers are looked up if that can be.

        *limit* cuts the lists of the answer; None: all are listed.
        """
        draft = Draft(participants=participants)
        choice = await self._journal.read(
            lambda tx: choose_audience(tx, instance, draft, self._max_audience)
        )
        if participants:
            choice = await self._without_unknown(instance, choice)
        choice = await self._without_excluded(instance, choice)
        return audience_answer(
            choice, named=bool(participants), max_audience=self._max_audience, limit=limit
        )

    async def view(self, instance: Instance, status_id: str, chat_id: str | None) -> None:
        """Mark an incoming status as viewed, for its author to see (12.8); a live query."""
        author = None if chat_id is None else parse_chat_id(chat_id)
        engine = self._accounts.live_engine(instance)
        status = await self._journal.read(lambda tx: tx.status(instance.id, status_id, author))
        if status is None or status.outgoing:
            raise MessageNotFound(status_id)
        author_named = status.author
        if status.by_lid and author_named.lid:
            author_named = Address(lid=author_named.lid)
        await engine.mark_viewed(status.wire_id or status.status_id, author_named)
        at_ms = self._clock.now_ms()

        def work(tx: Transaction, changes: Changes) -> None:
            viewed = tx.mark_viewed(instance.id, status.no, at_ms)
            if viewed is not None:
                changes.statuses[viewed.no] = viewed

        await self._publisher.record(instance.id, work)

    async def _view(self, instance: Instance, status_id: str, chat_id: str | None) -> View:
        author = None if chat_id is None else parse_chat_id(chat_id)

        def look(tx: Transaction) -> View | None:
            status = tx.status(instance.id, status_id, author)
            if status is not None:
                return View(
                    status=status,
                    publication=tx.publication(instance.id, status.no),
                    recipients=tx.recipients(status),
                    reply_times=tx.reply_times(status) if status.counts.replies else [],
                )
            waiting = tx.outgoing_one(instance.id, status_id)
            if waiting is None or not waiting.is_scheduled:
                return None
            if author is not None and not author.meets(instance.me):
                return None
            return scheduled_view(waiting, instance)

        found = await self._journal.read(look)
        if found is None:
            raise MessageNotFound(status_id)
        return found

    async def _without_unknown(self, instance: Instance, choice: Choice) -> Choice:
        """Leave out strangers whom WhatsApp does not know, if it can be asked."""
        strangers = [one.address for one in choice.people if one.rank is None]
        try:
            engine = self._accounts.live_engine(instance)
            unknown = await not_on_whatsapp(engine, strangers)
        except (NotAuthorized, EngineUnavailable):
            return choice
        return without(choice, unknown, Reason.UNKNOWN)

    async def _without_excluded(self, instance: Instance, choice: Choice) -> Choice:
        """Leave out whom the account's own privacy list excludes, if it can be asked."""
        try:
            engine = self._accounts.live_engine(instance)
        except NotAuthorized:
            return choice
        gone = await excluded(engine, [one.address for one in choice.people])
        return without(choice, gone, Reason.PRIVACY)


def scheduled_view(outgoing: Outgoing, instance: Instance) -> View:
    """A scheduled status, which is in no journal yet."""
    draft, prepared = outgoing.draft, outgoing.prepared
    status = Status(
        instance_id=outgoing.instance_id,
        no=0,
        status_id=outgoing.status_id,
        wire_id=None,
        outgoing=True,
        by_api=True,
        author=instance.me,
        author_name=instance.push_name,
        author_contact_name="",
        kind=draft.kind,
        text=draft.text,
        background=draft.background,
        font=draft.font,
        participants=tuple(dict.fromkeys(draft.participants)),
        posted_ms=outgoing.accepted_ms,
        sent_ms=None,
        failed_ms=None,
        failure=None,
        reached=Progress.PENDING,
        last_receipt_ms=None,
        file=prepared.file if prepared else None,
        mimetype="",
        thumbnail=prepared.thumbnail if prepared else b"",
        viewed_ms=None,
    )
    publication = publication_of(outgoing, Choice((), ()))
    return View(
        status=status, publication=publication, recipients=[], reply_times=[], scheduled=True
    )
