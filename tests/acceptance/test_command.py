"""The command as a newcomer uses it, beside a running server where that matters."""

import json
import os
import pty
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from statusgate import __version__
from tests.acceptance.processes import (
    OPERATOR,
    InstanceClient,
    ServerProcess,
    command,
    run,
    run_installed,
)
from tests.waiting import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


def on(server: ServerProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the server's database."""
    return run(
        *arguments,
        environment={
            "STATUSGATE_DATABASE": f"sqlite:///{server.folder}/statusgate.db",
            "STATUSGATE_DATA": str(server.folder),
        },
    )


def made(server: ServerProcess, *arguments: str) -> InstanceClient:
    """An instance created by the command, known to the running server."""
    told = json.loads(on(server, "instance", "create", "--json", *arguments).stdout)
    account = InstanceClient(server, told["idInstance"], told["apiTokenInstance"])
    settings = f"/waInstance{account.id}/getSettings"  # the operator's looks are not refused
    until(lambda: server.request("GET", settings, headers=OPERATOR).status == 200)
    return account


def listed(server: ServerProcess) -> dict[int, dict[str, Any]]:
    """What ``statusgate instance list`` shows, by id."""
    rows = json.loads(on(server, "instance", "list", "--json").stdout)
    return {row["idInstance"]: row for row in rows}


def test_the_version_is_the_packages() -> None:
    assert run_installed("--version").stdout.strip() == f"statusgate, version {__version__}"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("serve",),
        ("demo",),
        ("migrate",),
        ("instance",),
        ("instance", "set"),
        ("simulate",),
    ],
)
def test_every_command_has_help_worth_reading(words: tuple[str, ...]) -> None:
    told = run(*words, "--help")
    assert told.returncode == 0
    assert len(told.stdout) > 200


def test_wrong_usage_is_exit_code_two() -> None:
    assert run_installed("serve", "--port", "many").returncode == 2
    assert "99999 is not in the range" in run("serve", "--port", "99999").stderr
    assert run("instance", "set", "007").returncode == 2
    assert run("instance", "create", "--token", "short").returncode == 2


def test_a_variable_that_is_no_setting_is_named(tmp_path: Path) -> None:
    where = {"STATUSGATE_DATABASE": f"sqlite:///{tmp_path}/s.db", "STATUSGATE_PROT": "1"}
    told = run("migrate", environment=where)
    assert told.returncode == 0
    assert "STATUSGATE_PROT is not a setting; did you mean STATUSGATE_PORT?" in told.stderr


def test_an_instance_made_beside_a_running_server_works_within_a_second(
    server: ServerProcess,
) -> None:
    account = made(server, "--engine", "simulated", "--name", "shop")
    until(lambda: account.get("getStateInstance").json()["stateInstance"] == "authorized")
    assert listed(server)[account.id]["name"] == "shop"
    assert account.token not in on(server, "instance", "list").stdout


