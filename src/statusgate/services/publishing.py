"""Publishing: accept and record, hand to the engine, record what became of it."""

import msgspec

from statusgate.domain.address import Address, parse_chat_id
from statusgate.domain.errors import EngineRejected, EngineUncertain
from statusgate.domain.ids import InstanceId, new_status_id
from statusgate.domain.instance import Instance
from statusgate.domain.posting import SentStatus, StatusPost
from statusgate.domain.status import Failure, FailureReason, Kind, NewStatus, Status
from statusgate.ports import Clock, Journal, Reader, Transaction
from statusgate.services.changes import Changes
from statusgate.services.commits import Commits
from statusgate.services.ownership import Ownership


class TextPost(msgspec.Struct, frozen=True, kw_only=True):
    """A text status to publish (contract 3.3)."""

    text: str
    background: int | None = 0
    """0xRRGGBB"""
    font: int | None = 0
    """WhatsApp's number"""
    participants: tuple[str, ...] = ()
    """chat ids; empty: every contact with a contact name"""


class Publishing:
    """Takes statuses of the API to WhatsApp, one at a time an instance."""

    def __init__(
        self, journal: Journal, commits: Commits, ownership: Ownership, clock: Clock
    ) -> None:
        self._journal = journal
        self._commits = commits
        self._ownership = ownership
        self._clock = clock

    async def accept(self, instance: Instance, post: TextPost) -> Status:
        """Record a status as pending, with a row for each recipient; durable on return."""
        now_ms = self._clock.now_ms()
        status_id = new_status_id()

        def work(tx: Transaction, changes: Changes) -> Status:
            status = tx.record_status(
                instance.id,
                NewStatus(
                    status_id=status_id,
                    wire_id=None,
                    author=None,
                    by_api=True,
                    kind=Kind.TEXT,
                    text=post.text,
                    background=post.background,
                    font=post.font,
                    participants=tuple(dict.fromkeys(post.participants)),
                    posted_ms=now_ms,
                ),
            )
            if status is None:
                raise RuntimeError("a new status id was in use")
            tx.add_recipients(instance.id, status.no, audience_of(tx, instance, status))
            changes.appeared(status)
            return status

        return await self._commits.record(instance.id, work)

    async def publish(self, instance: Instance, status: Status) -> SentStatus | Failure:
        """Hand an accepted status to the engine and record the outcome.

        Raises EngineUnavailable or NotAuthorized if it can be tried again; nothing changes.
        """
        engine = self._ownership.live_engine(instance)
        rows = await self._journal.read(lambda tx: tx.recipients(status))
        audience = [row.address for row in rows]
        post = StatusPost(
            key=status.status_id,
            kind=status.kind,
            text=status.text,
            background=status.background,
            font=status.font,
        )
        try:
            sent = await engine.post_status(post, audience)
        except EngineRejected as error:
            return await self._fail(
                instance.id,
                status,
                Failure(FailureReason.REFUSED, f"Refused by WhatsApp ({error.code})"),
            )
        except EngineUncertain:
            return await self._fail(
                instance.id,
                status,
                Failure(FailureReason.ENGINE_ERROR, "The engine could not publish the status"),
            )
        await self._record_sent(instance.id, status, sent)
        return sent

    async def _record_sent(
        self, instance_id: InstanceId, status: Status, sent: SentStatus
    ) -> None:
        at_ms = sent.sent_ms or self._clock.now_ms()

        def work(tx: Transaction, changes: Changes) -> None:
            tx.add_recipients(instance_id, status.no, sent.recipients)
            raised = tx.mark_sent(instance_id, status.no, sent.wire_id, at_ms)
            if raised is not None and raised.sent_ms == at_ms:
                changes.concluded(raised)

        await self._commits.record(instance_id, work)

    async def _fail(self, instance_id: InstanceId, status: Status, failure: Failure) -> Failure:
        at_ms = self._clock.now_ms()

        def work(tx: Transaction, changes: Changes) -> None:
            failed = tx.mark_failed(instance_id, status.no, failure, at_ms)
            if failed is not None and failed.failed_ms == at_ms:
                changes.concluded(failed)

        await self._commits.record(instance_id, work)
        return failure


def audience_of(tx: Reader, instance: Instance, status: Status) -> list[Address]:
    """Who is to get a status: those it names, else every contact with a contact name."""
    if not status.participants:
        return [contact.address for contact in tx.contacts(instance.id) if contact.contact_name]
    named = (parse_chat_id(text) for text in status.participants)
    return [address for address in named if address and not address.meets(instance.me)]
