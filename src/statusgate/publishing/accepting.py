"""Accepting a status, or an answer to somebody's, and queueing it."""

import msgspec
import structlog

from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.address import Address, parse_chat_id
from statusgate.domain.audience import Choice, choose_contacts, choose_named, summary
from statusgate.domain.clock import Clock
from statusgate.domain.errors import InstanceUnknown, InvalidRequest, MessageNotFound
from statusgate.domain.ids import InstanceId, new_status_id
from statusgate.domain.instance import Instance
from statusgate.domain.media_types import JPEG, MP4, OPUS_MIMETYPE
from statusgate.domain.outbox import KEPT_MS, Draft, Outgoing, Phase, Publication
from statusgate.domain.status import Kind, NewStatus, Status
from statusgate.journal import Transaction

log = structlog.get_logger()
FARTHEST_MS = 365 * 86_400_000
_MIMETYPES = {
    Kind.TEXT: "",
    Kind.IMAGE: JPEG.mimetype,
    Kind.VIDEO: MP4.mimetype,
    Kind.AUDIO: OPUS_MIMETYPE,
}


class Publishing:
    """Accepts statuses and answers, and queues scheduled statuses when they are due."""

    def __init__(
        self,
        publisher: ChangePublisher,
        clock: Clock,
        *,
        max_audience: int | None,
    ) -> None:
        self._publisher = publisher
        self._clock = clock
        self._max_audience = max_audience

    async def accept(self, instance: Instance, draft: Draft) -> str:
        """Accept a status; durable on return. Returns its id, which never changes.

        Raises InvalidRequest if its time is more than 365 days ahead.
        """
        now_ms = self._clock.now_ms()
        if (draft.send_at_ms or 0) > now_ms + FARTHEST_MS:
            raise InvalidRequest("'sendAt' must be at most 365 days ahead")
        later = (draft.send_at_ms or 0) > now_ms
        if not later:
            draft = msgspec.structs.replace(draft, send_at_ms=None)
        outgoing = Outgoing(
            instance_id=instance.id,
            status_id=new_status_id(),
            draft=draft,
            accepted_ms=now_ms,
            phase=Phase.READY if draft.kind is Kind.TEXT else Phase.FETCHING,
        )

        def work(tx: Transaction, changes: Changes) -> None:
            tx.add_outgoing(outgoing)
            if outgoing.phase is Phase.FETCHING:
                changes.outbox.add("files")
            if later:
                changes.outbox.add("schedule")
            else:
                self._join(tx, changes, outgoing, joined_ms=now_ms, posted_ms=now_ms)

        await self._publisher.record(instance.id, work)
        log.info(
            "status.accepted",
            instance=instance.id,
            status=outgoing.status_id,
            kind=draft.kind.name.lower(),
            send_at_ms=draft.send_at_ms,
        )
        return outgoing.status_id

    async def answer(self, instance: Instance, draft: Draft) -> str:
        """Accept and queue a reaction or a reply to an incoming status, as ``accept`` does.

        Raises MessageNotFound, or InvalidRequest if the status is the account's own or is not
        by the one whom the draft names.
        """
        now_ms = self._clock.now_ms()
        answer_id = new_status_id()

        def work(tx: Transaction, changes: Changes) -> None:
            author = _answerable(tx, instance.id, draft).author
            outgoing = Outgoing(
                instance_id=instance.id,
                status_id=answer_id,
                draft=msgspec.structs.replace(draft, participants=(author.chat_id,)),
                accepted_ms=now_ms,
                phase=Phase.READY,
            )
            tx.add_outgoing(outgoing)
            tx.enqueue(instance.id, answer_id, None, now_ms + KEPT_MS)
            changes.outbox.add("queue")

        await self._publisher.record(instance.id, work)
        log.info("answer.accepted", instance=instance.id, answer=answer_id)
        return answer_id

    async def join_queue(self, instance_id: InstanceId, status_id: str) -> None:
        """Append a scheduled status that is due to its queue (contract 12.1)."""
        now_ms = self._clock.now_ms()

        def work(tx: Transaction, changes: Changes) -> None:
            outgoing = tx.outgoing_one(instance_id, status_id)
            if outgoing is not None and outgoing.is_scheduled:
                due_ms = outgoing.draft.send_at_ms or now_ms
                self._join(tx, changes, outgoing, joined_ms=now_ms, posted_ms=due_ms)

        await self._publisher.record(instance_id, work)

    def _join(
        self,
        tx: Transaction,
        changes: Changes,
        outgoing: Outgoing,
        *,
        joined_ms: int,
        posted_ms: int,
    ) -> None:
        status = journal_status(tx, outgoing, posted_ms)
        changes.seen = instance_of(tx, outgoing.instance_id)
        choice = choose_audience(tx, changes.seen, outgoing.draft, self._max_audience)
        tx.add_rows(outgoing.instance_id, status.no, choice.people)
        tx.record_publication(outgoing.instance_id, status.no, publication_of(outgoing, choice))
        tx.enqueue(outgoing.instance_id, outgoing.status_id, status.no, joined_ms + KEPT_MS)
        changes.status_added(status)
        changes.outbox.add("queue")


