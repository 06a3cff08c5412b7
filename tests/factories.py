"""Domain values for tests; every argument has a harmless default."""

from typing import Any

from statusgate.domain.address import Address
from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress
from statusgate.domain.status import Kind, NewStatus, Status

INSTANCE = InstanceId(1101000001)
NOON_MS = 1_710_230_400_000


def person(number: int) -> Address:
    """Somebody with a phone number."""
    return Address(phone=f"7900{number:07d}")


def status(no: int = 1, **changes: Any) -> Status:
    """A journaled text status."""
    values: dict[str, Any] = {
        "instance_id": INSTANCE,
        "no": no,
        "status_id": f"3EB0{no:016X}",
        "wire_id": f"3EB0{no:016X}",
        "outgoing": False,
        "by_api": False,
        "author": person(1),
        "author_name": "Anna",
        "author_contact_name": "Anna K",
        "kind": Kind.TEXT,
        "text": f"status {no}",
        "background": 0x228B22,
        "font": 1,
        "participants": (),
        "posted_ms": NOON_MS,
        "sent_ms": None,
        "failed_ms": None,
        "failure": None,
        "reached": Progress.PENDING,
        "last_receipt_ms": None,
        "file": None,
        "mimetype": "",
        "thumbnail": b"",
        "viewed_ms": None,
    }
    return Status(**(values | changes))


def new_status(number: int = 1, **changes: Any) -> NewStatus:
    """A text status to journal, posted by a contact."""
    values: dict[str, Any] = {
        "status_id": f"3EB0{number:016X}",
        "wire_id": f"3EB0{number:016X}",
        "author": person(1),
        "kind": Kind.TEXT,
        "text": f"status {number}",
        "posted_ms": NOON_MS + number,
    }
    return NewStatus(**(values | changes))
