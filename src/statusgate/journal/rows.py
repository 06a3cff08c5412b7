"""Rows of the database and structs of the domain, one into the other."""

from typing import Any

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.contact import KnownContact
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance, InstanceSettings, State, StateChange
from statusgate.domain.media import Download, MediaRef, StoredFile
from statusgate.domain.notification import Delivery, End, Notification, Streak
from statusgate.domain.receipt import Progress, Recipient, Row
from statusgate.domain.status import Failure, FailureReason, Kind, Status

from .session import Value, clean

_OPTIONS = msgspec.json.Decoder(dict[str, str | int | float | bool])
_SETTINGS = msgspec.json.Decoder(InstanceSettings)
CHAT_IDS = msgspec.json.Decoder(tuple[str, ...])


class Person(msgspec.Struct, frozen=True):
    """One row of people; *phone* and *lid* are None while unknown."""

    no: int
    phone: str | None
    lid: str | None
    name: str = ""
    contact_name: str = ""
    book_name: str | None = None
    known_no: int | None = None

    @property
    def address(self) -> Address:
        return Address(self.phone or "", self.lid or "")

    @property
    def shown_name(self) -> str:
        """The contact name in force: the own book wins over the synced one."""
        return self.contact_name if self.book_name is None else self.book_name

    @property
    def contact(self) -> KnownContact:
        """The person as told to the world."""
        return KnownContact(
            no=self.no,
            address=self.address,
            name=self.name,
            contact_name=self.shown_name,
            rank=self.known_no,
        )


def instance_of(row: Any) -> Instance:
    return Instance(
        id=InstanceId(row[0]),
        name=row[1],
        engine=row[2],
        engine_options=_OPTIONS.decode(row[3]),
        token_digest=row[4],
        status_methods=row[5] == 1,
        settings=_SETTINGS.decode(row[6]),
        state=State(row[7]),
        phone=row[8],
        lid=row[9],
        device=row[10],
        push_name=row[11],
        suspended_until_ms=row[12],
        created_ms=row[13],
        deleted_ms=row[14],
        version=row[15],
    )


def columns_of_instance(instance: Instance) -> dict[str, Value]:
    return {
        "instance_id": instance.id,
        "name": instance.name,
        "engine": instance.engine,
        "engine_options": msgspec.json.encode(instance.engine_options).decode(),
        "token_digest": instance.token_digest,
        "status_methods": instance.status_methods,
        "settings": msgspec.json.encode(instance.settings).decode(),
        "state": str(instance.state),
        "phone": instance.phone,
        "lid": instance.lid,
        "device": instance.device,
        "push_name": instance.push_name,
        "suspended_until_ms": instance.suspended_until_ms,
        "created_ms": instance.created_ms,
        "deleted_ms": instance.deleted_ms,
        "version": instance.version,
    }


def state_change_of(row: Any) -> StateChange:
    return StateChange(State(row[0]), row[1], row[2])


# By number; calling an enum costs a microsecond a row.
_KINDS = {kind.value: kind for kind in Kind}
_PROGRESSES = {progress.value: progress for progress in Progress}


def status_of(row: Any) -> Status:
    """Make a status of a row of the part ``status_item``."""
    outgoing = row[4] == 1
    return Status(
        instance_id=InstanceId(row[0]),
        no=row[1],
        status_id=row[2],
        wire_id=row[3],
        outgoing=outgoing,
        by_api=row[5] == 1,
        kind=_KINDS[row[6]],
        text=row[7],
        background=row[8],
        font=row[9],
        participants=CHAT_IDS.decode(row[10]),
        posted_ms=row[11],
        sent_ms=row[12],
        failed_ms=row[13],
        failure=None if row[14] is None else Failure(FailureReason(row[14]), row[15]),
        reached=_PROGRESSES[row[16]],
        last_receipt_ms=row[17],
        mimetype=row[18],
        thumbnail=row[19],
        viewed_ms=row[20],
        author=_sender_of(row) if outgoing else Address(row[25] or "", row[26] or ""),
        author_name=(row[24] if outgoing else row[27]) or "",
        author_contact_name="" if outgoing else row[28] or "",
        file=None if row[29] is None else file_of(row[29:35]),
    )


def _sender_of(row: Any) -> Address:
    """The account that sent it; the present one if it was sent before any was linked."""
    return Address(row[21] or row[22] or "", row[23] or "")


def chat_ids_json(participants: tuple[str, ...]) -> str:
    return msgspec.json.encode([clean(chat_id) for chat_id in participants]).decode()


def recipient_of(row: Any, base: Progress, base_ms: int) -> Recipient:
    """Make a recipient of (phone, lid, contact name, delivered, read, refused).

    *base* is what the status itself makes of every row, since *base_ms*.
    """
    phone, lid, contact_name, delivered_ms, read_ms, refused = row
    if read_ms is not None:
        progress, at_ms = Progress.READ, read_ms
    elif delivered_ms is not None:
        progress, at_ms = Progress.DELIVERED, delivered_ms
    else:
        progress, at_ms = base if refused is None else Progress.FAILED, base_ms
    return Recipient(
        address=Address(phone or "", lid or ""),
        contact_name=contact_name,
        progress=progress,
        at_ms=at_ms,
        row=Row(delivered_ms, read_ms),
        refused=refused,
    )


def file_of(row: Any) -> StoredFile:
    return StoredFile(
        key=row[0],
        extension=row[1],
        mimetype=row[2],
        size=row[3],
        created_ms=row[4],
        expires_ms=row[5],
    )


def download_of(row: Any) -> Download:
    return Download(
        instance_id=InstanceId(row[0]),
        status_no=row[1],
        ref=MediaRef(handle=row[2], mimetype=row[3], size=row[4], sha256=row[5]),
        attempts=row[6],
    )


def notification_of(row: Any) -> Notification:
    return Notification(
        instance_id=InstanceId(row[0]),
        receipt_id=row[1],
        created_ms=row[2],
        ended_ms=row[3],
        outcome=End(row[4]) if row[4] else None,
        attempts=row[5],
        webhook_id=row[6],
        body=row[7].encode(),
    )


def delivery_of(row: Any) -> Delivery:
    return Delivery(
        receipt_id=row[0],
        attempt=row[1],
        at_ms=row[2],
        duration_ms=row[3],
        outcome=row[4],
        code=row[5],
        reason=row[6],
    )


def streak_of(row: Any) -> Streak:
    told = frozenset(row[3].split(",")) if row[3] else frozenset()
    return Streak(until_ms=row[0], since_ms=row[1], url=row[2], told=told)
