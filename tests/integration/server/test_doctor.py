"""The doctor finds each fault, and says what to do about it."""

import asyncio
import socket
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from statusgate.engines.neonize import release
from statusgate.journal import Journal, Transaction, open_journal
from statusgate.journal.session import Health
from statusgate.journal.sqlite import SqliteSession
from statusgate.server.doctor import Finding, examine, worst
from statusgate.server.folders import server_key
from statusgate.server.run import serve
from statusgate.settings import Settings
from tests.acceptance.processes import run
from tests.databases import fresh_schema, new_instance

ROOT = Path(__file__).parents[3]


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
async def settings(tmp_path: Path, port: int) -> Settings:
    """Those of a gateway in good order that does not run."""
    made = Settings(database=f"sqlite:///{tmp_path}/data/statusgate.db", port=port)
    (tmp_path / "data").mkdir(mode=0o700)
    await prepare(made)
    return made


async def prepare(
    settings: Settings, work: Callable[[Transaction], Any] = lambda _tx: None
) -> None:
    async def write(journal: Journal) -> None:
        await server_key(settings.data_folder, journal)
        await journal.write(None, lambda tx: tx.create_instance(new_instance()))
        await journal.write(None, work)

    await on(settings.database, write)


async def on(url: str, work: Callable[[Journal], Awaitable[None]]) -> None:
    journal = open_journal(url)
    try:
        await work(journal)
    finally:
        await journal.close()


async def found(settings: Settings) -> dict[str, Finding]:
    findings = await asyncio.to_thread(examine, settings)
    return {finding.check: finding for finding in findings}


def changed(settings: Settings, **changes: Any) -> Settings:
    return Settings(
        database=settings.database, port=changes.pop("port", settings.port), **changes
    )


async def test_a_gateway_in_good_order_has_no_faults(settings: Settings) -> None:
    findings = await found(settings)
    assert {finding.state for finding in findings.values()} == {"ok"}
    assert findings.keys() == {
        *("database", "clock", "server key", "data", "media", "modes"),
        *("engine", "admin token", "port"),
    }


def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(
    tmp_path: Path, port: int
) -> None:
    findings = examine(Settings(database=f"sqlite:///{tmp_path}/data/s.db", port=port))
    assert worst(findings) == "ok"
    assert list(tmp_path.iterdir()) == []


def lose_key(data: Path) -> None:
    (data / "server.key").unlink()


def foreign_key(data: Path) -> None:
    (data / "server.key").write_text("ab" * 32)


def open_key(data: Path) -> None:
    (data / "server.key").chmod(0o644)


def open_data(data: Path) -> None:
    data.chmod(0o755)


def no_database(data: Path) -> None:
    (data / "statusgate.db").write_bytes(b"no database" * 1000)


def no_folder(data: Path) -> None:
    (data / "media").write_text("a file, where a folder is needed")


def newer_database(data: Path) -> None:
    script(data, "INSERT INTO migrations VALUES (9000, 'later', '99.0.0')")


def older_database(data: Path) -> None:
    script(data, "DELETE FROM migrations WHERE number > 5")


def later_record(data: Path) -> None:
    script(data, "INSERT INTO state_history VALUES (1, 1, 'authorized', 9000000000000, '')")


def script(data: Path, sql: str) -> None:
    session = SqliteSession(str(data / "statusgate.db"), Health())
    session.run_script(sql)
    session.close()


@pytest.mark.parametrize(
    ("damage", "check", "state", "text", "advice"),
    [
        (lose_key, "server key", "fault", "cannot read", "renew-key"),
        (foreign_key, "server key", "fault", "is not that of the database", "backup"),
        (open_key, "modes", "fault", "server.key", "chmod 600"),
        (open_data, "modes", "warning", "others may enter", "chmod 700"),
        (no_database, "database", "fault", "file is not a database", "'database'"),
        (newer_database, "database", "fault", "needs statusgate 99.0.0", "'database'"),
        (older_database, "database", "warning", "0006_form_of_author", "statusgate migrate"),
        (no_folder, "media", "fault", "cannot be written", "the user that runs the server"),
        (later_record, "clock", "fault", "has gone back", "NTP"),
    ],
)
async def test_a_fault_is_found_with_what_to_do(
    settings: Settings,
    damage: Callable[[Path], None],
    check: str,
    state: str,
    text: str,
    advice: str,
) -> None:
    damage(settings.data_folder)
    finding = (await found(settings))[check]
    assert finding.state == state
    assert text in finding.text
    assert advice in finding.advice


