"""Announcing: writes a fact's notifications and events in the fact's own transaction.

Two logs: the notification queue, as far as the instance's settings ask for it (contract 6.4),
and the event log of the live stream, always (contract 12.7).
"""

from collections.abc import Callable, Sequence
from typing import assert_never

from statusgate.changes.changes import (
    Changes,
    Fact,
    FileSettled,
    InstanceStateChanged,
    OutcomeRecorded,
    ReceiptsRecorded,
    ReplyRecorded,
    StatusAdded,
    StatusRemoved,
)
from statusgate.domain.address import Address
from statusgate.domain.clock import Clock
from statusgate.domain.contact import KnownContact
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance
from statusgate.domain.outbox import AnswerOutcome
from statusgate.domain.receipt import Progress, ReceiptChange
from statusgate.domain.reply import Reply
from statusgate.domain.status import Status
from statusgate.journal import Transaction
from statusgate.wire import events, notifications
from statusgate.wire.notifications import ReceiptStatus


class Announcing:
    """Turns the facts of a transaction into notifications and events."""

    def __init__(
        self, clock: Clock, *, public_url: str, shown: Callable[[Status], bool]
    ) -> None:
        """*shown*: which incoming statuses a reader may see (contract 3.8)."""
        self._clock = clock
        self._public_url = public_url
        self._shown = shown

    def announce(self, tx: Transaction, instance_id: InstanceId, changes: Changes) -> None:
        """Write both logs; notes in *changes* what was written."""
        if not (changes.facts or changes.contacts):
            return
        instance = changes.instance or changes.seen or tx.instance(instance_id)
        if instance is None:
            return
        announcement = _Announcement(tx, instance, changes, self._public_url, self._shown)
        announcement.compose()
        now_ms = self._clock.now_ms()
        if announcement.bodies:
            tx.add_notifications(instance_id, announcement.bodies, now_ms)
            changes.queued = len(announcement.bodies)
        if announcement.lines:
            changes.last_event_no = tx.log_events(instance_id, announcement.lines, now_ms)
            changes.events = announcement.lines


