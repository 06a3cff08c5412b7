"""``statusgate export`` beside a running gateway, also over connections that break."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from statusgate.cli import export
from statusgate.cli.export import records
from statusgate.cli.main import main
from statusgate.domain.clock import SystemClock
from statusgate.domain.ids import InstanceId
from statusgate.domain.receipt import Progress, Receipt
from statusgate.journal import Transaction
from tests.factories import new_status, person
from tests.integration.api.running import Tenant, running_gateway

STATUSES, VIEWERS = 40, 30
TEXT = 'a "quoted"\r\ntext, of\nmany lines'


@pytest.fixture
async def tenant(tmp_path: Path) -> AsyncIterator[Tenant]:
    """An account with a few seconds of statuses that people have viewed."""
    async with running_gateway(tmp_path / "data") as running:
        made = await running.create()
        instance_id, now_ms = InstanceId(made.id), SystemClock().now_ms()

        def work(tx: Transaction) -> None:
            for number in range(STATUSES):
                posted_ms = now_ms - 3_600_000 + number * 250
                new = new_status(number, author=None, text=TEXT, posted_ms=posted_ms)
                tx.record_status(instance_id, new)
                receipts = [
                    Receipt(new.wire_id or "", person(viewer), Progress.READ, now_ms)
                    for viewer in range(VIEWERS)
                ]
                tx.record_receipts(instance_id, receipts, now_ms)

        await running.built.journal.write(instance_id, work)
        yield made


async def command(tenant: Tenant, *arguments: str, port: int = 0) -> Result:
    """Run the command with the account in the environment, as people do."""
    environment = {
        "STATUSGATE_URL": f"http://127.0.0.1:{port or tenant.running.port}",
        "STATUSGATE_INSTANCE": str(tenant.id),
        "STATUSGATE_TOKEN": tenant.token,
    }
    return await asyncio.to_thread(
        CliRunner().invoke, main, ["export", *arguments], env=environment
    )


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


async def test_an_export_becomes_a_file_of_its_owner(tenant: Tenant, tmp_path: Path) -> None:
    for name, what in (("a.csv", "statuses"), ("b.jsonl", "receipts")):
        path = tmp_path / name
        path.write_text("an older one")
        done = await command(tenant, what, "-o", str(path))
        rows = STATUSES if what == "statuses" else STATUSES * VIEWERS
        assert (done.exit_code, done.stdout) == (0, f"{path}: {rows} rows\n")
        assert path.stat().st_mode & 0o777 == 0o600
    assert [row["textMessage"] for row in table(tmp_path / "a.csv")] == [TEXT] * STATUSES
    lines = (tmp_path / "b.jsonl").read_bytes().splitlines()
    assert len({(row["idMessage"], row["participant"]) for row in map(json.loads, lines)}) == (
        STATUSES * VIEWERS
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.jsonl", "data"]


async def test_the_file_is_named_for_what_is_in_it(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (await command(tenant)).exit_code == 0
    assert (await command(tenant, "replies", "--format", "jsonl")).exit_code == 0
    assert len(table(tmp_path / f"statuses-{tenant.id}.csv")) == STATUSES
    assert (tmp_path / f"replies-{tenant.id}.jsonl").read_bytes() == b""


async def test_an_export_can_go_to_a_pipe(tenant: Tenant) -> None:
    done = await command(tenant, "receipts", "-o", "-", "--format", "jsonl")
    assert len(done.stdout_bytes.splitlines()) == STATUSES * VIEWERS
    assert done.stderr == ""


async def test_times_are_written_as_people_do(tenant: Tenant, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for option, rows in (
        (("--since", "2 hours ago"), STATUSES),
        (("--since", "30 min"), 0),
        (("--until", "2 hours ago"), 0),
        (("--until", "30 min", "--since", "7 days"), STATUSES),
    ):
        assert (await command(tenant, *option, "-o", str(path))).exit_code == 0
        assert len(table(path)) == rows, option
    wrong = await command(tenant, "--since", "soon", "-o", str(path))
    assert wrong.exit_code == 2
    assert "'soon' is not a time" in wrong.stderr


async def test_what_cannot_be_done_is_said_in_one_line_and_leaves_nothing(
    tenant: Tenant, tmp_path: Path
) -> None:
    tenant.token, token = "0" * 50, tenant.token
    refused = await command(tenant, "-o", str(tmp_path / "a.csv"))
    assert (refused.exit_code, refused.stderr) == (1, "Error: 401: Unauthorized\n")
    tenant.token = token
    nowhere = await command(tenant, "-o", str(tmp_path / "no" / "a.csv"))
    assert (nowhere.exit_code, nowhere.stderr.count("\n")) == (1, 1)
    assert "cannot write" in nowhere.stderr
    nobody = await command(tenant, "-o", str(tmp_path / "a.csv"), port=1)
    assert (nobody.exit_code, nobody.stderr.count("\n")) == (1, 1)
    assert "cannot reach" in nobody.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


# -- connections that break


@asynccontextmanager
async def breaking(target: int, after: Iterator[int]) -> AsyncIterator[int]:
    """A port from which connections lead to *target*, and break after so many bytes each."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = next(after, 1 << 30)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", target)
        server_writer.write(await reader.readuntil(b"\r\n\r\n"))
        while left > 0 and (piece := await server_reader.read(min(left, 1 << 14))):
            writer.write(piece)
            left -= len(piece)
        for one in (server_writer, writer):
            with suppress(OSError):
                one.close()
                await one.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
async def test_a_broken_connection_is_taken_up_where_it_broke(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(export, "PAUSES", (0.05,) * 40)
    whole, broken = tmp_path / f"whole-{name}", tmp_path / name
    assert (await command(tenant, "receipts", "-o", str(whole))).exit_code == 0
    after = iter([30_000, 20_000, 1, 17_321])
    async with breaking(tenant.running.port, after) as port:
        done = await command(tenant, "receipts", "-o", str(broken), port=port)
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("lost the connection") >= 2  # or the server was still busy
    assert done.stdout == f"{broken}: {STATUSES * VIEWERS} rows\n"
    assert broken.read_bytes() == whole.read_bytes()


async def test_an_export_that_gets_nowhere_fails_and_leaves_no_file(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAUSES", (0, 0))
    path = tmp_path / "a.csv"
    async with breaking(tenant.running.port, iter([30_000, *[0] * 100])) as port:
        done = await command(tenant, "receipts", "-o", str(path), port=port)
        piped = await command(tenant, "receipts", "-o", "-", port=port)
    assert done.exit_code == piped.exit_code == 1
    assert "cannot reach" in done.stderr
    assert "going on" not in piped.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["data"]


# -- rows


@given(
    st.lists(st.lists(st.text("a\"\r\n,'", max_size=5), min_size=2, max_size=2), min_size=1),
    st.integers(1, 9),
)
def test_rows_of_a_csv_are_found_in_pieces_of_any_size(
    given_rows: list[list[str]], size: int
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(given_rows)
    raw = text.getvalue().encode()
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    found = list(records(pieces, "csv"))
    assert len(found) == len(given_rows)
    assert b"".join(found) == raw
