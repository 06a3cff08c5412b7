"""Instances, their states and the engine's cursor."""

import msgspec

from statusgate.domain.address import Address
from statusgate.domain.errors import InstanceUnknown, InvalidRequest
from statusgate.domain.ids import FIRST_INSTANCE_ID, InstanceId
from statusgate.domain.instance import Instance, StateChange

from .rows import columns_of_instance, instance_of, state_change_of
from .session import Session

OPERATOR = InstanceId(0)
"""Owner of the counters that belong to no instance."""
KEPT_STATE_CHANGES = 1000
"""As many as ``getStateInstanceHistory`` may ask for (contract 4.1)."""


class Part:
    """A part of the record: methods over one session."""

    def __init__(self, session: Session) -> None:
        self._db = session

    def _take_numbers(self, instance_id: InstanceId, name: str, count: int = 1) -> int:
        """Reserve *count* numbers for good; return the last of them."""
        rows = self._db.run("take_numbers", instance_id=instance_id, name=name, count=count)
        return int(rows[0][0])

    def _account(self, instance_id: InstanceId) -> Address:
        """The account itself; an empty address while it is not linked."""
        rows = self._db.run("account", instance_id=instance_id)
        return Address(*rows[0]) if rows else Address()


class Instances(Part):
    def instances(self, since_version: int = 0) -> list[Instance]:
        """All instances, deleted ones too, whose version is above *since_version*, by id."""
        return [
            instance_of(row) for row in self._db.run("instances", since_version=since_version)
        ]

    def instance(self, instance_id: InstanceId) -> Instance | None:
        """The instance as it is now, deleted or not."""
        rows = self._db.run("instance", instance_id=instance_id)
        return instance_of(rows[0]) if rows else None

    def create_instance(self, instance: Instance) -> Instance:
        # The version comes first: it makes other creators wait, so that numbers are safe.
        """Add an instance; ``id=0`` chooses the next free one. Taken: InvalidRequest."""
        version = self._take_numbers(OPERATOR, "version")
        instance_id = instance.id or self._free_instance_id()
        created = msgspec.structs.replace(instance, id=instance_id, version=version)
        if not self._db.run("add_instance", **columns_of_instance(created)):
            raise InvalidRequest("'idInstance' is already in use")
        self._db.run("advance_cursor", instance_id=instance_id, seq=0)
        return created

    def save_instance(self, instance: Instance) -> Instance:
        """Replace an instance's row; returns it with its new version."""
        version = self._take_numbers(OPERATOR, "version")
        saved = msgspec.structs.replace(instance, version=version)
        if not self._db.run("save_instance", **columns_of_instance(saved)):
            raise InstanceUnknown(f"no instance {instance.id}")
        return saved

    def record_state(self, instance: Instance, at_ms: int) -> Instance:
        """Save an instance whose state changed, with a line in its history."""
        saved = self.save_instance(instance)
        self._db.run(
            "add_state_change",
            instance_id=saved.id,
            state=str(saved.state),
            at_ms=at_ms,
            phone=saved.phone,
        )
        self._db.run("trim_state_history", instance_id=saved.id, keep=KEPT_STATE_CHANGES)
        return saved

    def state_history(self, instance_id: InstanceId, limit: int) -> list[StateChange]:
        """Newest first."""
        rows = self._db.run("state_history", instance_id=instance_id, limit=limit)
        return [state_change_of(row) for row in rows]

    def cursor(self, instance_id: InstanceId) -> int:
        """The last engine sequence number that is recorded; 0 at first."""
        rows = self._db.run("cursor", instance_id=instance_id)
        return int(rows[0][0]) if rows else 0

    def advance_cursor(self, instance_id: InstanceId, seq: int) -> None:
        self._db.run("advance_cursor", instance_id=instance_id, seq=seq)

    def _free_instance_id(self) -> InstanceId:
        while True:
            number = self._take_numbers(OPERATOR, "instance_no")
            chosen = InstanceId(FIRST_INSTANCE_ID + number - 1)
            if not self._db.run("instance_exists", instance_id=chosen):
                return chosen
