"""The journal port: files, downloads, and retention."""

import msgspec
import pytest

from statusgate.domain.errors import MediaUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.media import MediaRef, StoredFile
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.status import Status
from statusgate.journal import Transaction
from tests.databases import Account, new_instance
from tests.factories import INSTANCE, NOON_MS, new_status, person

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
REF = MediaRef(handle=b"\x00\xffopaque", mimetype="image/jpeg", size=9, sha256=b"\x01")


def stored(key: str = "k", expires_ms: int | None = None) -> StoredFile:
    return StoredFile(
        key=key,
        extension="jpg",
        mimetype="image/jpeg",
        size=3,
        created_ms=NOON_MS,
        expires_ms=expires_ms,
    )


def attach(
    tx: Transaction, status_no: int, file: StoredFile, thumbnail: bytes | None = None
) -> Status | None:
    """Attach a file as the gateway does: it is on record before it is stored."""
    tx.add_file(INSTANCE, msgspec.structs.replace(file, expires_ms=NOON_MS + HOUR_MS))
    return tx.attach_file(INSTANCE, status_no, file, thumbnail)


def with_download(tx: Transaction) -> int:
    made = tx.record_status(INSTANCE, new_status(1, thumbnail=b"old"))
    assert made is not None
    tx.want_download(INSTANCE, made.no, REF, NOON_MS + 10)
    return made.no


async def test_a_download_is_due_until_its_file_is_there(account: Account) -> None:
    no = await account.write(with_download)
    assert (
        await account.read(lambda reader: reader.due_downloads(INSTANCE, NOON_MS + 9, 5)) == []
    )
    due = await account.read(lambda reader: reader.due_downloads(INSTANCE, NOON_MS + 10, 5))
    assert [(one.instance_id, one.status_no, one.ref, one.attempts) for one in due] == [
        (INSTANCE, no, REF, 0)
    ]
    await account.write(
        lambda tx: tx.postpone_download(INSTANCE, no, NOON_MS + 20, counted=True)
    )
    assert (
        await account.read(lambda reader: reader.due_downloads(INSTANCE, NOON_MS + 19, 5)) == []
    )
    due = await account.read(lambda reader: reader.due_downloads(INSTANCE, NOON_MS + 20, 5))
    assert due[0].attempts == 1
    status = await account.write(lambda tx: attach(tx, no, stored(), b"new"))
    assert status is not None
    assert (status.file, status.thumbnail) == (stored(), b"new")
    assert (
        await account.read(lambda reader: reader.due_downloads(INSTANCE, NOON_MS + 99, 5)) == []
    )
    await account.write(lambda tx: tx.want_download(INSTANCE, no, REF, NOON_MS))
    assert (
        await account.read(lambda reader: reader.due_downloads(INSTANCE, NOON_MS + 99, 5)) == []
    )


async def test_an_attempt_that_does_not_count_only_waits(account: Account) -> None:
    no = await account.write(with_download)
    await account.write(
        lambda tx: tx.postpone_download(INSTANCE, no, NOON_MS + 20, counted=False)
    )
    (due,) = await account.read(lambda tx: tx.due_downloads(INSTANCE, NOON_MS + 20, 5))
    assert due.attempts == 0


async def test_it_is_known_who_has_downloads_and_when_the_next_is_due(account: Account) -> None:
    await account.write(with_download)

    async def look(at_ms: int) -> tuple[list[InstanceId], int | None]:
        return await account.read(
            lambda tx: (tx.instances_with_downloads(at_ms), tx.next_download_ms(at_ms))
        )

    assert await look(NOON_MS + 9) == ([], NOON_MS + 10)
    assert await look(NOON_MS + 10) == ([INSTANCE], None)


async def test_downloads_are_due_oldest_first_and_may_be_dropped(account: Account) -> None:
    def work(tx: Transaction) -> list[int]:
        nos = []
        for number, due_ms in ((1, 30), (2, 10), (3, 20), (4, 60)):
            made = tx.record_status(INSTANCE, new_status(number))
            assert made is not None
            tx.want_download(INSTANCE, made.no, REF, due_ms)
            tx.want_download(INSTANCE, made.no, REF, 99)
            nos.append(made.no)
        return nos

    one, two, three, _ = await account.write(work)

    async def due(limit: int) -> list[int]:
        found = await account.read(lambda reader: reader.due_downloads(INSTANCE, 50, limit))
        return [download.status_no for download in found]

    assert await due(2) == [one, two]
    await account.write(lambda tx: tx.drop_download(INSTANCE, two))
    assert await due(9) == [one, three]


async def test_without_a_new_thumbnail_the_old_one_stays(account: Account) -> None:
    no = await account.write(with_download)
    status = await account.write(lambda tx: attach(tx, no, stored()))
    assert status is not None
    assert status.thumbnail == b"old"