def test_an_instance_made_before_the_first_start_is_there_afterwards(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    told = json.loads(
        on(server, "instance", "create", "--json", "--engine", "simulated").stdout
    )
    with server:
        account = InstanceClient(server, told["idInstance"], told["apiTokenInstance"])
        until(lambda: account.get("getStateInstance").status == 200)


def test_status_methods_can_be_switched_off_and_on(server: ServerProcess) -> None:
    account = made(server, "--engine", "simulated")
    assert (
        on(server, "instance", "set", str(account.id), "--status-methods", "off").returncode
        == 0
    )
    until(lambda: account.get("getIncomingStatuses").status == 403)
    refused = account.get("getOutgoingStatuses").json()
    assert refused["message"] == (
        "There is no access to the functionality of the beta version of the status methods"
    )
    assert account.get("getSettings").status == 200
    on(server, "instance", "set", str(account.id), "--status-methods", "on")
    until(lambda: account.get("getIncomingStatuses").status == 200)


def test_a_rotated_token_is_dead_within_a_second(server: ServerProcess) -> None:
    account = made(server, "--engine", "simulated")
    told = json.loads(on(server, "instance", "rotate-token", str(account.id), "--json").stdout)
    until(lambda: account.get("getStateInstance").status == 401)
    fresh = InstanceClient(server, account.id, told["apiTokenInstance"])
    assert fresh.get("getStateInstance").status == 200


def test_a_deleted_instance_is_gone(server: ServerProcess) -> None:
    account = made(server, "--engine", "simulated")
    assert on(server, "instance", "delete", str(account.id), "--yes").returncode == 0
    until(lambda: account.get("getStateInstance").status == 403)
    assert account.id not in listed(server)


def test_an_unknown_instance_is_one_line_and_exit_code_one(server: ServerProcess) -> None:
    ended = on(server, "instance", "set", "77", "--name", "x")
    assert (ended.returncode, ended.stderr) == (1, "statusgate: there is no instance 77\n")


def test_an_id_in_use_is_named(server: ServerProcess) -> None:
    account = made(server, "--engine", "simulated")
    ended = on(server, "instance", "create", "--id", str(account.id))
    assert ended.returncode == 1
    assert "'idInstance' is already in use" in ended.stderr


def test_migrate_says_what_it_did_and_does_it_once(tmp_path: Path) -> None:
    where = {"STATUSGATE_DATABASE": f"sqlite:///{tmp_path}/s.db"}
    first = json.loads(run("migrate", "--json", environment=where).stdout)
    assert first["applied"][0].startswith("0001")
    assert json.loads(run("migrate", "--json", environment=where).stdout) == {"applied": []}


class Simulating:
    """``statusgate simulate …`` against a running server."""

    def __init__(self, server: ServerProcess, account: InstanceClient) -> None:
        self._where = {
            "STATUSGATE_URL": f"http://127.0.0.1:{server.port}",
            "STATUSGATE_INSTANCE": str(account.id),
            "STATUSGATE_TOKEN": account.token,
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run("simulate", *arguments, environment=self._where)


def test_everything_of_a_sandbox_can_happen_by_command(
    server: ServerProcess, tmp_path: Path
) -> None:
    account = server.create_instance()
    simulate = Simulating(server, account)
    anna, boris = "79001234567@c.us", "79007654321@c.us"
    picture = tmp_path / "horse.png"
    picture.write_bytes(_png())
    for arguments in (
        ("contact", anna, "--name", "Anna", "--contact-name", "Anna K"),
        ("incoming", anna, "--text", "Hello", "--background", "#228b22", "--id", "A1"),
        ("incoming", anna, "--type", "image", "--file", str(picture), "--id", "A2"),
        ("phone", "--type", "video", "--caption", "Mine", "--id", "B1"),
        ("receipt", "B1", anna, "read", "--timestamp", "1710134811"),
        ("reaction", "B1", boris, "💚", "--timestamp", "1710134900"),
        ("reply", "B1", anna, "Is it open today?", "--id", "R1"),
    ):
        ended = simulate(*arguments)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout) == {"accepted": 1}
    items = {item["idMessage"]: item for item in account.get("getIncomingStatuses").json()}
    assert items["A1"]["extendedTextMessage"]["backgroundColor"] == "#228B22"
    assert items.keys() == {"A1", "A2"}
    assert account.get("getStatusStatistic", "idMessage=B1").json() == [
        {"participant": boris, "timestamp": 1710134900, "status": "read"},
        {"participant": anna, "timestamp": 1710134811, "status": "read"},
    ]
    viewers = account.get("getStatusViewers", "idMessage=B1").json()["items"]
    found = {one["participant"]: (one["reaction"], bool(one["repliedAt"])) for one in viewers}
    assert found == {boris: ("💚", False), anna: (None, True)}
    until(lambda: _downloaded(account, "A2") == picture.read_bytes())
    assert simulate("delete", "A1", anna).returncode == 0
    assert "A1" not in account.get("getIncomingStatuses").body.decode()
    assert simulate("state", "blocked").returncode == 0
    assert account.get("getStateInstance").json() == {"stateInstance": "blocked"}


def test_ids_can_be_copied_from_tables_on_a_terminal_of_80_columns(
    server: ServerProcess,
) -> None:
    account = made(server, "--engine", "simulated")
    posted, viewer = "3EB0C767D097B7C7C030", "222000000000010@lid"
    script = [
        {"event": "contact", "id": viewer, "contactName": "Александра Константинопольская"},
        {
            "event": "phoneStatus",
            "type": "text",
            "text": "Half price " * 9,
            "idMessage": posted,
        },
        {"event": "reaction", "idMessage": posted, "participant": viewer, "reaction": "💚"},
        {"event": "reply", "idMessage": posted, "participant": viewer, "text": "Thanks"},
    ]
    assert account.simulate(*script).status == 200
    assert posted in on_a_terminal(account, "status", "list")
    assert viewer in on_a_terminal(account, "status", "viewers", posted)


def on_a_terminal(account: InstanceClient, *arguments: str) -> str:
    """What a command shows on a terminal of 80 columns."""
    ours, its = pty.openpty()
    where = {
        "STATUSGATE_URL": f"http://127.0.0.1:{account.server.port}",
        "STATUSGATE_INSTANCE": str(account.id),
        "STATUSGATE_TOKEN": account.token,
        "COLUMNS": "80",
    }
    done = subprocess.run(command(*arguments), env=os.environ | where, stdout=its, timeout=60)
    os.close(its)
    shown = b""
    with suppress(OSError):  # so ends what a terminal has to say
        while more := os.read(ours, 65_536):
            shown += more
    os.close(ours)
    assert done.returncode == 0
    return shown.decode()


def test_link_shows_a_code_until_the_account_is_linked(server: ServerProcess) -> None:
    account = made(server, "--engine", "simulated", "--engine-option", "auto_authorize=no")
    where = {
        "STATUSGATE_URL": f"http://127.0.0.1:{server.port}",
        "STATUSGATE_INSTANCE": str(account.id),
        "STATUSGATE_TOKEN": account.token,
    }
    linking = subprocess.Popen(
        command("link"), env=os.environ | where, stdout=subprocess.PIPE, text=True
    )
    assert linking.stdout is not None
    assert set(linking.stdout.readline()) <= set("█▀▄ \n")
    state = {"event": "state", "state": "authorized", "wid": "70000000001@c.us"}
    assert account.simulate(state).status == 200
    told, _ = linking.communicate(timeout=60)
    assert linking.returncode == 0
    assert told.endswith("linked: 70000000001@c.us\n")


class Hurried:
    """The module ``time``, ten times as fast."""

    @staticmethod
    def monotonic() -> float:
        return time.monotonic() * 10

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(seconds / 10)


def linking(account: InstanceClient, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``statusgate link`` for ten seconds at most."""
    url = f"http://127.0.0.1:{account.server.port}"
    where = ("--url", url, "--instance", str(account.id), "--token", account.token)
    return run("link", *where, "--seconds", "10", *arguments)


def test_link_prints_a_code_for_the_phone(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statusgate.cli.link.time", Hurried)
    account = made(server, "--engine", "simulated", "--engine-option", "auto_authorize=no")
    ended = linking(account, "--phone", "70000000001")
    assert re.match(r"type on the phone: \w{4}-\w{4}\n", ended.stdout)
    assert (ended.returncode, ended.stderr) == (1, "Error: not linked within 10 seconds\n")


def test_linking_a_linked_account_says_so(server: ServerProcess) -> None:
    account = server.create_instance()
    until(lambda: account.get("getStateInstance").json() == {"stateInstance": "authorized"})
    for how in ((), ("--phone", "70000000001")):
        ended = linking(account, *how)
        assert (ended.returncode, ended.stdout[:8]) == (0, "linked: ")


def test_linking_says_why_there_is_no_code(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statusgate.cli.link.time", Hurried)
    account = server.create_instance()
    account.simulate({"event": "state", "state": "blocked"})
    ended = linking(account)
    assert ended.returncode == 1
    assert "is blocked by WhatsApp; log out to link another one; trying again" in ended.stderr
    assert f"accounts/{account.id}/worker.log" in ended.stderr
    ended = linking(account, "--phone", "70000000001")
    assert ended.returncode == 1
    assert "no code can be had now" in ended.stderr


def test_a_script_is_all_or_nothing(server: ServerProcess, tmp_path: Path) -> None:
    account = server.create_instance()
    script = tmp_path / "script.json"
    events: list[dict[str, Any]] = [
        {"event": "phoneStatus", "type": "text", "text": "x", "idMessage": "B1"},
        {"event": "phoneStatus", "type": "smell", "text": "x"},
    ]
    script.write_text(json.dumps(events))
    ended = Simulating(server, account)("script", str(script))
    assert ended.returncode == 1
    assert "'[1].type' must be one of [text, image, video, audio]" in ended.stderr
    assert account.get("getOutgoingStatuses").json() == []


def test_a_server_that_is_not_there_is_told() -> None:
    ended = run_installed(
        "simulate", "--url", "http://127.0.0.1:9", "--instance", "1", "--token", "x" * 50,
        "state", "blocked",
    )  # fmt: skip
    assert ended.returncode == 1
    assert "cannot reach http://127.0.0.1:9" in ended.stderr


def test_the_demo_prints_commands_that_work_and_lives(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("demo", "--port", "0", "--every", "0.05"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = ""
        while "Ctrl-C" not in told:
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            told += line
        urls = re.findall(r"curl '([^']+)'", told)
        incoming, outgoing, rows, *_ = (json.loads(_get(url)) for url in urls)
        assert incoming
        assert len(outgoing) >= 13
        assert json.loads(_get(urls[1] + "?minutes=120"))
        assert {row["status"] for row in rows} <= {"delivered", "read"}
        assert rows
        assert until(lambda: json.loads(_get(urls[3])))[0]["reaction"]
        assert until(lambda: json.loads(_get(urls[4])))[0]["textMessage"]
        report = urls[2].replace("Statistic", "Report").rpartition("=")[0]
        newest = re.findall(r"status viewers (\w+)", told)[0]
        posted = json.loads(_get(f"{report}={newest}"))
        assert posted["audience"] == {"requested": None, "resolved": 200, "complete": True}
        queue = json.loads(_get(urls[1].replace("getOutgoingStatuses", "showMessagesQueue")))
        assert len([one for one in queue if one["body"].get("sendAt")]) == 2
        until(lambda: '"statusMessage":"failed"' in _get(urls[1]))
        until(lambda: json.loads(_get(f"{report}={newest}"))["reached"]["read"])
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
        return str(answer.read().decode())


def _downloaded(account: InstanceClient, status_id: str) -> bytes:
    items = account.get("getIncomingStatuses").json()
    url = next(item["downloadUrl"] for item in items if item["idMessage"] == status_id)
    return account.server.request("GET", url[url.index("/media/") :]).body if url else b""


def _png() -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (40, 30), "#228B22").save(file, "PNG")
    return file.getvalue()
