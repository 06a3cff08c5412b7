"""The server key: checked against the database it was used with, never replaced silently."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from statusgate.accounts.instances import Instances, NewInstance
from statusgate.cli.main import main
from statusgate.domain.clock import SystemClock
from statusgate.journal import Journal, open_journal
from statusgate.server.folders import StartError, renew_server_key, server_key
from statusgate.server.wiring import gateway
from statusgate.settings import Settings


async def first_start(url: str, data: Path) -> tuple[bytes, str]:
    """A database with an instance; returns the key and the token."""
    journal = open_journal(url)
    try:
        key = await server_key(data, journal)
        instances = Instances(journal, SystemClock(), key)
        _, token = await instances.create(NewInstance(engine="simulated"))
        return key, token
    finally:
        await journal.close()


async def start(url: str, data: Path) -> bytes:
    journal = open_journal(url)
    try:
        return await server_key(data, journal)
    finally:
        await journal.close()


async def test_the_key_stays_the_same(lasting_url: str, tmp_path: Path) -> None:
    key, _ = await first_start(lasting_url, tmp_path)
    assert await start(lasting_url, tmp_path) == key
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.glob("server.key*")] == ["server.key"]


async def test_a_lost_key_is_not_replaced(lasting_url: str, tmp_path: Path) -> None:
    key, _ = await first_start(lasting_url, tmp_path)
    (tmp_path / "server.key").rename(tmp_path / "elsewhere")
    with pytest.raises(StartError, match=r"is missing.*backup.*renew-key.*rotate-token"):
        await start(lasting_url, tmp_path)
    assert not (tmp_path / "server.key").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "server.key")
    assert await start(lasting_url, tmp_path) == key


async def test_the_key_of_another_database_is_refused(lasting_url: str, tmp_path: Path) -> None:
    await first_start(lasting_url, tmp_path)
    (tmp_path / "server.key").write_text("ab" * 32)
    with pytest.raises(StartError, match="is not that of this database"):
        await start(lasting_url, tmp_path)


async def test_a_database_of_an_older_release_learns_its_key_at_the_first_start(
    lasting_url: str, tmp_path: Path
) -> None:
    """Instances are there, and nothing is known of the key yet."""
    (tmp_path / "server.key").write_text("cd" * 32)
    journal = open_journal(lasting_url)
    await Instances(journal, SystemClock(), bytes.fromhex("cd" * 32)).create(NewInstance())
    await journal.close()
    assert await start(lasting_url, tmp_path) == bytes.fromhex("cd" * 32)
    (tmp_path / "server.key").write_text("ab" * 32)
    with pytest.raises(StartError):
        await start(lasting_url, tmp_path)


async def test_without_instances_a_new_key_is_made(lasting_url: str, tmp_path: Path) -> None:
    key = await start(lasting_url, tmp_path)
    (tmp_path / "server.key").unlink()
    assert await start(lasting_url, tmp_path) != key


async def test_a_renewed_key_voids_tokens_until_they_are_rotated(
    lasting_url: str, tmp_path: Path
) -> None:
    _, token = await first_start(lasting_url, tmp_path)
    (tmp_path / "server.key").unlink()
    journal = open_journal(lasting_url)
    try:
        await renew_server_key(tmp_path, journal)
        assert not await opens(journal, tmp_path, token)
        instances = Instances(journal, SystemClock(), await server_key(tmp_path, journal))
        await instances.refresh()
        (one,) = instances.all()
        assert await opens(journal, tmp_path, await instances.rotate_token(one.id))
    finally:
        await journal.close()


async def opens(journal: Journal, data: Path, token: str) -> bool:
    """Whether a token is that of the one instance."""
    instances = Instances(journal, SystemClock(), await server_key(data, journal))
    await instances.refresh()
    (one,) = instances.all()
    return instances.authenticate(str(one.id), token) == one


async def test_the_gateway_does_not_start_without_its_key(tmp_path: Path) -> None:
    settings = Settings(database=f"sqlite:///{tmp_path}/s.db", min_free_mb=0)
    await first_start(settings.database, tmp_path)
    (tmp_path / "server.key").unlink()
    with pytest.raises(StartError, match=r"server\.key is missing"):
        async with gateway(settings, "http://127.0.0.1"):
            pass


def test_the_commands_say_the_same_and_renew_the_key(tmp_path: Path) -> None:
    place = ["--database", f"sqlite:///{tmp_path}/s.db"]

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["instance", *words, *place])
        return result.exit_code, result.output

    assert run("create", "--engine", "simulated", "--id", "1101000001")[0] == 0
    (tmp_path / "server.key").unlink()
    for command in (
        ("set", "1101000001", "--name", "A"),
        ("rotate-token", "1101000001"),
        ("create",),
    ):
        code, text = run(*command)
        assert code == 1
        assert len(text.splitlines()) == 1
        assert "server.key is missing" in text
    assert run("renew-key", "--yes")[0] == 0
    assert run("rotate-token", "1101000001")[0] == 0
