"""Recording what became of a status, or of an answer to somebody's."""

from collections.abc import Iterable, Sequence

import msgspec
import structlog

from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.address import Address
from statusgate.domain.audience import Excluded, Reason, summary
from statusgate.domain.clock import Clock
from statusgate.domain.errors import EngineRejected
from statusgate.domain.outbox import AnswerOutcome, LeftOut, Outgoing, Phase
from statusgate.domain.post import SentAnswer, SentStatus, Skipped
from statusgate.domain.status import Failure, FailureReason
from statusgate.journal import Journal, Transaction
from statusgate.publishing.accepting import journal_status

log = structlog.get_logger()
_EXPIRED = Failure(FailureReason.QUEUE_EXPIRED, "Not sent within 24 hours")
_GONE = Failure(FailureReason.STATUS_GONE, "The status that it answers was deleted")
_WHY_SKIPPED = {
    str(Reason.UNKNOWN): "not on WhatsApp",
    str(Reason.SELF): "the account itself",
    str(Reason.PRIVACY): "excluded by the account's status privacy",
    str(Reason.OVER_LIMIT): "beyond the limit",
}
_MOST_NAMED = 3


def refused(head: Outgoing, error: EngineRejected) -> Failure:
    """WhatsApp refused it with a code; without one the engine did."""
    if not error.code:
        return engine_fault(head, str(error))
    return Failure(FailureReason.REFUSED, f"Refused by WhatsApp ({error.code})")


def engine_fault(head: Outgoing, why: str = "") -> Failure:
    """The engine could not send it, or nobody knows whether it did; *why*, if that is known."""
    what = "send the answer" if head.is_answer else "publish the status"
    known = f": {why[:200]}" if why else ""
    return Failure(FailureReason.ENGINE_ERROR, f"The engine could not {what}{known}")


def expired(head: Outgoing) -> Failure:
    """It waited for 24 hours; the engine may have had it before a crash."""
    return engine_fault(head) if head.phase is Phase.SENDING else _EXPIRED


def status_gone(head: Outgoing) -> Failure:
    """The status that it answers is gone; the engine may have had it before a crash."""
    return engine_fault(head) if head.phase is Phase.SENDING else _GONE


class Outcomes:
    """Ends the time in the outbox, in one transaction with what became of it."""

    def __init__(self, journal: Journal, publisher: ChangePublisher, clock: Clock) -> None:
        self._journal = journal
        self._publisher = publisher
        self._clock = clock

    async def fail(self, outgoing: Outgoing, failure: Failure) -> None:
        """Record that it will not be published; a scheduled one appears in the journal now."""
        at_ms = self._clock.now_ms()
        instance_id = outgoing.instance_id

        def work(tx: Transaction, changes: Changes) -> bool:
            present = tx.outgoing_one(instance_id, outgoing.status_id)
            if present is None:
                return False
            if present.is_answer:
                return _end_answer(tx, changes, present, at_ms, failure)
            status_no = present.status_no
            if status_no is None:
                status = journal_status(tx, present, at_ms)
                changes.status_added(status)
                status_no = status.no
            tx.forget_outgoing(instance_id, outgoing.status_id)
            failed = tx.mark_failed(instance_id, status_no, failure, at_ms)
            if failed is None or failed.failed_ms != at_ms:
                return False
            changes.outcome_recorded(failed)
            return True

        if await self._publisher.record(instance_id, work):
            what = "answer" if outgoing.is_answer else "status"
            log.info(
                f"{what}.failed",
                instance=instance_id,
                reason=str(failure.reason),
                **{what: outgoing.status_id},
            )

    async def fail_without_recipients(self, outgoing: Outgoing) -> None:
        """It will not be published: all whom its sender named were left out (D36)."""
        instance_id, status_no = outgoing.instance_id, _number(outgoing)
        publication = await self._journal.read(
            lambda tx: tx.publication(instance_id, status_no)
        )
        await self.fail(outgoing, _no_recipients(publication.skipped if publication else ()))

    async def leave_out(self, outgoing: Outgoing, skipped: Sequence[Skipped]) -> None:
        """Remove the rows of people who cannot get it, and count them as skipped."""

        def work(tx: Transaction, changes: Changes) -> None:
            if tx.outgoing_one(outgoing.instance_id, outgoing.status_id) is not None:
                _leave_out(tx, changes, outgoing, skipped)

        await self._publisher.record(outgoing.instance_id, work)

    async def sent(
        self, outgoing: Outgoing, sent: SentStatus, audience: Sequence[Address]
    ) -> None:
        """Record that WhatsApp accepted it: rows for those who got it, none for the skipped.

        *audience* is what the engine was given; a fixed list on the phone may add to it.
        """
        at_ms = sent.sent_ms or self._clock.now_ms()
        instance_id, status_no = outgoing.instance_id, _number(outgoing)
        added = _beyond(audience, sent.recipients)

        def work(tx: Transaction, changes: Changes) -> bool:
            if not tx.forget_outgoing(instance_id, outgoing.status_id):
                return False
            tx.add_recipients(instance_id, status_no, added)
            tx.refuse(instance_id, status_no, sent.refused)
            _leave_out(tx, changes, outgoing, sent.skipped, added=len(added))
            raised = tx.mark_sent(instance_id, status_no, sent.wire_id, at_ms)
            if raised is None or raised.sent_ms != at_ms:
                return False
            changes.outcome_recorded(raised)
            return True

        if await self._publisher.record(instance_id, work):
            log.info(
                "status.sent",
                instance=instance_id,
                status=outgoing.status_id,
                recipients=len(audience) - len(sent.skipped) + len(added),
                skipped=len(sent.skipped),
                refused=len(sent.refused),
            )

    async def answered(self, outgoing: Outgoing, sent: SentAnswer) -> None:
        """Record that WhatsApp accepted a reaction or a reply."""
        at_ms = sent.sent_ms or self._clock.now_ms()

        def work(tx: Transaction, changes: Changes) -> bool:
            return _end_answer(tx, changes, outgoing, at_ms)

        if await self._publisher.record(outgoing.instance_id, work):
            log.info("answer.sent", instance=outgoing.instance_id, answer=outgoing.status_id)


