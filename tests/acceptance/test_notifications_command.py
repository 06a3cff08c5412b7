"""``statusgate notifications``: see and repair the queue beside a running server."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import (
    OPERATOR,
    InstanceClient,
    ServerProcess,
    run,
    run_installed,
)
from tests.acceptance.receivers import RecordingReceiver
from tests.waiting import until


def command(folder: Path, *arguments: str) -> Any:
    """What ``statusgate notifications …`` printed as JSON."""
    done = run(
        "notifications", *arguments, "--json",
        "--database", f"sqlite:///{folder}/statusgate.db", "--data", str(folder),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def tell(account: InstanceClient, *states: str) -> None:
    for state in states:
        assert account.simulate({"event": "state", "state": state}).status == 200


def test_list_replay_drop(tmp_path: Path) -> None:
    code = [404]
    server = ServerProcess(tmp_path, STATUSGATE_OUTBOUND_ALLOW="127.0.0.0/8")
    with RecordingReceiver(lambda _push: code[0]) as receiver, server:
        account = server.create_instance()
        account.post("setSettings", {"webhookUrl": receiver.url, "stateWebhook": "yes"})
        tell(account, "suspended", "authorized", "suspended")
        until(lambda: receiver.got)
        rows = until(
            lambda: [
                row
                for row in command(tmp_path, "list", str(account.id))
                if row["attempts"] or row["receiptId"]
            ]
        )
        assert [row["state"] for row in rows] == ["waiting"] * 3
        assert (rows[0]["attempts"], rows[0]["lastOutcome"], rows[0]["lastCode"]) == (
            1, "rejected", 404,
        )  # fmt: skip
        third = rows[2]["receiptId"]
        assert command(tmp_path, "drop", str(account.id), str(third)) == {"dropped": 1}
        assert account.get("getWebhooksCount").json() == {"count": 2}
        code[0] = 200
        account.post("setSettings", {"webhookUrl": receiver.url})
        until(lambda: len(receiver.got) >= 3)
        (again,) = command(tmp_path, "replay", str(account.id), str(third))
        assert again["newReceiptId"] > third
        until(lambda: len(receiver.got) >= 4)  # noticed without a restart
        until(lambda: not command(tmp_path, "list", str(account.id)))
        ended = command(tmp_path, "list", str(account.id), "--ended")
        assert [row["state"] for row in ended] == [
            "delivered", "delivered", "dropped", "delivered",
        ]  # fmt: skip
        log = server.log.read_text()
        assert log.count('"webhook.rejected"') == 1
        metrics = server.request("GET", "/metrics", headers=OPERATOR).body.decode()
        assert 'statusgate_pushes_total{outcome="delivered"} 3.0' in metrics
        assert 'statusgate_operator_events_total{event="webhook.rejected"} 1.0' in metrics
        assert server.stop() == 0


@pytest.mark.parametrize(
    "arguments", [("replay", "1101000001"), ("drop", "1101000001"), ("list", "x")]
)
def test_wrong_usage_is_told(arguments: tuple[str, ...]) -> None:
    assert run("notifications", *arguments).returncode == 2


def test_an_unknown_instance_is_told(tmp_path: Path) -> None:
    database = ("--database", f"sqlite:///{tmp_path}/x.db")
    assert run("migrate", *database).returncode == 0
    done = run("notifications", "list", "5", *database)
    assert done.returncode == 1
    assert "no instance 5" in done.stderr


def test_what_cannot_be_replayed_or_dropped_is_named(tmp_path: Path) -> None:
    where = ("--database", f"sqlite:///{tmp_path}/statusgate.db", "--data", str(tmp_path))
    with ServerProcess(tmp_path) as server:
        account = server.create_instance()
        account.post("setSettings", {"stateWebhook": "yes"})
        tell(account, "suspended")
        (row,) = command(tmp_path, "list", str(account.id))
        receipt = str(row["receiptId"])
        replayed = run("notifications", "replay", str(account.id), receipt, "77", *where)
        dropped = run("notifications", "drop", str(account.id), receipt, "77", *where)
    assert (replayed.returncode, replayed.stderr.splitlines()) == (
        1,
        [
            f"statusgate: notification {receipt} waits still, or is not there",
            "statusgate: notification 77 waits still, or is not there",
        ],
    )
    assert (dropped.returncode, dropped.stdout) == (1, "dropped: 1\n")
    assert dropped.stderr == "statusgate: notification 77 does not wait\n"


def test_a_table_is_not_cut_where_it_is_no_terminal(tmp_path: Path) -> None:
    name = "A shop with a name that is longer than any terminal is wide " * 4
    where = {
        "STATUSGATE_DATABASE": f"sqlite:///{tmp_path}/x.db",
        "STATUSGATE_DATA": str(tmp_path),
        "COLUMNS": "40",
    }
    made = run_installed("instance", "create", "--name", name.strip(), environment=where)
    assert made.returncode == 0, made.stderr
    listed = run_installed("instance", "list", environment=where)
    assert name.strip() in listed.stdout


def test_a_command_that_reads_makes_no_database(tmp_path: Path) -> None:
    places = ("--database", f"sqlite:///{tmp_path}/x.db", "--data", f"{tmp_path}/data")
    for words in (("notifications", "list", "5"), ("instance", "list")):
        done = run_installed(*words, *places)
        assert done.returncode == 1
        assert "there is no database" in done.stderr
    assert list(tmp_path.iterdir()) == []
