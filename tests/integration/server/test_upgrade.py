"""Upgrades: the folder that an earlier release left is served with all that was in it.

``releases/VERSION.tar.xz`` is the data folder of a sandbox account, written by that release and
its stopped server. A new release adds its own; none is ever made again.
"""

import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from statusgate import __version__
from statusgate.domain.receipt import Progress
from statusgate.engines.account_store import AccountStore
from statusgate.journal import Journal, migrate_journal, open_journal
from statusgate.journal.copying import copy_journal
from statusgate.server.wiring import gateway
from statusgate.settings import Settings
from tests.databases import fresh_schema
from tests.factories import INSTANCE

RELEASES = sorted((Path(__file__).parent / "releases").glob("*.tar.xz"))
TOKEN = "a" * 40


@pytest.fixture(params=RELEASES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings over a folder that a release has left."""
    with tarfile.open(request.param) as tar:
        tar.extractall(tmp_path, filter="data")
    return Settings(database=f"sqlite:///{tmp_path}/statusgate.db")


async def posted(journal: Journal, *, outgoing: bool) -> list[Any]:
    return await journal.read(lambda tx: tx.statuses(INSTANCE, outgoing=outgoing, since_ms=0))


async def check(journal: Journal) -> None:
    """Everything that the sandbox did before the upgrade is there."""
    incoming = await posted(journal, outgoing=False)
    assert sorted(status.text for status in incoming) == ["Hello", "שלום"]
    own = {status.text: status for status in await posted(journal, outgoing=True)}
    assert own.keys() == {"From my phone", "Привет"}
    rows = await journal.read(lambda tx: tx.recipients(own["Привет"]))
    assert {row.contact_name: row.progress for row in rows} == {
        "Анна": Progress.READ,
        "דנה": Progress.DELIVERED,
    }
    counts = own["Привет"].counts
    assert (counts.recipients, counts.delivered, counts.read) == (2, 2, 1)
    waiting = await journal.read(lambda tx: tx.notifications(INSTANCE, waiting=True, limit=100))
    kinds = {msgspec.json.decode(one.body)["typeWebhook"] for one in waiting}
    assert {"incomingMessageReceived", "outgoingMessageStatus"} <= kinds


async def test_a_release_before_this_one_is_upgraded_by_a_start(left: Settings) -> None:
    async with gateway(left, "http://127.0.0.1") as built:
        account = built.instances.authenticate(str(INSTANCE), TOKEN)
        assert built.instances.find(INSTANCE) == account
        await check(built.journal)
        pictures = [status.file for status in await posted(built.journal, outgoing=False)]
    for file in filter(None, pictures):
        path = Path(left.media_store) / str(INSTANCE) / f"{file.key}.{file.extension}"
        assert path.stat().st_size == file.size
    assert any(pictures)
    store = AccountStore(left.data_folder / "accounts" / str(INSTANCE), min_free_bytes=0)
    assert store.confirmed > 0  # numbers of events go on where they were
    assert store.run("SELECT count(*) FROM sandbox") == [(1,)]
    store.close()


def test_migrate_does_it_too_and_a_repeat_changes_nothing(left: Settings) -> None:
    assert migrate_journal(left.database)
    assert migrate_journal(left.database) == []


@pytest.mark.postgres
async def test_an_upgraded_journal_can_move_to_postgresql(
    left: Settings, postgres_server: str
) -> None:
    target = fresh_schema(postgres_server)
    migrate_journal(left.database)
    copy_journal(left.database, target, lambda _table, _done, _total: None)
    journal = open_journal(target)
    try:
        await check(journal)
    finally:
        await journal.close()


def test_every_release_has_left_a_folder() -> None:
    changelog = (Path(__file__).parents[3] / "CHANGELOG.md").read_text()
    for line in changelog.splitlines():
        if line.startswith("## [") and "Unreleased" not in line:
            version = line[4:].partition("]")[0]
            assert any(path.name == f"{version}.tar.xz" for path in RELEASES), (
                f"releases/ has no folder of {version} (this is {__version__})"
            )