async def test_a_disk_that_is_nearly_full_is_found(settings: Settings) -> None:
    findings = await found(changed(settings, min_free_mb=1 << 40))
    assert findings["data"].state == "fault"
    assert "nothing is written" in findings["data"].text


async def test_an_address_that_needs_an_admin_token_is_found(settings: Settings) -> None:
    findings = await found(changed(settings, host="0.0.0.0"))
    assert findings["admin token"].state == "fault"
    assert "openssl rand" in findings["admin token"].advice


async def test_an_engine_of_another_release_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "WARN_DAYS", -1)
    assert (await found(settings))["engine"].state == "warning"
    monkeypatch.setattr(release, "VERSION", "9.9.9")
    finding = (await found(settings))["engine"]
    assert finding.state == "fault"
    assert "9.9.9 is needed" in finding.text


def test_the_release_that_is_expected_is_the_pinned_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"neonize=={release.VERSION}" in project["dependencies"]


async def test_another_program_on_the_port_is_found(settings: Settings) -> None:
    async def answer(_reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", settings.port):
        finding = (await found(settings))["port"]
    assert finding.state == "fault"
    assert "another program answers" in finding.text


async def test_a_running_gateway_and_its_public_url_are_asked(settings: Settings) -> None:
    stopped, ready = asyncio.Event(), asyncio.Event()

    async def on_ready(_built: Any, _url: str) -> None:
        ready.set()

    serving = asyncio.create_task(serve(settings, stopped=stopped, on_ready=on_ready))
    await asyncio.wait_for(ready.wait(), 30)
    url = f"http://127.0.0.1:{settings.port}"
    outside = await found(changed(settings, public_url=url))
    inside = await found(changed(settings, public_url=url, outbound_allow="127.0.0.1"))
    stopped.set()
    assert await serving == 0
    assert outside["port"].text == f"a statusgate answers on 127.0.0.1:{settings.port}"
    assert outside["database"].state == "ok"
    assert outside["public url"].state == "warning"  # no address that others can reach
    assert inside["public url"].state == "ok"


@pytest.mark.postgres
async def test_postgresql_is_examined_too(
    tmp_path: Path, port: int, postgres_server: str
) -> None:
    url = fresh_schema(postgres_server)
    settings = Settings(database=url, data=str(tmp_path), port=port)
    assert "there is none yet" in (await found(settings))["database"].text
    tmp_path.chmod(0o700)
    await prepare(settings)
    findings = await found(settings)
    assert {finding.state for finding in findings.values()} == {"ok"}
    assert findings["database"].text.startswith("PostgreSQL ")


def test_a_database_that_cannot_be_reached_is_one_fault_and_a_line(
    tmp_path: Path, port: int
) -> None:
    url = "postgresql://statusgate:secret@127.0.0.1:1/none"
    done = run("doctor", "--database", url, "--data", str(tmp_path), "--port", str(port))
    assert done.returncode == 1
    assert "fault   database: the database cannot be reached" in done.stdout
    assert "secret" not in done.stdout + done.stderr


async def test_programs_get_json_and_an_exit_code(settings: Settings) -> None:
    arguments = ("--database", settings.database, "--port", str(settings.port), "--json")
    good = await asyncio.to_thread(run, "doctor", *arguments)
    assert (good.returncode, good.stdout[:14]) == (0, '{"state":"ok",')
    lose_key(settings.data_folder)
    bad = await asyncio.to_thread(run, "doctor", *arguments)
    assert (bad.returncode, bad.stdout[:17]) == (1, '{"state":"fault",')
