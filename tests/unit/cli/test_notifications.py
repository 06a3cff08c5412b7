"""``statusgate notifications`` on a database, without a server."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from statusgate.cli.main import main
from statusgate.domain.ids import InstanceId
from statusgate.domain.notification import End
from statusgate.journal import Transaction, open_journal
from tests.factories import NOON_MS

INSTANCE = InstanceId(1101000001)


class Operator:
    """Somebody at a shell, over a database with an instance."""

    def __init__(self, folder: Path) -> None:
        self.where = ("--database", f"sqlite:///{folder}/s.db", "--data", str(folder))
        made = CliRunner().invoke(
            main, ["instance", "create", "--id", str(INSTANCE), *self.where]
        )
        assert made.exit_code == 0, made.output

    def run(self, command: str, *arguments: str) -> Result:
        words = ["notifications", command, str(INSTANCE), *arguments, *self.where]
        return CliRunner().invoke(main, words)

    def happened(self, *ends: End | None) -> None:
        """Queue a notification for each of *ends*; None: it waits."""

        def work(tx: Transaction) -> None:
            for end in ends:
                tx.add_notifications(INSTANCE, [b"{}"], NOON_MS)
                if end is not None:
                    tx.end_notifications(INSTANCE, end, NOON_MS + 1)

        async def write() -> None:
            journal = open_journal(self.where[1], exclusive=False)
            try:
                await journal.write(INSTANCE, work)
            finally:
                await journal.close()

        asyncio.run(write())


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def test_what_waits_and_what_ended_is_listed_as_a_table(operator: Operator) -> None:
    operator.happened(End.EXPIRED, End.DELIVERED, None)
    waiting, ended = operator.run("list"), operator.run("list", "--ended")
    assert [waiting.output.count(word) for word in ("waiting", "expired", "delivered")] == [
        1,
        0,
        0,
    ]
    assert [ended.output.count(word) for word in ("waiting", "expired", "delivered")] == [
        0,
        1,
        1,
    ]


def test_all_that_expired_is_queued_again(operator: Operator) -> None:
    operator.happened(End.EXPIRED, End.EXPIRED, End.DELIVERED)
    done = operator.run("replay", "--expired")
    assert (done.exit_code, done.output.count("queued again as")) == (0, 2)
    assert operator.run("list").output.count("waiting") == 2


def test_all_that_waits_is_dropped(operator: Operator) -> None:
    operator.happened(None, None)
    assert operator.run("drop", "--all").output == "dropped: 2\n"
    assert "waiting" not in operator.run("list").output


def test_one_that_waits_is_dropped_and_an_absent_one_is_named(
    operator: Operator,
) -> None:
    operator.happened(None)
    done = operator.run("drop", "1", "9", "9")
    assert done.exit_code == 1
    assert done.stdout == "dropped: 1\n"
    assert done.stderr == "statusgate: notification 9 does not wait\n"
