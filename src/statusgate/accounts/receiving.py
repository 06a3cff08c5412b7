"""Engine events become facts: one transaction for a batch, acknowledged after the commit."""

from collections.abc import Sequence
from typing import assert_never

import msgspec

from statusgate.changes.changes import Changes
from statusgate.domain.events import (
    ContactsChanged,
    EngineDied,
    EngineEvent,
    EngineState,
    GapClosed,
    IdentityLearned,
    LinkingEnded,
    Paired,
    QrCode,
    Sequenced,
    StateChanged,
    StatusDeleted,
    StatusReaction,
    StatusReceipt,
    StatusReceived,
    StatusReply,
    StatusUndecryptable,
)
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance, State
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.reply import Reply
from statusgate.domain.status import NewStatus
from statusgate.journal import Transaction

STATE_OF: dict[EngineState, State | None] = {
    EngineState.OPEN: State.AUTHORIZED,
    EngineState.CONNECTING: State.STARTING,
    EngineState.LOGGED_OUT: State.NOT_AUTHORIZED,
    EngineState.OUTDATED: State.NOT_AUTHORIZED,
    EngineState.BANNED: State.SUSPENDED,
    EngineState.BLOCKED: State.BLOCKED,
    EngineState.CLOSED: None,
    EngineState.REPLACED: None,
    EngineState.FAILING: None,
}
"""What the connection makes of ``stateInstance``; None leaves it as it is."""


def record_batch(
    tx: Transaction,
    changes: Changes,
    instance_id: InstanceId,
    batch: Sequence[Sequenced],
    now_ms: int,
) -> None:
    """Record a batch of engine events in the order they came, and remember how far it went.

    What is recorded already (``seq`` at or below the cursor) is passed over.
    """
    instance, cursor = tx.recorded(instance_id)
    if instance is None or instance.deleted_ms is not None:
        return
    changes.seen = instance
    fresh = [one for one in batch if one.seq > cursor]
    recording = _Recording(tx, instance, changes, now_ms)
    for sequenced in fresh:
        for event in sequenced.events:
            if not isinstance(event, StatusReceipt | StatusReaction | GapClosed):
                recording.settle_receipts()
            recording.take(event)
    recording.settle_receipts()
    if fresh:
        tx.advance_cursor(instance_id, fresh[-1].seq)


