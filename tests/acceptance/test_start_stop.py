"""Starting wrongly says so in one line; stopping answers what is in flight."""

import http.client
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.acceptance.processes import (
    InstanceClient,
    ServerProcess,
    command,
    run,
    run_installed,
)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """What ``serve`` sets up for its process is undone in this one."""
    root, ours = logging.getLogger(), logging.getLogger("statusgate")
    before = (root.handlers[:], root.level, ours.level)
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level, ours.level = before


def serve(folder: Path, *arguments: str, run: Run = run, **environment: str) -> tuple[int, str]:
    """Run ``serve`` with something wrong; returns exit code and standard error."""
    defaults = {
        "STATUSGATE_DATABASE": f"sqlite:///{folder}/s.db",
        "STATUSGATE_DATA": str(folder),
    }
    ended = run("serve", *arguments, environment=defaults | environment)
    return ended.returncode, ended.stderr


def told_in_one_line(code: int, errors: str, *words: str) -> None:
    assert code != 0
    assert len(errors.strip().splitlines()) == 1, errors
    assert "Traceback" not in errors
    for word in words:
        assert word in errors


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told_in_one_line(
            *serve(tmp_path, "--port", str(port), run=run_installed), str(port), "in use"
        )


def test_a_second_server_on_the_same_file_is_refused(tmp_path: Path) -> None:
    with ServerProcess(tmp_path):
        code, errors = serve(
            tmp_path,
            "--port",
            "0",
            run=run_installed,
            STATUSGATE_DATABASE=f"sqlite:///{tmp_path}/statusgate.db",
        )
        told_in_one_line(code, errors, "statusgate.db")


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("RETENTION_DAYS", "-1"), ("RATE_PROFILE", "fast")]
)
def test_a_wrong_setting_names_itself(tmp_path: Path, name: str, value: str) -> None:
    wrong: dict[str, Any] = {f"STATUSGATE_{name}": value}
    told_in_one_line(*serve(tmp_path, **wrong), name.lower())


def test_a_wrong_proxy_network_is_told(tmp_path: Path) -> None:
    told_in_one_line(
        *serve(tmp_path, "--port", "0", STATUSGATE_TRUSTED_PROXIES="10.0.0.0/99"), "10.0.0.0/99"
    )


def test_a_database_that_is_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"this is a letter, not a database" * 100)
    told_in_one_line(*serve(tmp_path, "--port", "0"), "s.db")


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, database=f"sqlite:///{tmp_path}/s.db") as server:
        assert server.stop() == 0
    with sqlite3.connect(tmp_path / "s.db") as database:
        database.execute("INSERT INTO migrations VALUES (9999, 'later', '99.0.0')")
    database.close()
    told_in_one_line(*serve(tmp_path, "--port", "0"), "99.0.0")


@pytest.mark.parametrize("database", ["mysql://h/d", "statusgate.db", "sqlite:///"])
def test_a_database_address_we_do_not_know_is_told(tmp_path: Path, database: str) -> None:
    told_in_one_line(*serve(tmp_path, "--port", "0", STATUSGATE_DATABASE=database), "database")


def test_an_unreadable_server_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "server.key").write_text("not hex")
    told_in_one_line(*serve(tmp_path, "--port", "0"), "server.key")


def test_a_postgresql_that_is_not_there_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        address = f"postgresql://nobody@127.0.0.1:{port}/none"
        code, errors = serve(tmp_path, "--port", "0", STATUSGATE_DATABASE=address)
    told_in_one_line(code, errors)


def test_a_public_address_needs_an_admin_token(tmp_path: Path) -> None:
    told_in_one_line(*serve(tmp_path, "--host", "0.0.0.0", "--port", "0"), "admin token")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_with_zero_within_ten_seconds(tmp_path: Path, number: int) -> None:
    with ServerProcess(tmp_path) as server:
        server.create_instance()
        begun = time.monotonic()
        server.signal(number)
        assert server.wait() == 0
        assert time.monotonic() - begun < 10


def test_requests_in_flight_are_answered(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        account = server.create_instance()
        requests = [_begin_simulating(account, number) for number in range(5)]
        server.signal(signal.SIGTERM)
        for connection, body in requests:
            connection.send(body)
        answers = [connection.getresponse().status for connection, _ in requests]
        for connection, _ in requests:
            connection.close()
        assert server.wait() == 0
    assert answers == [200] * 5


def _begin_simulating(
    account: InstanceClient, number: int
) -> tuple[http.client.HTTPConnection, bytes]:
    """A request that the server has begun to read, and the part of its body still to send."""
    events = [
        {"event": "incomingStatus", "from": f"7900{number:07d}@c.us", "type": "text",
         "text": "x", "idMessage": f"A{number}-{n}"}
        for n in range(500)
    ]  # fmt: skip
    body = json.dumps(events).encode()
    connection = http.client.HTTPConnection("127.0.0.1", account.server.port, timeout=60)
    connection.putrequest("POST", f"/waInstance{account.id}/simulate/{account.token}")
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    assert connection.sock.recv(1, socket.MSG_PEEK), "no 100 Continue"
    return connection, body


def test_linking_without_a_way_to_whatsapp_says_so_and_where_the_log_is(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, STATUSGATE_PROXY="http://127.0.0.1:9") as server:
        account = server.create_instance(engine="neonize")
        linking = subprocess.Popen(
            command("link"),
            env=os.environ
            | {
                "STATUSGATE_URL": f"http://127.0.0.1:{server.port}",
                "STATUSGATE_INSTANCE": str(account.id),
                "STATUSGATE_TOKEN": account.token,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        with linking:
            assert linking.stderr is not None
            told = linking.stderr.readline()
            linking.kill()
        log = tmp_path / "accounts" / str(account.id) / "worker.log"
        assert log.exists()
    assert told.startswith("WhatsApp cannot be reached; trying again")
    assert f"accounts/{account.id}/worker.log" in told
