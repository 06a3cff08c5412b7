"""The workload: everything follows from the index i, nothing is left to chance.

5,000 statuses of the last day, 2,000 of them outgoing, with 20,090 viewers' rows; a filler of
100,000 older ones, and one of a million receipts; and one status with 1,024 viewers for a read
of its own. Times hang on the moment of seeding, so that for the 13 minutes after it
``minutes=30`` holds exactly 10 outgoing statuses and ``minutes=110`` exactly 100.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import Instance, State
from statusgate.domain.media import StoredFile
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.status import Font, Kind, NewStatus
from statusgate.journal import Journal, Transaction

T = TypeVar("T")

STATUSES = 5_000
CONTACTS = 500
VIEWERS = 10
MORE_VIEWERS = 90
"""of status 1, all of whom have read it"""
FILLER = 100_000
FILLER_INSTANCES = 50
MANY_VIEWERS = 1_024
CROWDED = 20
CROWD = 50_000
"""viewers of each crowded status: a million receipts together"""
_FIRST_CROWDED = 1_000_000
OWN = Address(phone="15550000000")
OWN_WID = "15550000000@c.us"
INSTANCE = InstanceId(1101000001)
FIRST_FILLER_INSTANCE = InstanceId(1102000001)
WINDOW_SECONDS = 13 * 60
"""so long after seeding the reads hold exactly their rows"""

_BEFORE_SEEDING_MS = 600_000
_STEP_MS = 16_000
_GAP_MS = 1_200_000
_DAY_MS = 86_400_000
_FILE_BYTES = 84_211
_THUMBNAIL = bytes(range(200)) * 3
"""800 characters in base64"""
_BACKGROUND = 0x2E7B1F
_BATCH = 2_000


def status_id(i: int) -> str:
    """Return the ``idMessage`` of status *i*."""
    return f"3EB0{i:016X}"


def is_outgoing(i: int) -> bool:
    return i % 5 in (0, 1)


def kind_of(i: int) -> Kind:
    return Kind.IMAGE if i % 3 == 0 else Kind.TEXT


def contact(k: int) -> Address:
    """Return contact *k*, who is also viewer k."""
    return Address(phone=f"1555{k:07d}")


def contacts(count: int = CONTACTS) -> list[Contact]:
    """Return the first contacts, as an engine tells them."""
    return [
        Contact(address=contact(k), name=f"Contact {k}", contact_name=f"Contact {k}")
        for k in range(count)
    ]


def posted_ms(i: int, seeded_ms: int) -> int:
    """Return when status *i* (0 … 5,000) was posted."""
    gaps = (i > 25) + (i > 250)
    return seeded_ms - _BEFORE_SEEDING_MS - i * _STEP_MS - gaps * _GAP_MS


def filler_posted_ms(n: int, seeded_ms: int, count: int = FILLER) -> int:
    """Return when filler status *n* (0 … count - 1) was posted: 24 h to 29 days ago."""
    return seeded_ms - _DAY_MS - (n + 1) * (28 * _DAY_MS // count)


def new_status(
    i: int, posted: int, *, participants: tuple[str, ...] = (), thumbnails: bool = False
) -> NewStatus:
    """Return status *i*, posted at *posted*."""
    outgoing, kind = is_outgoing(i), kind_of(i)
    is_text = kind is Kind.TEXT
    return NewStatus(
        status_id=status_id(i),
        wire_id=status_id(i),
        author=None if outgoing else contact(i % CONTACTS),
        by_api=outgoing,
        kind=kind,
        text=(
            f"Status text number {i} lorem ipsum dolor sit amet"
            if is_text
            else f"Status caption {i}"
        ),
        background=_BACKGROUND if is_text else None,
        font=Font.BRYNDAN_WRITE.value if is_text else None,
        participants=participants if outgoing else (),
        posted_ms=posted,
        sent_ms=posted if outgoing else None,
        mimetype="" if is_text else "image/jpeg",
        thumbnail=_THUMBNAIL if thumbnails and not is_text else b"",
    )


def viewers_of(i: int) -> Iterator[tuple[Address, int | None, int | None]]:
    """Tell who received status *i*: viewer, delivered and read so many seconds after it."""
    for v in range(1, (MANY_VIEWERS if i == 0 else VIEWERS) + 1):
        late = v % 100
        yield contact(v), 60 + late, None if v % 3 == 0 else 300 + late
    if i == 1:
        for v in range(1, MORE_VIEWERS + 1):
            yield Address(phone=f"1556{v:07d}"), None, 300 + v


def receipts_of(i: int, posted: int) -> Iterator[Receipt]:
    """Return the receipts of outgoing status *i*, posted at *posted*."""
    for viewer, delivered, read in viewers_of(i):
        for kind, seconds in ((Progress.DELIVERED, delivered), (Progress.READ, read)):
            if seconds is not None:
                yield Receipt(status_id(i), viewer, kind, posted + seconds * 1000)


def moving_receipts(serial: int) -> tuple[str, str, str]:
    """Return receipt number *serial* of those that arrive while reads are measured.

    Each is new: idMessage of an outgoing status i = 5 … 250, viewer, ``delivered`` or ``read``.
    """
    lap, place = divmod(serial, len(_MOVING))
    viewer, second = divmod(lap, 2)
    return status_id(_MOVING[place]), f"1557{viewer:07d}@c.us", ("delivered", "read")[second]


_MOVING = tuple(i for i in range(5, 251) if is_outgoing(i))


def instance(
    instance_id: InstanceId, token_digest: bytes, now_ms: int, *, linked: bool = True
) -> Instance:
    """Return a sandbox account with the workload's own number that does not link itself."""
    return Instance(
        id=instance_id,
        name="bench",
        engine="simulated",
        engine_options={"auto_authorize": False},
        token_digest=token_digest,
        state=State.AUTHORIZED if linked else State.NOT_AUTHORIZED,
        phone=OWN.phone if linked else "",
        created_ms=now_ms,
    )


