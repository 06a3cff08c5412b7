"""The floor of ingest: the same receipts by the driver's executemany, and nothing else.

A table of the receipts' shape, transactions of the sizes that the product made, the same
durability. ``python -m bench.ingest_floor DATABASE`` reads those sizes as JSON from standard
input and prints the seconds it took.
"""

import sys
import time
from collections.abc import Iterator
from itertools import islice

import apsw
import msgspec
import psycopg

from bench import ingest_run, workload
from statusgate.domain.events import StatusReceipt
from statusgate.domain.receipt import Progress

_SQLITE_TABLE = """
CREATE TABLE floor (
    instance_id INTEGER NOT NULL, status_no INTEGER NOT NULL, person_no INTEGER NOT NULL,
    delivered_ms INTEGER, read_ms INTEGER, refused INTEGER,
    PRIMARY KEY (instance_id, status_no, person_no)
) WITHOUT ROWID, STRICT
"""
_POSTGRES_TABLE = b"""
CREATE TABLE floor (
    instance_id BIGINT NOT NULL, status_no INTEGER NOT NULL, person_no INTEGER NOT NULL,
    delivered_ms BIGINT, read_ms BIGINT, refused SMALLINT,
    PRIMARY KEY (instance_id, status_no, person_no)
)
"""
_INSERT = """
INSERT INTO floor (instance_id, status_no, person_no, delivered_ms, read_ms)
VALUES ({marks})
ON CONFLICT (instance_id, status_no, person_no) DO UPDATE SET
    delivered_ms = coalesce(floor.delivered_ms, excluded.delivered_ms),
    read_ms = coalesce(floor.read_ms, excluded.read_ms)
"""
Row = tuple[int, int, int, int | None, int | None]


def rows() -> Iterator[Row]:
    """The receipts of the run, in its order, with the numbers that a journal would give."""
    for one in ingest_run.told_receipts(0):
        event = one.events[0]
        assert isinstance(event, StatusReceipt)
        read = event.kind is Progress.READ
        yield (
            workload.INSTANCE,
            int(event.wire_ids[0][4:], 16),
            int(event.viewer.phone[4:]),
            None if read else event.at_ms,
            event.at_ms if read else None,
        )


def transactions(sizes: list[int]) -> list[list[Row]]:
    """Cut the receipts as the product did."""
    rest = rows()
    return [list(islice(rest, size)) for size in sizes]


def sqlite_seconds(path: str, work: list[list[Row]]) -> float:
    """Write all to a new file, durably."""
    connection = apsw.Connection(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(_SQLITE_TABLE)
    insert = _INSERT.format(marks="?, ?, ?, ?, ?")
    begun = time.perf_counter()
    for part in work:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, part)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return seconds


def postgres_seconds(url: str, work: list[list[Row]]) -> float:
    """Write all to a new table, durably."""
    insert = _INSERT.format(marks="%s, %s, %s, %s, %s").encode()
    with psycopg.connect(url) as connection:
        connection.execute(_POSTGRES_TABLE)
        connection.commit()
        begun = time.perf_counter()
        for part in work:
            with connection.cursor() as cursor:
                cursor.executemany(insert, part)
            connection.commit()
        return time.perf_counter() - begun


def main() -> None:
    """Measure once."""
    url = sys.argv[1]
    work = transactions(msgspec.json.decode(sys.stdin.buffer.read(), type=list[int]))
    if url.startswith("sqlite:///"):
        print(sqlite_seconds(url.removeprefix("sqlite:///"), work))
    else:
        print(postgres_seconds(url, work))


if __name__ == "__main__":
    main()