async def test_a_file_for_a_status_that_is_gone_is_not_taken(account: Account) -> None:
    assert await account.write(lambda tx: attach(tx, 9, stored())) is None
    assert await account.write(lambda tx: tx.expire(NOON_MS, DAY_MS, 10)) == (
        1,
        [f"{INSTANCE}/k.jpg"],
    )
    await account.write(lambda tx: tx.want_download(INSTANCE, 9, REF, 0))
    assert await account.read(lambda reader: reader.due_downloads(INSTANCE, NOON_MS, 5)) == []
    assert await account.read(lambda reader: reader.file(INSTANCE, "k", NOON_MS)) is None


async def test_a_file_expires_unless_a_fact_keeps_it(account: Account) -> None:
    """What a crash between these steps leaves goes by itself."""
    keys = {"forgotten", "kept", "for a day"}

    def work(tx: Transaction) -> None:
        for key in keys:
            tx.add_file(INSTANCE, stored(key, NOON_MS + HOUR_MS))
        tx.keep_file(INSTANCE, "kept")
        tx.keep_file(INSTANCE, "for a day", NOON_MS + DAY_MS)

    await account.write(work)

    async def alive(at_ms: int) -> set[str]:
        return await account.read(
            lambda tx: {key for key in keys if tx.file(INSTANCE, key, at_ms) is not None}
        )

    async def expired(at_ms: int) -> tuple[int, list[str]]:
        return await account.write(lambda tx: tx.expire(at_ms, 99 * DAY_MS, 10))

    assert await alive(NOON_MS + HOUR_MS - 1) == keys
    assert await expired(NOON_MS + HOUR_MS) == (1, [f"{INSTANCE}/forgotten.jpg"])
    assert await alive(NOON_MS + HOUR_MS) == {"kept", "for a day"}
    assert await expired(NOON_MS + DAY_MS) == (1, [f"{INSTANCE}/for a day.jpg"])
    assert await alive(NOON_MS + 9 * DAY_MS) == {"kept"}


async def test_a_file_that_is_released_expires_at_once_unless_a_status_keeps_it(
    account: Account,
) -> None:
    def work(tx: Transaction) -> None:
        for key in ("released", "kept"):
            tx.add_file(INSTANCE, stored(key, NOON_MS + HOUR_MS))
        tx.keep_file(INSTANCE, "kept")
        for key in ("released", "kept", "unknown"):
            tx.release_file(INSTANCE, key)

    await account.write(work)
    gone = await account.write(lambda tx: tx.expire(NOON_MS, DAY_MS, 10))
    assert gone == (1, [f"{INSTANCE}/released.jpg"])


async def test_a_file_that_has_expired_cannot_be_kept_any_more(account: Account) -> None:
    """Its object may be gone already."""
    no = await account.write(with_download)
    await account.write(lambda tx: tx.add_file(INSTANCE, stored(expires_ms=NOON_MS)))
    await account.write(lambda tx: tx.release_file(INSTANCE, "k"))

    def attach_it(tx: Transaction) -> None:
        tx.attach_file(INSTANCE, no, stored(), None)

    for keep in (
        lambda tx: tx.keep_file(INSTANCE, "k"),
        lambda tx: tx.keep_file(INSTANCE, "never recorded"),
        attach_it,
    ):
        with pytest.raises(MediaUnavailable) as caught:
            await account.write(keep)
        assert not caught.value.final
    await account.write(lambda tx: tx.expire(NOON_MS, DAY_MS, 10))
    with pytest.raises(MediaUnavailable):
        await account.write(attach_it)
    (due,) = await account.read(lambda tx: tx.due_downloads(INSTANCE, NOON_MS + DAY_MS, 5))
    assert due.status_no == no


async def test_an_upload_lives_until_its_time(account: Account) -> None:
    upload = stored("up", NOON_MS + 5)
    await account.write(lambda tx: tx.add_file(INSTANCE, upload))
    alive = await account.read(lambda reader: reader.file(INSTANCE, "up", NOON_MS + 4))
    assert alive == upload
    assert await account.read(lambda reader: reader.file(INSTANCE, "up", NOON_MS + 5)) is None
    other = InstanceId(INSTANCE + 1)
    assert await account.read(lambda reader: reader.file(other, "up", NOON_MS)) is None
    gone = await account.write(lambda tx: tx.expire(NOON_MS + 5, DAY_MS, 10))
    assert gone == (1, [f"{INSTANCE}/up.jpg"])


