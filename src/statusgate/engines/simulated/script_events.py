"""Script events become engine events (contract 12.9)."""

from collections.abc import Mapping, Sequence
from typing import assert_never

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.events import (
    ContactsChanged,
    EngineEvent,
    EngineState,
    Paired,
    StateChanged,
    StatusDeleted,
    StatusReaction,
    StatusReceipt,
    StatusReceived,
    StatusReply,
)
from statusgate.domain.instance import State
from statusgate.domain.media import MediaRef
from statusgate.domain.reply import Reply
from statusgate.domain.script import (
    Met,
    Moved,
    Posted,
    Reacted,
    Replied,
    ScriptEvent,
    Viewed,
    Withdrawn,
)
from statusgate.domain.status import Kind
from statusgate.engines.simulated.account import Account, Link, Record, Scheduled
from statusgate.engines.simulated.files import sample
from statusgate.engines.simulated.seeded_random import SeededRandom

ENGINE_STATES = {
    State.AUTHORIZED: EngineState.OPEN,
    State.NOT_AUTHORIZED: EngineState.LOGGED_OUT,
    State.STARTING: EngineState.CONNECTING,
    State.BLOCKED: EngineState.BLOCKED,
    State.SUSPENDED: EngineState.BANNED,
}


class Identity:
    """Who is who on one sandbox account."""

    def __init__(self, instance_id: int, random: SeededRandom) -> None:
        self.own_phone = f"7{instance_id % 10**10:010d}"
        """the account's number unless a script gives another (contract 12.9)"""
        self.push_name = ""
        self.random = random

    def me(self, link: Link) -> Address:
        return Address(phone=link.phone or self.own_phone)

    def announcement(self, link: Link, at_ms: int, reason: str = "") -> StateChanged:
        """Tell how the account stands with WhatsApp."""
        linked = link.state is State.AUTHORIZED
        return StateChanged(
            state=ENGINE_STATES[link.state],
            reason=reason,
            me=self.me(link) if linked else None,
            device=link.device if linked else 0,
            push_name=self.push_name if linked else "",
            at_ms=at_ms,
        )

    def pairing(self, link: Link, at_ms: int) -> Paired:
        """Tell that the account is linked."""
        return Paired(
            me=self.me(link), device=link.device, push_name=self.push_name, at_ms=at_ms
        )