def status_answered(tx: Transaction, instance_id: InstanceId, draft: Draft) -> Status | None:
    """The status that a reaction or a reply answers; None if it is not in the journal."""
    (author,) = addresses_of(draft.participants)
    return tx.status(instance_id, draft.answered_id or "", author)


def _answerable(tx: Transaction, instance_id: InstanceId, draft: Draft) -> Status:
    """The status that a new answer is for; raises as ``Publishing.answer``."""
    status_id = draft.answered_id or ""
    status = status_answered(tx, instance_id, draft)
    if status is None:
        status = tx.status(instance_id, status_id)
        if status is not None and not status.outgoing:
            raise InvalidRequest("'chatId' must be the author of the status")
    if status is None:
        raise MessageNotFound(status_id)
    if status.outgoing:
        raise InvalidRequest("'idMessage' must be the id of an incoming status")
    return status


def journal_status(tx: Transaction, outgoing: Outgoing, posted_ms: int) -> Status:
    """Journal an accepted status as pending, with its file if that is stored already."""
    draft, prepared = outgoing.draft, outgoing.prepared
    status = tx.record_status(
        outgoing.instance_id,
        NewStatus(
            status_id=outgoing.status_id,
            wire_id=None,
            author=None,
            by_api=True,
            kind=draft.kind,
            text=draft.text,
            background=draft.background,
            font=draft.font,
            participants=tuple(dict.fromkeys(draft.participants)),
            posted_ms=posted_ms,
            mimetype=_MIMETYPES[draft.kind],
        ),
    )
    if status is not None and prepared is not None:
        status = tx.attach_file(
            outgoing.instance_id, status.no, prepared.file, prepared.thumbnail
        )
    if status is None:
        raise RuntimeError("a new status id was in use")
    return status


def instance_of(tx: Transaction, instance_id: InstanceId) -> Instance:
    """The instance as it is now; InstanceUnknown if it is deleted."""
    instance = tx.instance(instance_id)
    if instance is None or instance.deleted_ms is not None:
        raise InstanceUnknown(f"no instance {instance_id}")
    return instance


def choose_audience(
    tx: Transaction, instance: Instance, draft: Draft, most: int | None
) -> Choice:
    """Who is to get a status, as far as the journal alone shows (contract 3.1)."""
    if not draft.participants:
        return choose_contacts(tx.contacts(instance.id), instance.me, most)
    named = addresses_of(draft.participants)
    return choose_named(named, tx.known_people(instance.id, named), instance.me, most)


def addresses_of(participants: tuple[str, ...]) -> list[Address]:
    """The people that chat ids mean; they were validated on arrival."""
    return [address for text in participants if (address := parse_chat_id(text))]


def publication_of(outgoing: Outgoing, choice: Choice) -> Publication:
    """What is recorded about a status when it joins the queue."""
    draft = outgoing.draft
    return Publication(
        accepted_ms=outgoing.accepted_ms,
        send_at_ms=draft.send_at_ms,
        file_name=draft.file_name,
        requested=len(draft.participants) or None,
        resolved=len(choice.people),
        skipped=summary(choice.excluded),
    )
