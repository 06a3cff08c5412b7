"""Plans of the statements that carry the load: an index each, whatever the statistics say."""

import re
from collections.abc import Iterator

import apsw
import psycopg
import pytest

from statusgate.domain.notification import Delivery
from statusgate.domain.reply import Reply, ReplyKind
from statusgate.journal.session import Value, bound
from statusgate.journal.sql import statements
from tests.databases import fresh_schema, new_instance, record_in, transaction
from tests.factories import INSTANCE, NOON_MS, new_status, person

PARAMETERS: dict[str, Value] = {
    "instance_id": INSTANCE,
    "outgoing": 0,
    "contacts_only": 1,
    "since_ms": NOON_MS - 110 * 60_000,
    "before_ms": NOON_MS,
    "status_no": 3,
    "status_id": "A",
    "wire_id": "A",
    "key": "k",
    "now_ms": NOON_MS,
    "held_before_ms": NOON_MS,
    "limit": 10,
    "since_version": 3,
    "wire_ids": [["W1"], ["W2"]],
    "status_nos": [[1], [2]],
    "pairs": [[1, 1], [1, 2]],
    "phones": [["1"]],
    "lids": [["1"]],
    "numbers": [[1]],
    "author_no": 4,
    "person_no": 4,
    "into_no": 3,
    "from_no": 4,
    "refusals": [[1, 479]],
    "posted_ms": NOON_MS - 110 * 60_000,
    "at_ms": NOON_MS,
    "reply_id": "",
    "receipt_id": 5,
    "after": 0,
    "ended_ms": NOON_MS,
    "outcome": "expired",
    "logged_before_ms": NOON_MS,
    "most_logged": 10_000,
    "quarter_ms": 900_000,
    "base": 2,
    "base_ms": NOON_MS,
    "shown": [[2], [3]],
    "from_ms": NOON_MS,
    "after_no": 5,
    "until_ms": NOON_MS,
    "before_no": 5,
    "kind": 1,
    "progress": 2,
    "last_no": 2**63 - 1,
    "after_ms": 0,
    "after_accepted_ms": NOON_MS,
    "after_id": "A",
    "ids": [[INSTANCE]],
    "failed_since_ms": NOON_MS,
}
HOT = {
    "statuses_in_window": {"statuses_window"},
    "statuses_by_id": {"statuses_by_id"},
    "status_by_no": {"statuses_pkey"},
    "statuses_by_no": {"statuses_pkey"},
    "posted": {"statuses_window"},
    "page_of_statuses": {"statuses_window"},
    "page_of_author": {"statuses_by_author"},
    "page_of_queue": set(),
    "publications": {"publications_pkey"},
    "viewers": {"receipts_pkey", "people_pkey"},
    "newest_replies": set(),
    "recipients": {"receipts_pkey", "people_pkey"},
    "outgoing_by_wire_id": {"statuses_by_wire_id"},
    "tallies": {"statuses_pkey"},
    "rows_of_pairs": {"receipts_pkey"},
    "reactions": {"receipts_with_reaction", "people_pkey"},
    "reply_times": {"replies_of_status"},
    "recount": {"receipts_pkey", "statuses_pkey"},
    "replies_of_status": {"replies_of_status", "people_pkey"},
    "statuses_after": {"statuses_window"},
    "recipients_after": {"receipts_pkey", "people_pkey"},
    "reactions_after": {"receipts_with_reaction", "people_pkey"},
    "replies_after": {"replies_of_status", "people_pkey"},
    "claim_replies": {"replies_pkey"},
    "take_replies_of_person": {"replies_by_person"},
    "people_by_address": {"people_by_phone", "people_by_lid"},
    "people_by_number": {"people_pkey"},
    "file": {"files_pkey"},
    "due_downloads": {"downloads_pkey"},
    "instances_with_downloads": {"downloads_due"},
    "awaits_file": set(),
    "next_download": {"downloads_due"},
    "expired_statuses": {"statuses_window"},
    "count_notifications": {"notifications_waiting"},
    "one_notification": {"notifications_pkey"},
    "waiting_notifications": {"notifications_waiting"},
    "page_of_waiting": {"notifications_waiting", "deliveries_pkey"},
    "page_of_ended": {"notifications_by_end", "deliveries_pkey"},
    "end_notifications": {"notifications_waiting"},
    "end_notification": set(),
    "deliveries": {"deliveries_pkey"},
    "glances": {
        "state_history_pkey",
        "statuses_sent",
        "statuses_failed",
        "statuses_window",
        "notifications_waiting",
        "deliveries_by_age",
        "push_streaks_pkey",
    },
    "next_push": {"push_streaks_pkey", "notifications_waiting"},
    "logged_events": {"event_log_pkey"},
    "oldest_event": {"event_log_pkey"},
    "give_statuses": {"statuses_by_author"},
    "queued": {"outbox_in_order"},
    "instances_to_prepare": {"outbox_to_prepare"},
    "outgoing_to_prepare": set(),
    "instances_due": {"outbox_scheduled"},
    "outgoing_due": set(),
    "publication": {"publications_pkey"},
    "leave_out": {"receipts_pkey"},
}