async def test_a_file_dies_with_its_status(account: Account) -> None:
    no = await account.write(with_download)
    await account.write(lambda tx: attach(tx, no, stored()))
    assert await account.read(lambda reader: reader.file(INSTANCE, "k", NOON_MS)) == stored()
    key = new_status(1).status_id
    gone = await account.write(lambda tx: tx.record_deletion(INSTANCE, key, person(1), NOON_MS))
    assert gone is not None
    assert gone.file == stored()
    assert await account.read(lambda reader: reader.file(INSTANCE, "k", NOON_MS)) is None
    assert await account.write(lambda tx: tx.expire(NOON_MS, DAY_MS, 10)) == (
        1,
        [f"{INSTANCE}/k.jpg"],
    )


async def test_a_second_file_replaces_the_first(account: Account) -> None:
    no = await account.write(with_download)
    await account.write(lambda tx: attach(tx, no, stored("a")))
    status = await account.write(lambda tx: attach(tx, no, stored("b")))
    assert status is not None
    assert status.file == stored("b")
    assert await account.write(lambda tx: tx.expire(NOON_MS, DAY_MS, 10)) == (
        1,
        [f"{INSTANCE}/a.jpg"],
    )


async def test_what_is_old_goes_in_small_steps(account: Account) -> None:
    def work(tx: Transaction) -> None:
        for number in range(10):
            tx.record_status(
                INSTANCE,
                new_status(
                    number, posted_ms=NOON_MS + number, author=None, wire_id=f"{number}"
                ),
            )
            made = tx.record_status(INSTANCE, new_status(number, posted_ms=NOON_MS + number))
            assert made is not None
            attach(tx, made.no, stored(f"f{number}"))
            for viewer in range(4):
                receipt = Receipt(f"{number}", person(viewer), Progress.READ, NOON_MS)
                tx.record_receipts(INSTANCE, [receipt], NOON_MS)
            tx.record_deletion(INSTANCE, f"d{number}", person(1), NOON_MS + number)
            tx.record_gap(INSTANCE, f"g{number}", person(1), NOON_MS + number)

    await account.write(work)
    now_ms = NOON_MS + DAY_MS + 5  # five of the ten are older than a day
    gone, steps = 0, 0
    paths: list[str] = []
    while True:
        count, removed = await account.journal.write(
            None, lambda tx: tx.expire(now_ms, DAY_MS, 10)
        )
        if count == 0:
            break
        assert count <= 10 + 5
        gone, paths, steps = gone + count, paths + removed, steps + 1
    # five each: statuses with four rows, statuses with a file, the files, deletions, gaps
    assert gone == 5 * (5 + 1 + 1 + 1 + 1)
    assert steps >= 4
    assert paths == [f"{INSTANCE}/f{number}.jpg" for number in range(5)]
    for outgoing in (True, False):
        kept = await account.read(
            lambda reader, out=outgoing: reader.statuses(INSTANCE, outgoing=out, since_ms=0)  # type: ignore[misc]
        )
        assert [one.posted_ms - NOON_MS for one in kept] == [9, 8, 7, 6, 5]
    rows = await account.read(lambda reader: reader.recipients(kept[0]))
    assert rows == []


async def test_a_deleted_instance_stays_for_a_while_and_then_goes(account: Account) -> None:
    other = InstanceId(5)

    def work(tx: Transaction) -> None:
        tx.create_instance(new_instance(id=other, deleted_ms=NOON_MS))
        for owner in (INSTANCE, other):
            tx.record_status(owner, new_status(1, posted_ms=NOON_MS + 2 * DAY_MS, author=None))
            tx.add_file(owner, stored())
            tx.record_name(owner, person(1), "Anna")
            tx.record_gap(owner, "g", person(1), NOON_MS + 2 * DAY_MS)

    await account.journal.write(None, work)
    early = await account.journal.write(None, lambda tx: tx.expire(NOON_MS + 9, 99, 10))
    assert early == (0, [])
    paths: list[str] = []
    while True:
        count, removed = await account.journal.write(
            None, lambda tx: tx.expire(NOON_MS + DAY_MS + 1, DAY_MS, 2)
        )
        if count == 0:
            break
        paths += removed
    assert paths == ["5/k.jpg"]
    left = await account.read(lambda reader: reader.instances())
    assert [one.id for one in left] == [INSTANCE]
    assert await account.read(lambda reader: reader.contact(other, person(1))) is None
    assert await account.read(lambda reader: reader.contact(INSTANCE, person(1))) is not None
    assert await account.status(new_status(1).status_id) is not None


async def test_an_instance_in_use_is_not_purged(account: Account) -> None:
    assert await account.journal.write(None, lambda tx: tx.purge_instance(INSTANCE, 9)) == (
        0,
        [],
    )
    assert await account.journal.write(
        None, lambda tx: tx.purge_instance(InstanceId(7), 9)
    ) == (
        0,
        [],
    )
    assert len(await account.read(lambda reader: reader.instances())) == 1