async def seed(
    journal: Journal,
    instance_id: InstanceId,
    seeded_ms: int,
    *,
    thumbnails: bool = False,
    many_viewers: bool = False,
) -> None:
    """Write contacts, statuses and receipts of an instance that exists.

    *thumbnails*: on every image (read A+). *many_viewers*: also status 0 (read B+).
    """
    await journal.write(instance_id, lambda tx: tx.record_contacts(instance_id, contacts()))
    participants = tuple(contact(v).chat_id for v in range(1, VIEWERS + 1))
    first = 0 if many_viewers else 1
    for indexes in in_batches(range(first, STATUSES + 1), _BATCH):
        statuses = [
            new_status(
                i, posted_ms(i, seeded_ms), participants=participants, thumbnails=thumbnails
            )
            for i in indexes
        ]
        receipts = [
            receipt
            for i in indexes
            if is_outgoing(i)
            for receipt in receipts_of(i, posted_ms(i, seeded_ms))
        ]
        await _write(journal, instance_id, statuses, receipts, seeded_ms)


async def seed_filler(
    journal: Journal, instance_ids: list[InstanceId], seeded_ms: int, count: int = FILLER
) -> None:
    """Write *count* older statuses of the same mix, in turn to each of the instances."""
    participants = tuple(contact(v).chat_id for v in range(1, VIEWERS + 1))
    step = len(instance_ids)
    for place, instance_id in enumerate(instance_ids):
        for numbers in in_batches(range(place, count, step), _BATCH):
            statuses = [
                new_status(
                    STATUSES + 1 + n,
                    filler_posted_ms(n, seeded_ms, count),
                    participants=participants,
                )
                for n in numbers
            ]
            await _write(journal, instance_id, statuses, [], seeded_ms)


async def seed_receipts(journal: Journal, instance_id: InstanceId, seeded_ms: int) -> None:
    """Write older statuses with a million receipts; two viewers of three have read."""
    for n in range(CROWDED):
        i = _FIRST_CROWDED + 5 * n
        posted = filler_posted_ms(n, seeded_ms, CROWDED)
        await _write(journal, instance_id, [new_status(i, posted)], [], seeded_ms)
        for viewers in in_batches(range(CROWD), 5 * _BATCH):
            receipts = [
                Receipt(
                    status_id(i),
                    contact(k),
                    Progress.READ if k % 3 else Progress.DELIVERED,
                    posted + (60 + k % 3_600) * 1000,
                )
                for k in viewers
            ]
            await _write(journal, instance_id, [], receipts, seeded_ms)


async def _write(
    journal: Journal,
    instance_id: InstanceId,
    statuses: list[NewStatus],
    receipts: list[Receipt],
    now_ms: int,
) -> None:
    def work(tx: Transaction) -> None:
        for new in statuses:
            status = tx.record_status(instance_id, new)
            if status is not None and status.kind is Kind.IMAGE:
                tx.add_file(instance_id, _file(new))
                tx.attach_file(instance_id, status.no, _file(new), new.thumbnail or None)
        if receipts:
            tx.record_receipts(instance_id, receipts, now_ms)

    await journal.write(instance_id, work)


def _file(new: NewStatus) -> StoredFile:
    digits = f"{int(new.status_id[4:], 16):012x}"
    return StoredFile(
        key=f"00000000-0000-4000-8000-{digits}",
        extension="jpg",
        mimetype="image/jpeg",
        size=_FILE_BYTES,
        created_ms=new.posted_ms,
    )


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Split *items* into lists of at most *size*."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