def _end_answer(
    tx: Transaction,
    changes: Changes,
    outgoing: Outgoing,
    at_ms: int,
    failure: Failure | None = None,
) -> bool:
    """End an answer, of which nothing but the announcement stays; False: it was removed."""
    if not tx.forget_outgoing(outgoing.instance_id, outgoing.status_id):
        return False
    (chat_id,) = outgoing.draft.participants
    changes.answer_ended(
        AnswerOutcome(
            answer_id=outgoing.status_id, chat_id=chat_id, at_ms=at_ms, failure=failure
        )
    )
    return True


def _no_recipients(skipped: Iterable[LeftOut]) -> Failure:
    """Nobody is left; names the first few who were left out, and why."""
    found = [part for part in skipped if part.reason in _WHY_SKIPPED]
    people = [
        f"{chat_id} is {_WHY_SKIPPED[part.reason]}"
        for part in found
        for chat_id in part.participants
    ]
    more = sum(part.count for part in found) - _MOST_NAMED
    text = f"None of the participants can get it: {', '.join(people[:_MOST_NAMED])}"
    if more > 0:
        text += f" and {more} more"
    return Failure(FailureReason.NO_RECIPIENTS, text)


def _leave_out(
    tx: Transaction,
    changes: Changes,
    outgoing: Outgoing,
    skipped: Sequence[Skipped],
    *,
    added: int = 0,
) -> None:
    if not skipped and not added:
        return
    instance_id, status_no = outgoing.instance_id, _number(outgoing)
    tx.leave_out(instance_id, status_no, [one.address for one in skipped])
    known = tx.publication(instance_id, status_no)
    if known is not None:
        found = (Excluded(one.address.chat_id, _reason(one)) for one in skipped)
        tx.record_publication(
            instance_id,
            status_no,
            msgspec.structs.replace(
                known,
                skipped=summary(found, known.skipped),
                resolved=known.resolved - len(skipped) + added,
            ),
        )
    status = tx.status_by_no(instance_id, status_no)
    if status is not None:
        changes.statuses[status_no] = status


def _beyond(audience: Sequence[Address], recipients: Sequence[Address]) -> list[Address]:
    """Recipients who are not in *audience*."""
    phones = {one.phone for one in audience if one.phone}
    lids = {one.lid for one in audience if one.lid}
    return [one for one in recipients if one.phone not in phones and one.lid not in lids]


def _reason(skipped: Skipped) -> Reason:
    return Reason.PRIVACY if skipped.reason == Reason.PRIVACY else Reason.UNKNOWN


def _number(outgoing: Outgoing) -> int:
    if outgoing.status_no is None:
        raise RuntimeError("a status that is not in the queue was published")
    return outgoing.status_no