class _Announcement:
    """The notifications and events of one transaction."""

    def __init__(
        self,
        tx: Transaction,
        instance: Instance,
        changes: Changes,
        public_url: str,
        shown: Callable[[Status], bool],
    ) -> None:
        self._tx = tx
        self._instance = instance
        self._settings = instance.settings
        self._changes = changes
        self._public_url = public_url
        self._shown = shown
        self.bodies: list[bytes] = []
        self.lines: list[bytes] = []
        self._awaiting: dict[int, bool] = {}
        """by number: whether the file of a status is still to be fetched"""
        self._people: dict[Address, KnownContact] = {}
        """those looked up so far"""

    def compose(self) -> None:
        """Contacts first, so that a status comes after its author."""
        self.lines += map(events.contact_line, self._changes.contacts)
        for fact in self._changes.facts:
            self._fact(fact)

    def _fact(self, fact: Fact) -> None:
        match fact:
            case StatusAdded():
                self._status_added(fact)
            case FileSettled():
                self._file_settled(fact)
            case OutcomeRecorded():
                self._outcome_recorded(fact)
            case AnswerOutcome():
                self._answer_ended(fact)
            case ReceiptsRecorded():
                self._receipts_recorded(fact)
            case ReplyRecorded():
                self._reply(fact.status, fact.reply)
            case StatusRemoved():
                self._status_removed(fact)
            case InstanceStateChanged():
                self._state_changed(fact)
            case _:
                assert_never(fact)

    def _status_added(self, fact: StatusAdded) -> None:
        status = self._changes.statuses.get(fact.status_no)
        if status is None:
            return
        if status.outgoing:
            self.lines.append(events.status_line(status, self._public_url))
        if status.outgoing and status.by_api:
            return
        if not fact.awaits_file:
            self._message(status)
        if status.outgoing:
            self._early(status)

    def _file_settled(self, fact: FileSettled) -> None:
        """Incoming statuses and those posted on the phone are announced with their file, and
        then the receipts, reactions and replies that arrived meanwhile."""
        status = self._changes.statuses.get(fact.status_no)
        if status is None or (status.outgoing and status.by_api):
            return
        self._message(status)
        if status.outgoing:
            self._early(status, logged=False)

    def _message(self, status: Status) -> None:
        """Announce a status that is complete."""
        if not status.outgoing:
            if not self._shown(status):
                return
            self.lines.append(events.status_line(status, self._public_url))
        if self._settings.status_webhook:
            self.bodies.append(
                notifications.message_body(self._instance, status, self._public_url)
            )

    def _outcome_recorded(self, fact: OutcomeRecorded) -> None:
        status = self._changes.statuses.get(fact.status_no)
        if status is None:
            return
        self.lines.append(events.changed_line(status))
        if self._settings.status_webhook:
            if status.base is Progress.SENT:
                self.bodies.append(
                    notifications.message_body(self._instance, status, self._public_url)
                )
            self.bodies.append(notifications.outcome_body(self._instance, status))
        self._early(status)

    def _answer_ended(self, outcome: AnswerOutcome) -> None:
        self.lines.append(events.answer_line(outcome))
        if self._settings.status_webhook:
            self.bodies.append(notifications.answer_body(self._instance, outcome))

    def _early(self, status: Status, *, logged: bool = True) -> None:
        """Announce what came before this transaction: before the status, or before its file."""
        if status.reached is not Progress.PENDING:
            self._early_receipts(status, logged=logged)
        if status.counts.replies:
            self._early_replies(status, logged=logged)

    def _early_receipts(self, status: Status, *, logged: bool) -> None:
        """Announce what the rows had reached before the receipts of this transaction."""
        before: dict[tuple[int, str], Progress] = {}
        reacted: set[tuple[int, str]] = set()
        for change in self._changes.receipts:
            key = (change.status_no, change.viewer.chat_id)
            before.setdefault(key, change.raised_from)
            if change.reacted:
                reacted.add(key)
        recipients = self._tx.recipients(status)
        if self._settings.status_reaction_webhook:
            self._look_up([one.address for one in recipients if one.row.reaction])
        for one in reversed(recipients):
            key = (status.no, one.address.chat_id)
            receipt = ReceiptChange(
                status_no=status.no,
                status_id=status.status_id,
                by_api=status.by_api,
                viewer=one.address,
                row=one.row,
                raised_to=before.get(key, Progress.READ),
                reacted=bool(one.row.reaction and one.row.reaction.emoji)
                and key not in reacted,
            )
            self._receipt(receipt, logged=logged)
            self._reaction(receipt, logged=logged)

    def _early_replies(self, status: Status, *, logged: bool) -> None:
        """Announce the replies that this transaction did not record."""
        recorded = {
            fact.reply.reply_id
            for fact in self._changes.facts
            if isinstance(fact, ReplyRecorded) and fact.status.no == status.no
        }
        for reply in reversed(self._tx.replies(status)):
            if reply.reply_id not in recorded:
                self._reply(status, reply, logged=logged)

    def _receipts_recorded(self, fact: ReceiptsRecorded) -> None:
        if self._settings.status_reaction_webhook:
            self._look_up([one.viewer for one in fact.receipts if one.reacted])
        for one in fact.receipts:
            self._receipt(one)
            self._reaction(one)
        for number in dict.fromkeys(
            one.status_no for one in fact.receipts if one.raised_status
        ):
            status = self._changes.statuses.get(number)
            if status is not None:
                self.lines.append(events.changed_line(status))

    def _receipt(self, change: ReceiptChange, *, logged: bool = True) -> None:
        """Announce each kind of receipt that a row has for the first time.

        Notifications wait for that of the status itself, which waits for its file.
        """
        if change.raised_to is None:
            return
        queued = self._settings.status_receipt_webhook and not self._awaits_file(
            change.status_no, by_api=change.by_api
        )
        for kind, at_ms in change.row.stages(change.raised_from, change.raised_to):
            name: ReceiptStatus = "read" if kind is Progress.READ else "delivered"
            viewer = change.viewer.chat_id
            if logged:
                self.lines.append(events.receipt_line(change.status_id, viewer, name, at_ms))
            if queued:
                self.bodies.append(
                    notifications.receipt_body(
                        self._instance,
                        change.status_id,
                        viewer,
                        name,
                        at_ms,
                        by_api=change.by_api,
                    )
                )

    def _reaction(self, change: ReceiptChange, *, logged: bool = True) -> None:
        """Announce a reaction that is new or taken back; the notification as of a receipt."""
        reaction = change.row.reaction
        if not change.reacted or reaction is None:
            return
        if logged:
            viewer = change.viewer.chat_id
            self.lines.append(events.reaction_line(change.status_id, viewer, reaction))
        if self._settings.status_reaction_webhook and not self._awaits_file(
            change.status_no, by_api=change.by_api
        ):
            self.bodies.append(
                notifications.reaction_body(
                    self._instance, change.status_id, self._person(change.viewer), reaction
                )
            )

    def _reply(self, status: Status, reply: Reply, *, logged: bool = True) -> None:
        """Announce a reply; the notification as of a receipt."""
        if logged:
            self.lines.append(events.reply_line(status.status_id, reply))
        if self._settings.status_reply_webhook and not self._awaits_file(
            status.no, by_api=status.by_api
        ):
            self.bodies.append(
                notifications.reply_body(
                    self._instance, status, self._person(reply.viewer), reply
                )
            )

    def _status_removed(self, fact: StatusRemoved) -> None:
        status = fact.status
        if not (status.outgoing or self._shown(status)):
            return
        self.lines.append(events.deleted_line(status))
        if self._settings.status_deleted_webhook and not status.outgoing:
            self.bodies.append(notifications.deleted_body(self._instance, status, fact.at_ms))

    def _person(self, address: Address) -> KnownContact:
        """Who that is, with the names known now."""
        self._look_up([address])
        nobody = KnownContact(no=0, address=address, name="", contact_name="")
        return self._people.get(address, nobody)

    def _look_up(self, addresses: Sequence[Address]) -> None:
        """Ask for many people at once."""
        wanted = [one for one in addresses if one not in self._people]
        if wanted:
            self._people |= self._tx.known(self._instance.id, wanted)

    def _awaits_file(self, number: int, *, by_api: bool) -> bool:
        """Whether the status was posted on the phone and its file is still to be fetched."""
        if by_api:
            return False
        if number not in self._awaiting:
            self._awaiting[number] = self._tx.awaits_file(self._instance.id, number)
        return self._awaiting[number]

    def _state_changed(self, fact: InstanceStateChanged) -> None:
        self.lines.append(events.state_line(fact.instance, fact.at_ms))
        if self._settings.state_webhook:
            self.bodies.append(notifications.state_body(fact.instance, fact.at_ms))
