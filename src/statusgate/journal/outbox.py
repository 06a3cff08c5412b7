"""The outbox: outgoing statuses until their outcome is recorded."""

from collections.abc import Sequence
from typing import Any

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.contact import KnownContact
from statusgate.domain.ids import InstanceId
from statusgate.domain.outbox import (
    Draft,
    LeftOut,
    Outgoing,
    Phase,
    Prepared,
    Publication,
)
from statusgate.domain.status import Status

from .media import Media
from .rows import CHAT_IDS, chat_ids_json, file_of, struct_of

_SKIPPED = msgspec.json.Decoder(tuple[LeftOut, ...])
_ALL = 2**31 - 1


class Outbox(Media):
    def outgoing(self, instance_id: InstanceId) -> list[Outgoing]:
        """The queue in its order, then what is scheduled, the earliest first."""
        rows = [
            *self._db.run("queued", instance_id=instance_id, limit=_ALL),
            *self._db.run("scheduled", instance_id=instance_id),
        ]
        return [outgoing_of(row) for row in rows]

    def outgoing_one(self, instance_id: InstanceId, status_id: str) -> Outgoing | None:
        rows = self._db.run("outgoing_by_id", instance_id=instance_id, status_id=status_id)
        return outgoing_of(rows[0]) if rows else None

    def next_outgoing(self, instance_id: InstanceId) -> Outgoing | None:
        """The head of the queue."""
        rows = self._db.run("queued", instance_id=instance_id, limit=1)
        return outgoing_of(rows[0]) if rows else None

    def count_outgoing(self, instance_id: InstanceId) -> int:
        """How many wait or are scheduled; what the engine has is not counted."""
        return int(self._db.run("count_outgoing", instance_id=instance_id)[0].count)

    def publication(self, instance_id: InstanceId, status_no: int) -> Publication | None:
        """How the API accepted a status; None if it did not come through the API."""
        rows = self._db.run("publication", instance_id=instance_id, status_no=status_no)
        if not rows:
            return None
        return struct_of(Publication, rows[0], skipped=_SKIPPED.decode(rows[0].skipped))

    def known_people(
        self, instance_id: InstanceId, addresses: Sequence[Address]
    ) -> dict[Address, KnownContact]:
        """The people among *addresses* that are known."""
        directory = self._look_up(instance_id, list(dict.fromkeys(addresses)))
        found = {one: person for one in addresses if (person := directory.person(one))}
        people = self._people(instance_id, {person.no for person in found.values()})
        return {one: people[person.no].contact for one, person in found.items()}

    def outgoing_to_prepare(
        self, instance_id: InstanceId, now_ms: int, limit: int
    ) -> list[Outgoing]:
        """Statuses whose files have to be fetched now, the longest due first."""
        rows = self._db.run(
            "outgoing_to_prepare", instance_id=instance_id, now_ms=now_ms, limit=limit
        )
        return [outgoing_of(row) for row in rows]

    def outgoing_due(self, instance_id: InstanceId, now_ms: int, limit: int) -> list[str]:
        """Ids of scheduled statuses that are due, in the order of ``outgoing``."""
        rows = self._db.run("outgoing_due", instance_id=instance_id, now_ms=now_ms, limit=limit)
        return [row.status_id for row in rows]

    # -- across instances

    def instances_with_outgoing(self) -> list[InstanceId]:
        """Instances that have anything to publish, now or later."""
        return [row.instance_id for row in self._db.run("instances_with_outgoing")]

    def instances_to_prepare(self, now_ms: int) -> list[InstanceId]:
        """Instances with statuses whose files have to be fetched now."""
        rows = self._db.run("instances_to_prepare", now_ms=now_ms)
        return [row.instance_id for row in rows]

    def instances_due(self, now_ms: int) -> list[InstanceId]:
        """Instances with scheduled statuses that are due."""
        return [row.instance_id for row in self._db.run("instances_due", now_ms=now_ms)]

    def next_send_at_ms(self) -> int | None:
        """When the next scheduled status is due; None if there is none."""
        found: int | None = self._db.run("next_send_at")[0].send_at_ms
        return found

    # -- changes

    def add_outgoing(self, outgoing: Outgoing) -> None:
        """Keep an accepted status; it has no place in the queue yet."""
        draft = msgspec.structs.asdict(outgoing.draft)
        draft["participants"] = chat_ids_json(outgoing.draft.participants)
        self._db.send(
            "add_outgoing",
            instance_id=outgoing.instance_id,
            status_id=outgoing.status_id,
            phase=outgoing.phase,
            accepted_ms=outgoing.accepted_ms,
            due_ms=outgoing.accepted_ms,
            **draft,
        )

    def enqueue(
        self,
        instance_id: InstanceId,
        status_id: str,
        status_no: int | None,
        expires_ms: int,
    ) -> None:
        """Give it the last place of the queue; *status_no*: its row in the journal, if any."""
        self._db.send("take_numbers", instance_id=instance_id, name="queue_no", count=1)
        self._db.send(
            "enqueue",
            instance_id=instance_id,
            status_id=status_id,
            status_no=status_no,
            expires_ms=expires_ms,
        )

    def set_phase(self, instance_id: InstanceId, status_id: str, phase: Phase) -> bool:
        """False: it is gone."""
        return bool(
            self._db.run("set_phase", instance_id=instance_id, status_id=status_id, phase=phase)
        )

    def postpone_outgoing(self, instance_id: InstanceId, status_id: str, due_ms: int) -> None:
        """Try to fetch its file at *due_ms*."""
        self._db.send(
            "postpone_outgoing", instance_id=instance_id, status_id=status_id, due_ms=due_ms
        )

    def prepare_outgoing(
        self, instance_id: InstanceId, status_id: str, prepared: Prepared
    ) -> tuple[bool, Status | None]:
        """Its file is stored: it is ready. False: it is gone, and nobody needs the file.
        The status, if it has one. Raises MediaUnavailable as ``keep_file`` does."""
        found = self._db.run(
            "prepare_outgoing",
            instance_id=instance_id,
            status_id=status_id,
            key=prepared.file.key,
            **prepared.preview(),
        )
        if not found:
            self.release_file(instance_id, prepared.file.key)
            return False, None
        status_no = found[0].status_no
        if status_no is None:
            self.keep_file(instance_id, prepared.file.key)
            return True, None
        return True, self.attach_file(instance_id, status_no, prepared.file, prepared.thumbnail)

    def forget_outgoing(self, instance_id: InstanceId, status_id: str) -> bool:
        """Its outcome is recorded, or it is cancelled; the file of a scheduled one expires."""
        found = self._db.run("forget_outgoing", instance_id=instance_id, status_id=status_id)
        for row in found:
            if row.status_no is None and row.file_key is not None:
                self._db.send("end_file", instance_id=instance_id, key=row.file_key)
        return bool(found)

    def record_publication(
        self, instance_id: InstanceId, status_no: int, publication: Publication
    ) -> None:
        """Keep how a status was accepted; a repeat replaces *resolved* and *skipped* only."""
        self._db.send(
            "record_publication",
            instance_id=instance_id,
            status_no=status_no,
            **msgspec.structs.asdict(publication)
            | {"skipped": msgspec.json.encode(publication.skipped).decode()},
        )

    def add_rows(
        self, instance_id: InstanceId, status_no: int, people: Sequence[KnownContact]
    ) -> None:
        """Add recipients to a status; people with number 0 are added first."""
        known = sorted({person.no for person in people if person.no})
        if known:
            self._db.send(
                "add_rows",
                instance_id=instance_id,
                status_no=status_no,
                person_nos=[[number] for number in known],
            )
        strangers = [person.address for person in people if not person.no]
        if strangers:
            self.add_recipients(instance_id, status_no, strangers)
        elif known:
            self._recount(instance_id, status_no)

    def leave_out(
        self, instance_id: InstanceId, status_no: int, addresses: Sequence[Address]
    ) -> None:
        """Delete the rows of recipients that are skipped; a row with a receipt stays."""
        directory = self._look_up(instance_id, addresses)
        found = {person.no for one in addresses if (person := directory.person(one))}
        if found:
            self._db.send(
                "leave_out",
                instance_id=instance_id,
                status_no=status_no,
                numbers=[[number] for number in sorted(found)],
            )
            self._recount(instance_id, status_no)

    def refuse(
        self, instance_id: InstanceId, status_no: int, codes: Sequence[tuple[Address, int]]
    ) -> None:
        """WhatsApp refused these recipients, with its codes: their rows are failed."""
        numbers = self._numbers(instance_id, [address for address, _ in codes])
        rows = {numbers[one]: code for one, code in codes if one in numbers}
        if rows:
            self._db.send(
                "refuse_rows",
                instance_id=instance_id,
                status_no=status_no,
                refusals=[[number, code] for number, code in sorted(rows.items())],
            )
            self._recount(instance_id, status_no)

    def mark_viewed(self, instance_id: InstanceId, status_no: int, at_ms: int) -> Status | None:
        """The account viewed a status; the first time counts."""
        self._db.send("set_viewed", instance_id=instance_id, status_no=status_no, at_ms=at_ms)
        return self.status_by_no(instance_id, status_no)


def outgoing_of(row: Any) -> Outgoing:
    """Make an outgoing status of a row of the part ``outgoing_item``."""
    draft = struct_of(Draft, row, participants=CHAT_IDS.decode(row.participants))
    return struct_of(Outgoing, row, draft=draft, prepared=_prepared_of(row))


def _prepared_of(row: Any) -> Prepared | None:
    file = file_of(row)
    if file is None:
        return None
    return struct_of(
        Prepared,
        row,
        file=file,
        thumbnail=row.thumbnail or b"",
        waveform=row.waveform or b"",
    )
