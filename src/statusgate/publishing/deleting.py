"""Deleting statuses (contract 3.6, 7.3)."""

import asyncio
from collections.abc import Sequence

import structlog

from statusgate.accounts.manager import AccountManager
from statusgate.changes.changes import Changes
from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.address import Address
from statusgate.domain.clock import Clock
from statusgate.domain.errors import EngineUnavailable, MessageNotFound
from statusgate.domain.instance import Instance
from statusgate.domain.outbox import Outgoing, Phase
from statusgate.domain.status import Status
from statusgate.journal import Journal, Transaction

log = structlog.get_logger()
_LOOK_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 120.0
_REMOVED_AT_ONCE = 25


class Deleting:
    """Removes what has not gone out, revokes what has."""

    def __init__(
        self,
        journal: Journal,
        publisher: ChangePublisher,
        accounts: AccountManager,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._publisher = publisher
        self._accounts = accounts
        self._clock = clock

    async def delete(self, instance: Instance, status_id: str) -> None:
        """Delete a status; one that the engine is publishing just now is waited for.

        Raises MessageNotFound; of a published one NotAuthorized, and what the engine says.
        """
        waited = 0.0
        while (found := await self._remove_unsent(instance, status_id)) is None:
            self._accounts.live_engine(instance)
            if waited >= _LONGEST_WAIT_SECONDS:
                raise EngineUnavailable("the engine has not reported the outcome of the status")
            await asyncio.sleep(_LOOK_SECONDS)
            waited += _LOOK_SECONDS
        if isinstance(found, Status):
            await self._revoke(instance, found)
        log.info("status.deleted", instance=instance.id, status=status_id)

    async def clear(self, instance: Instance) -> None:
        """Remove all that waits or is scheduled; what the engine has stays.

        A few in each transaction, between which the writes of others have their turn.
        """
        waiting = await self._journal.read(lambda tx: tx.outgoing(instance.id))
        for start in range(0, len(waiting), _REMOVED_AT_ONCE):
            await self._remove_some(instance, waiting[start : start + _REMOVED_AT_ONCE])

    async def _remove_some(self, instance: Instance, waiting: Sequence[Outgoing]) -> None:
        def work(tx: Transaction, changes: Changes) -> None:
            for one in waiting:
                present = tx.outgoing_one(instance.id, one.status_id)
                if present is not None and present.phase is not Phase.SENDING:
                    self._remove(tx, changes, present)

        await self._publisher.record(instance.id, work)

    async def _remove_unsent(self, instance: Instance, status_id: str) -> Status | bool | None:
        """True: it was removed. The status: it is published. None: not known yet."""

        def work(tx: Transaction, changes: Changes) -> Status | bool | None:
            outgoing = tx.outgoing_one(instance.id, status_id)
            if outgoing is not None:
                if outgoing.phase is Phase.SENDING:
                    return None
                self._remove(tx, changes, outgoing)
                return True
            status = tx.status(instance.id, status_id)
            if status is None or not status.outgoing:
                raise MessageNotFound(status_id)
            if status.sent_ms is not None:
                return status
            self._forget(tx, changes, status)
            return True

        return await self._publisher.record(instance.id, work)

    async def _revoke(self, instance: Instance, status: Status) -> None:
        """Revoke it on WhatsApp for those who have it, then remove it."""
        engine = self._accounts.live_engine(instance)
        audience = await self._journal.read(lambda tx: _audience(tx, status))
        await engine.delete_status(status.wire_id or status.status_id, audience)

        def work(tx: Transaction, changes: Changes) -> None:
            self._forget(tx, changes, status)

        await self._publisher.record(instance.id, work)

    def _remove(self, tx: Transaction, changes: Changes, outgoing: Outgoing) -> None:
        tx.forget_outgoing(outgoing.instance_id, outgoing.status_id)
        changes.unposted.append(outgoing.status_id)
        changes.outbox.add("queue")
        if outgoing.status_no is not None:
            status = tx.status_by_no(outgoing.instance_id, outgoing.status_no)
            if status is not None:
                self._forget(tx, changes, status)

    def _forget(self, tx: Transaction, changes: Changes, status: Status) -> None:
        """Remove it from the journals; a late copy does not restore it."""
        at_ms = self._clock.now_ms()
        wire_id = status.wire_id or status.status_id
        gone = tx.record_deletion(status.instance_id, wire_id, None, at_ms)
        if gone is not None:
            changes.status_removed(gone, at_ms)


def _audience(tx: Transaction, status: Status) -> list[Address]:
    """Who has a status. Of one posted on the phone that is whoever sent a receipt, and while
    nobody has, every contact."""
    people = [row.address for row in tx.recipients(status)]
    if people or status.by_api:
        return people
    return [one.address for one in tx.contacts(status.instance_id) if one.contact_name]
