"""F1: kill -9 of a process that writes loses nothing it acknowledged and doubles nothing.

Run as a program this file is that process: it prints each number once it is committed.
"""

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from statusgate.domain.address import Address
from statusgate.domain.receipt import Progress, Receipt
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.domain.status import Counts
from statusgate.journal import Transaction, open_journal
from tests.databases import fresh_schema, new_instance, record_in, transaction
from tests.factories import INSTANCE, NOON_MS, new_status

ROOT = Path(__file__).parents[3]
VIEWERS = 3


def record(tx: Transaction, number: int) -> None:
    """Status *number* of ours with receipts, reactions and replies, half of them early."""
    wire_id = f"W{number}"
    viewers = [Address(phone=f"79{viewer}") for viewer in range(VIEWERS)]
    receipts = [
        Receipt(wire_id, viewer, kind, NOON_MS, reaction)
        for viewer in viewers
        for kind, reaction in ((Progress.DELIVERED, None), (Progress.READ, "💚"))
    ]
    replies = [
        Reply(wire_id=wire_id, viewer=viewer, reply_id="R", kind=ReplyKind.TEXT, at_ms=NOON_MS)
        for viewer in viewers
    ]
    tx.record_receipts(INSTANCE, receipts[:3], NOON_MS)
    tx.record_reply(INSTANCE, replies[0], NOON_MS)
    tx.record_status(INSTANCE, new_status(number, author=None, wire_id=wire_id))
    tx.record_receipts(INSTANCE, receipts[3:], NOON_MS)
    for reply in replies[1:]:
        tx.record_reply(INSTANCE, reply, NOON_MS)
    tx.advance_cursor(INSTANCE, number)


async def write_for_ever(url: str, start: int) -> None:
    journal = open_journal(url)
    numbers = iter(range(start, sys.maxsize))

    async def worker() -> None:
        for number in numbers:
            await journal.write(INSTANCE, lambda tx, no=number: record(tx, no))  # type: ignore[misc]
            os.write(1, b"%d\n" % number)

    await asyncio.gather(*(worker() for _ in range(6)))


def acknowledged_until_killed(url: str, start: int, after_seconds: float) -> list[int]:
    """Start a writer, kill it a moment after its first acknowledgement, return all of them."""
    command = [sys.executable, __file__, url, str(start)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(after_seconds)
        process.kill()
        rest = process.stdout.read()
    lines = (first + rest).split(b"\n")
    return [int(line) for line in lines[:-1]]  # the last one may be cut


def check(url: str, acknowledged: set[int]) -> int:
    """Everything acknowledged is there, once and whole; returns the next free number."""
    session, found = record_in(url)
    with transaction(session):
        statuses = found.statuses(INSTANCE, outgoing=True, since_ms=0)
        rows = {status.status_id: found.recipients(status) for status in statuses}
        assert all(len(found.reactions(status)) == VIEWERS for status in statuses)
        assert all(len(found.replies(status)) == VIEWERS for status in statuses)
        assert {status.counts for status in statuses} == {Counts(*[VIEWERS] * 5)}
        cursor = found.cursor(INSTANCE)
        if url.startswith("sqlite"):
            assert session.run_script("PRAGMA integrity_check") == [("ok",)]
    session.close()
    numbers = [int(status.status_id[4:], 16) for status in statuses]
    assert len(numbers) == len(set(numbers))
    assert acknowledged <= set(numbers)
    assert cursor == max(numbers)
    assert all(
        len(ones) == VIEWERS and {one.progress for one in ones} == {Progress.READ}
        for ones in rows.values()
    )
    return max(numbers) + 1


def kill_often(url: str, kills: int) -> None:
    session, found = record_in(url)
    with transaction(session):
        found.create_instance(new_instance())
    session.close()
    moments = random.Random(7)
    acknowledged: set[int] = set()
    start = 1
    for _ in range(kills):
        acknowledged.update(acknowledged_until_killed(url, start, moments.random() * 0.06))
        start = check(url, acknowledged)
    assert len(acknowledged) >= kills


def test_eight_kills_lose_nothing(tmp_path: Path) -> None:
    kill_often(f"sqlite:///{tmp_path}/journal.db", 8)


@pytest.mark.postgres
def test_kills_lose_nothing_on_postgres(postgres_server: str) -> None:
    kill_often(fresh_schema(postgres_server), 3)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    kill_often(f"sqlite:///{tmp_path}/journal.db", 100)


if __name__ == "__main__":
    asyncio.run(write_for_ever(sys.argv[1], int(sys.argv[2])))