class _Recording:
    """One batch under way. Receipts that follow each other are recorded together."""

    def __init__(
        self, tx: Transaction, instance: Instance, changes: Changes, now_ms: int
    ) -> None:
        self._tx = tx
        self._instance = instance
        self._changes = changes
        self._now_ms = now_ms
        self._receipts: list[Receipt] = []

    def take(self, event: EngineEvent) -> None:
        match event:
            case StatusReceived():
                self._status(event)
            case StatusReceipt() | StatusReaction():
                self._collect(event)
            case StatusReply():
                self._reply(event.reply)
            case StatusDeleted():
                self._deletion(event)
            case StatusUndecryptable() | GapClosed():
                self._gap(event)
            case ContactsChanged():
                self._contacts(event)
            case IdentityLearned():
                learned = self._tx.learn_identity(self._instance.id, event.address)
                self._changes.people_changed |= learned
            case Paired() | StateChanged():
                self._account(event)
            case QrCode() | LinkingEnded() | EngineDied():
                pass  # volatile: the account manager follows them, the journal does not
            case _:
                assert_never(event)

    def settle_receipts(self) -> None:
        """Record the receipts collected so far, and look at the statuses they touched."""
        if not self._receipts:
            return
        receipts, self._receipts = self._receipts, []
        changed = self._tx.record_receipts(self._instance.id, receipts, self._now_ms)
        self._changes.receipts_recorded(changed)
        numbers = {change.status_no for change in changed}
        touched = self._tx.statuses_by_no(self._instance.id, numbers) if numbers else []
        self._changes.statuses |= {status.no: status for status in touched}

    def _collect(self, event: StatusReceipt | StatusReaction) -> None:
        own = event.viewer.meets(self._instance.me)
        if self._instance.settings.outgoing_webhook and not own:
            self._receipts += _receipts_of(event)

    def _reply(self, reply: Reply) -> None:
        if not self._instance.settings.status_replies or reply.viewer.meets(self._instance.me):
            return
        recorded = self._tx.record_reply(self._instance.id, reply, self._now_ms)
        if recorded is None:
            return
        status_no, reply = recorded
        status = self._tx.status_by_no(self._instance.id, status_no)
        if status is not None:
            self._changes.reply_recorded(status, reply)

    def _status(self, event: StatusReceived) -> None:
        own = event.from_me or event.author.meets(self._instance.me)
        if own and not self._instance.settings.outgoing_webhook:
            return
        if event.push_name and not own:
            named = self._tx.record_name(self._instance.id, event.author, event.push_name)
            self._changes.people_changed |= named
        status = self._tx.record_status(
            self._instance.id,
            NewStatus(
                status_id=event.wire_id,
                wire_id=event.wire_id,
                author=None if own else event.author,
                kind=event.kind,
                text=event.text,
                background=event.background,
                font=event.font,
                posted_ms=event.at_ms,
                sent_ms=event.at_ms if own else None,
                mimetype=event.media.mimetype if event.media else "",
                thumbnail=event.thumbnail,
                by_lid=event.by_lid,
            ),
        )
        if status is None:
            return
        self._changes.status_added(status, awaits_file=event.media is not None)
        if event.media is not None:
            self._tx.want_download(
                self._instance.id, status.no, event.media, due_ms=self._now_ms
            )

    def _deletion(self, event: StatusDeleted) -> None:
        own = event.from_me or event.author.meets(self._instance.me)
        gone = self._tx.record_deletion(
            self._instance.id, event.wire_id, None if own else event.author, event.at_ms
        )
        if gone is not None:
            self._changes.status_removed(gone, event.at_ms)

    def _gap(self, event: StatusUndecryptable | GapClosed) -> None:
        if isinstance(event, GapClosed):
            self._tx.close_gap(self._instance.id, event.wire_id, event.author)
        else:
            self._changes.gaps += self._tx.record_gap(
                self._instance.id, event.wire_id, event.author, event.at_ms
            )

    def _contacts(self, event: ContactsChanged) -> None:
        changed = self._tx.record_contacts(self._instance.id, event.contacts)
        self._changes.contacts.extend(changed)
        self._changes.people_changed |= bool(changed)

    def _account(self, event: Paired | StateChanged) -> None:
        if isinstance(event, Paired):
            self._paired(event)
        else:
            self._state(event)

    def _paired(self, event: Paired) -> None:
        self._save(
            phone=event.me.phone,
            lid=event.me.lid,
            device=event.device,
            push_name=event.push_name or self._instance.push_name,
        )

    def _state(self, event: StateChanged) -> None:
        if event.me is not None:
            self._save(
                phone=event.me.phone or self._instance.phone,
                lid=event.me.lid or self._instance.lid,
                device=event.device or self._instance.device,
                push_name=event.push_name or self._instance.push_name,
            )
        state = STATE_OF[event.state]
        if state is None or state is self._instance.state:
            return
        changed = msgspec.structs.replace(
            self._instance, state=state, suspended_until_ms=event.until_ms
        )
        self._instance = self._tx.record_state(changed, event.at_ms)
        self._changes.state_changed(self._instance, event.at_ms)

    def _save(self, **fields: str | int) -> None:
        changed = msgspec.structs.replace(self._instance, **fields)
        if changed != self._instance:
            self._instance = self._tx.save_instance(changed)
            self._changes.instance = self._instance
            self._changes.people_changed = True


def _receipts_of(event: StatusReceipt | StatusReaction) -> list[Receipt]:
    """A reaction proves that the status was seen, whether or not its viewer says so."""
    if isinstance(event, StatusReaction):
        return [
            Receipt(event.wire_id, event.viewer, Progress.READ, event.at_ms, event.reaction)
        ]
    return [
        Receipt(wire_id, event.viewer, event.kind, event.at_ms) for wire_id in event.wire_ids
    ]