class RecordMaker:
    """One script on its way into a record."""

    def __init__(self, account: Account, identity: Identity, seq: int, now_ms: int) -> None:
        """*seq* is the number which the record will get."""
        self._account = account
        self._identity = identity
        self._seq = seq
        self._now_ms = now_ms
        self._link = account.link
        self._met: list[Contact] = []
        self._events: list[EngineEvent] = []
        self._scheduled: list[Scheduled] = []

    def record_of(self, script: Sequence[ScriptEvent], files: Mapping[int, MediaRef]) -> Record:
        """Return the record that makes a whole script happen.

        *files* has the stored file of each script event, by its place, that brought one.
        """
        for index, event in enumerate(script):
            self._take(index, event, files.get(index))
        self._end_meeting()
        return Record(
            events=tuple(self._events), scheduled=tuple(self._scheduled), link=self._link
        )

    def _take(self, index: int, event: ScriptEvent, file: MediaRef | None) -> None:
        if isinstance(event, Met):
            self._met.append(
                Contact(address=event.address, name=event.name, contact_name=event.contact_name)
            )
            return
        self._end_meeting()
        match event:
            case Posted():
                self._post(index, event, file)
            case Viewed() | Reacted() | Replied():
                self._engage(index, event)
            case Withdrawn():
                self._withdraw(event)
            case Moved():
                self._move(event)
            case _:
                assert_never(event)

    def _end_meeting(self) -> None:
        """Contacts that follow each other make one event."""
        if self._met:
            self._events.append(ContactsChanged(contacts=tuple(self._met), at_ms=self._now_ms))
            self._met = []

    def _post(self, index: int, event: Posted, file: MediaRef | None) -> None:
        me = self._identity.me(self._link)
        own = event.author is None or event.author.meets(me)
        wire_id = event.status_id or self._new_id(index)
        if own:
            wire_id = self._account.wire_ids.get(wire_id, wire_id)
            self._account.remember_wire_id(event.status_id or wire_id, wire_id)
        media, thumbnail = _media_of(event.kind, file)
        at_ms = self._time_of(event.timestamp)
        self._tell(
            StatusReceived(
                wire_id=wire_id,
                author=me if own or event.author is None else event.author,
                from_me=own,
                kind=event.kind,
                text=event.text,
                background=event.background,
                font=event.font,
                media=media,
                thumbnail=thumbnail,
                at_ms=at_ms,
            ),
            at_ms,
        )

    def _engage(self, index: int, event: Viewed | Reacted | Replied) -> None:
        if event.viewer.meets(self._identity.me(self._link)):
            return  # the account's own devices are no viewers
        at_ms = self._time_of(event.timestamp)
        wire_ids = self._wire_ids_of(event.status_id)
        if isinstance(event, Viewed):
            receipt = StatusReceipt(
                wire_ids=wire_ids, viewer=event.viewer, kind=event.kind, at_ms=at_ms
            )
            self._tell(receipt, at_ms)
            return
        new_id = self._new_id(index)
        for wire_id in wire_ids:
            self._tell(_engagement(event, wire_id, at_ms, new_id), at_ms)

    def _withdraw(self, event: Withdrawn) -> None:
        own = event.author.meets(self._identity.me(self._link))
        for wire_id in self._wire_ids_of(event.status_id) if own else (event.status_id,):
            deletion = StatusDeleted(
                wire_id=wire_id, author=event.author, from_me=own, at_ms=self._now_ms
            )
            self._events.append(deletion)

    def _move(self, event: Moved) -> None:
        before = self._link
        after = _moved(before, event, self._identity.own_phone)
        if after == before:
            return
        self._link = after
        if after.device != before.device:
            self._events.append(self._identity.pairing(after, self._now_ms))
        self._events.append(self._identity.announcement(after, self._now_ms, "script"))

    def _wire_ids_of(self, script_id: str) -> tuple[str, ...]:
        """Return what WhatsApp calls an own status which scripts know by *script_id*.

        An id never heard of may become either a status posted on the phone or the id of a
        post that is still in the gateway's queue: then both.
        """
        known = self._account.wire_ids.get(script_id)
        return (known,) if known else (script_id, self._identity.random.wire_id(script_id))

    def _new_id(self, index: int) -> str:
        """An id in WhatsApp's form for the event at *index* of the script."""
        return self._identity.random.status_id(f"script:{self._seq}:{index}")

    def _time_of(self, timestamp: int | None) -> int:
        return self._now_ms if timestamp is None else timestamp * 1000

    def _tell(self, event: EngineEvent, at_ms: int) -> None:
        if at_ms > self._now_ms:
            self._scheduled.append(Scheduled(at_ms, event))
        else:
            self._events.append(event)


def _moved(link: Link, event: Moved, own_phone: str) -> Link:
    """Return how the account stands after a script's state event."""
    if event.state is State.NOT_AUTHORIZED:
        return Link(device=link.device)
    if event.state is State.AUTHORIZED and not link.phone:
        asked = event.phone if link.state is State.NOT_AUTHORIZED else ""
        return Link(event.state, asked or own_phone, link.device + 1)
    return Link(event.state, link.phone, link.device)


def _engagement(
    event: Reacted | Replied, wire_id: str, at_ms: int, new_id: str
) -> StatusReaction | StatusReply:
    if isinstance(event, Reacted):
        return StatusReaction(
            wire_id=wire_id, viewer=event.viewer, reaction=event.reaction, at_ms=at_ms
        )
    return StatusReply(
        reply=Reply(
            wire_id=wire_id,
            viewer=event.viewer,
            reply_id=event.reply_id or new_id,
            kind=event.kind,
            text=event.text,
            at_ms=at_ms,
        )
    )


def _media_of(kind: Kind, file: MediaRef | None) -> tuple[MediaRef | None, bytes]:
    if kind is Kind.TEXT:
        return None, b""
    return (file, b"") if file is not None else sample(kind)
