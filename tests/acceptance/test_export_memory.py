"""A million receipts leave as a file, and nobody else notices.

The short form, in the process of the test: ``tests/integration/api/test_exports.py``.
"""

import asyncio
import http.client
import threading
from collections import Counter
from pathlib import Path

import pytest

from statusgate.domain.clock import SystemClock
from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress, Receipt
from statusgate.journal import Transaction, open_journal
from tests.acceptance.processes import InstanceClient, ServerProcess
from tests.acceptance.test_memory import resident_mb
from tests.databases import fresh_schema, postgres_server
from tests.factories import new_status, person

__all__ = ["postgres_server"]

MOST_MB = 30
SMALL, LARGE = (900, 1_000), (1, 100_000)
"""statuses, and how many viewed each"""


def fill(url: str, instance_id: InstanceId) -> int:
    """Journal statuses and receipts; returns how many receipts."""

    async def run() -> int:
        journal = open_journal(url, exclusive=False)
        now_ms = SystemClock().now_ms()
        number = 0
        for statuses, viewers in (SMALL, LARGE):
            people = [person(viewer) for viewer in range(viewers)]
            for _ in range(statuses):
                number += 1
                new = new_status(number, author=None, posted_ms=now_ms, sent_ms=now_ms)
                receipts = [
                    Receipt(new.wire_id or "", one, Progress.READ, now_ms) for one in people
                ]

                def work(tx: Transaction, new=new, receipts=receipts) -> None:  # type: ignore[no-untyped-def]
                    tx.record_status(instance_id, new)
                    tx.record_receipts(instance_id, receipts, now_ms)

                await journal.write(instance_id, work)
        await journal.close()
        return sum(statuses * viewers for statuses, viewers in (SMALL, LARGE))

    return asyncio.run(run())


class Others:
    """Requests of somebody else, one after the other, while the block runs."""

    def __init__(self, account: InstanceClient) -> None:
        self._account = account
        self._ends = threading.Event()
        self.answers = Counter[int]()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Others":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._ends.wait(0.02):
            self.answers[self._account.get("getOutgoingStatuses", "minutes=5").status] += 1


def export(server: ServerProcess, account: InstanceClient, query: str) -> tuple[int, float]:
    """Read an export to its end: how many lines it has, and the most memory meanwhile, MB."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        path = f"/waInstance{account.id}/exportStatuses/{account.token}?{query}"
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        lines, most = 0, 0.0
        while piece := answer.read(1 << 20):
            lines += piece.count(b"\n")
            most = max(most, resident_mb(server.pid))
        return lines, most
    finally:
        connection.close()


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def test_a_million_receipts_take_little_memory_and_others_are_served(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/statusgate.db"
    if database == "postgres":
        url = fresh_schema(request.getfixturevalue("postgres_server"))
    server = ServerProcess(tmp_path, database=url)
    with server:
        account, other = server.create_instance(), server.create_instance()
        assert server.stop() == 0
        receipts = fill(url, InstanceId(account.id))
        server.start()
        assert other.get("getOutgoingStatuses", "minutes=5").status == 200
        idle = resident_mb(server.pid)
        with Others(other) as others:
            found = [
                export(server, account, query)
                for query in ("what=receipts", "what=receipts&format=jsonl", "what=statuses")
            ]
        assert [lines for lines, _ in found] == [receipts + 1, receipts, sum(SMALL[:1]) + 2]
        print(
            f"{database}: idle {idle:.0f} MB, {[round(most - idle) for _, most in found]} more"
        )
        assert max(most for _, most in found) - idle <= MOST_MB
        assert others.answers.keys() == {200}
        assert others.answers.total() > 100
        assert server.stop() == 0
