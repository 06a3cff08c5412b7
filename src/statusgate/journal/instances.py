"""Instances, their states and the engine's cursor."""

from collections.abc import Sequence
from typing import Any

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.errors import InstanceUnknown, InvalidRequest
from statusgate.domain.ids import FIRST_INSTANCE_ID, InstanceId
from statusgate.domain.instance import Glance, Instance, InstanceSettings, StateChange

from .rows import struct_of
from .session import Session, Value

OPERATOR = InstanceId(0)
"""The counters that belong to no instance have this id."""
KEPT_STATE_CHANGES = 1000
"""As many as ``getStateInstanceHistory`` may ask for (contract 4.1)."""
_OPTIONS = msgspec.json.Decoder(dict[str, str | int | float | bool])
_SETTINGS = msgspec.json.Decoder(InstanceSettings)


class Part:
    """A part of a transaction: methods over one session."""

    def __init__(self, session: Session) -> None:
        self._db = session

    def _take_numbers(self, instance_id: InstanceId, name: str, count: int = 1) -> int:
        """Reserve *count* numbers, never used again; return the last of them."""
        rows = self._db.run("take_numbers", instance_id=instance_id, name=name, count=count)
        return int(rows[0].value)

    def _counter(self, instance_id: InstanceId, name: str) -> int:
        """The last number taken, 0 if there is none."""
        rows = self._db.run("counter", instance_id=instance_id, name=name)
        return rows[0].value if rows else 0

    def _account(self, instance_id: InstanceId) -> Address:
        """The account itself; an empty address while it is not linked."""
        return address_of(self._db.run("account", instance_id=instance_id))


class Instances(Part):
    def instances(self, since_version: int = 0) -> list[Instance]:
        """All instances, deleted ones too, whose version is above *since_version*, by id."""
        rows = self._db.run("instances", since_version=since_version)
        return [_instance_of(row) for row in rows]

    def instance(self, instance_id: InstanceId) -> Instance | None:
        """The instance as it is now, deleted or not."""
        rows = self._db.run("instance", instance_id=instance_id)
        return _instance_of(rows[0]) if rows else None

    def recorded(self, instance_id: InstanceId) -> tuple[Instance | None, int]:
        """The instance, and the last engine sequence number that is recorded; 0 at first."""
        key: dict[str, Value] = {"instance_id": instance_id}
        rows, cursors = self._db.run_each(
            ("instance", key), ("counter", key | {"name": "cursor"})
        )
        return _instance_of(rows[0]) if rows else None, cursors[0].value if cursors else 0

    def server_key_digest(self) -> bytes | None:
        """What recognizes the server key that this database is used with; None at first."""
        rows = self._db.run("server_key_digest", instance_id=OPERATOR)
        return bytes(rows[0].digest) if rows else None

    def first_server_key_digest(self, digest: bytes) -> bytes:
        """Keep what recognizes the server key unless another is kept; returns what is."""
        rows = self._db.run("first_server_key_digest", instance_id=OPERATOR, digest=digest)
        return bytes(rows[0].digest)

    def keep_server_key_digest(self, digest: bytes) -> None:
        self._db.send("keep_server_key_digest", instance_id=OPERATOR, digest=digest)

    def create_instance(self, instance: Instance) -> Instance:
        """Add an instance; ``id=0`` chooses the next free one.

        Raises InvalidRequest if the id is in use.
        """
        # The version comes first: it makes other creators wait, so that numbers are safe.
        version = self._take_numbers(OPERATOR, "version")
        instance_id = instance.id or self._free_instance_id()
        created = msgspec.structs.replace(instance, id=instance_id, version=version)
        if not self._db.run("add_instance", **_columns_of(created)):
            raise InvalidRequest("'idInstance' is already in use")
        self._db.send("add_owner", instance_id=instance_id)
        self._db.send("advance_cursor", instance_id=instance_id, seq=0)
        return created

    def save_instance(self, instance: Instance) -> Instance:
        """Replace an instance's row; returns it with its new version."""
        version = self._take_numbers(OPERATOR, "version")
        saved = msgspec.structs.replace(instance, version=version)
        if not self._db.run("save_instance", **_columns_of(saved)):
            raise InstanceUnknown(f"no instance {instance.id}")
        return saved

    def record_state(self, instance: Instance, at_ms: int) -> Instance:
        """Save an instance whose state changed, with a line in its history."""
        saved = self.save_instance(instance)
        self._db.send(
            "add_state_change",
            instance_id=saved.id,
            state=saved.state,
            at_ms=at_ms,
            phone=saved.phone,
        )
        self._db.send("trim_state_history", instance_id=saved.id, keep=KEPT_STATE_CHANGES)
        return saved

    def state_history(self, instance_id: InstanceId, limit: int) -> list[StateChange]:
        """Newest first."""
        rows = self._db.run("state_history", instance_id=instance_id, limit=limit)
        return [struct_of(StateChange, row) for row in rows]

    def glances(
        self, instance_ids: Sequence[InstanceId], failed_since_ms: int
    ) -> dict[InstanceId, Glance]:
        """How these accounts are, in one statement; *failed* counts from *failed_since_ms*."""
        rows = self._db.run(
            "glances",
            ids=[[instance_id] for instance_id in instance_ids],
            failed_since_ms=failed_since_ms,
        )
        return {row.instance_id: struct_of(Glance, row) for row in rows}

    def cursor(self, instance_id: InstanceId) -> int:
        """The last engine sequence number that is recorded; 0 at first."""
        return self._counter(instance_id, "cursor")

    def advance_cursor(self, instance_id: InstanceId, seq: int) -> None:
        self._db.send("advance_cursor", instance_id=instance_id, seq=seq)

    def _free_instance_id(self) -> InstanceId:
        while True:
            number = self._take_numbers(OPERATOR, "instance_no")
            chosen = InstanceId(FIRST_INSTANCE_ID + number - 1)
            if self.instance(chosen) is None:
                return chosen


def address_of(rows: Sequence[Any]) -> Address:
    """The account's own address, of the rows of ``account``."""
    return Address(phone=rows[0].phone, lid=rows[0].lid) if rows else Address()


def _instance_of(row: Any) -> Instance:
    return struct_of(
        Instance,
        row,
        id=InstanceId(row.instance_id),
        engine_options=_OPTIONS.decode(row.engine_options),
        status_methods=row.status_methods == 1,
        settings=_SETTINGS.decode(row.settings),
    )


def _columns_of(instance: Instance) -> dict[str, Value]:
    return msgspec.structs.asdict(instance) | {
        "instance_id": instance.id,
        "engine_options": msgspec.json.encode(instance.engine_options).decode(),
        "settings": msgspec.json.encode(instance.settings).decode(),
    }