def sqlite_plan(connection: apsw.Connection, name: str) -> list[str]:
    sql = statements("sqlite")[name].sql
    named = {key: one for key, one in bound(PARAMETERS).items() if f":{key}" in sql}
    return [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + sql, named)]


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> apsw.Connection:
    path = tmp_path_factory.mktemp("plans") / "journal.db"
    session, _ = record_in(f"sqlite:///{path}")
    session.close()
    return apsw.Connection(str(path))


@pytest.mark.parametrize("name", HOT)
def test_sqlite_looks_by_index(sqlite: apsw.Connection, name: str) -> None:
    plan = sqlite_plan(sqlite, name)
    tables = [
        line
        for line in plan
        if re.match("(SCAN|SEARCH) (?!item|expired|oldest|counted|chosen|\\(sub)", line)
    ]
    assert tables
    assert all(line.startswith("SEARCH") for line in tables), plan
    named = {index for index in HOT[name] if not index.endswith("_pkey")}
    assert all(any(index in line for line in tables) for index in named), plan


@pytest.mark.parametrize("name", ["statuses_in_window", "page_of_statuses"])
def test_a_window_is_a_range_in_the_order_of_the_answer(
    sqlite: apsw.Connection, name: str
) -> None:
    plan = sqlite_plan(sqlite, name)
    assert any(
        "statuses_window (instance_id=? AND outgoing=? AND posted_ms>? AND posted_ms<?)" in line
        for line in plan
    ), plan
    assert not any("TEMP B-TREE" in line for line in plan), plan


def test_retention_looks_by_index_in_every_table(sqlite: apsw.Connection) -> None:
    plan = sqlite_plan(sqlite, "instance_with_expired")
    searched = [line for line in plan if line.startswith("SEARCH")]
    searched = [line for line in searched if " c USING" not in line]  # one counter, by key
    assert len(searched) == 10, plan
    assert all("INDEX" in line and "_ms" in line for line in searched), plan


def reply(number: int) -> Reply:
    return Reply(
        wire_id=f"W{number}",
        viewer=person(number),
        reply_id=f"R{number}",
        kind=ReplyKind.TEXT,
        at_ms=NOON_MS,
    )


def delivery(receipt_id: int) -> Delivery:
    return Delivery(
        receipt_id=receipt_id, at_ms=NOON_MS, duration_ms=5, outcome="failed", code=502
    )


@pytest.fixture(scope="module")
def filled(postgres_server: str) -> str:
    """A schema with some rows and without statistics."""
    url = fresh_schema(postgres_server)
    session, record = record_in(url)
    with transaction(session):
        record.create_instance(new_instance())
        for number in range(300):
            made = record.record_status(
                INSTANCE, new_status(number, author=None, wire_id=f"W{number}")
            )
            assert made is not None
            if number < 3:
                record.add_recipients(INSTANCE, made.no, [person(no) for no in range(300)])
            record.record_reply(INSTANCE, reply(number), NOON_MS)
            record.add_notifications(INSTANCE, [b"{}"], NOON_MS)
            record.record_delivery(INSTANCE, delivery(number + 1))
    session.close()
    return url


@pytest.fixture(scope="module")
def without_statistics(filled: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(filled) as connection:
        # Tables this small are read whole for good reasons; the question is what comes next.
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        yield connection


@pytest.fixture(scope="module")
def analyzed(filled: str) -> Iterator[psycopg.Connection]:
    """Its statistics are its own, for they are never committed."""
    with psycopg.connect(filled) as connection:
        connection.execute("ANALYZE")
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        yield connection
        connection.rollback()


def postgres_plan(connection: psycopg.Connection, name: str) -> str:
    with connection.transaction(force_rollback=True):
        statement, values = statements("postgres")[name], bound(PARAMETERS)
        plan = psycopg.RawCursor(connection).execute(
            "EXPLAIN " + statement.sql, [values[one] for one in statement.parameters]
        )
        lines = [row[0] for row in plan]
    return "\n".join(lines)


@pytest.mark.postgres
@pytest.mark.parametrize("name", HOT)
def test_postgres_looks_by_index(analyzed: psycopg.Connection, name: str) -> None:
    plan = postgres_plan(analyzed, name)
    assert "Seq Scan" not in plan, plan
    for index in HOT[name]:
        assert index in plan, plan


@pytest.mark.postgres
@pytest.mark.parametrize("name", HOT)
def test_postgres_compares_no_whole_tables_before_it_has_statistics(
    without_statistics: psycopg.Connection, name: str
) -> None:
    plan = postgres_plan(without_statistics, name)
    for word in ("Seq Scan", "Join Filter", "Hash Join", "Merge Join"):
        assert word not in plan, plan
