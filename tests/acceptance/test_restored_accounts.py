"""A backup of linked accounts, taken while they work, goes on in another folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from statusgate.server import age
from statusgate.server.backup import back_up, restore
from statusgate.settings import Settings
from tests.acceptance.test_whole_gateway import Account, Running, make_account
from tests.waiting import until
from tests.whatsapp.client import FakeWhatsApp, people

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeWhatsApp]:
    with FakeWhatsApp(tmp_path / "whatsapp") as server:
        server.quick_pairing()
        yield server
        assert server.violations() == []


def settings_in(folder: Path) -> Settings:
    return Settings(database=f"sqlite:///{folder}/statusgate.db")


def texts(account: Account) -> set[str]:
    return {item["textMessage"] for item in account.incoming()}


@pytest.mark.e2e
def test_restored_accounts_post_and_receive_without_being_linked_anew(
    fake: FakeWhatsApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(age, "WORK_FACTOR", 2)
    one, other = people(700, 2)
    with Running(fake, tmp_path / "old") as running:
        a, b = make_account(running, one), make_account(running, other)
        a.link(fake, [other])
        b.link(fake, [one])
        until(lambda: b.contacts().get(f"{one.phone}@c.us"), "contact of B")
        a.post("before")
        until(lambda: "before" in texts(b), "the first status at B")
        old = settings_in(tmp_path / "old")
        back_up(old, tmp_path / "backup", PASSPHRASE, lambda _done, _total: None)
        a.post("after")  # what is encrypted has gone on since the backup
        until(lambda: "after" in texts(b), "the second status at B")

    new = settings_in(tmp_path / "new")
    restore(tmp_path / "backup", new, PASSPHRASE, lambda _done, _total: None)
    with Running(fake, tmp_path / "new") as running:
        for account in (a, b):
            contacts = tmp_path / "old" / running.contacts_file(account.id).name
            running.contacts_file(account.id).write_text(contacts.read_text())
        a, b = (Account(running, each.person, each.id, each.token) for each in (a, b))
        until(lambda: a.is_online() and b.is_online(), "both online")
        assert texts(b) >= {"before"}
        posted = a.post("restored")
        item = until(
            lambda: [one for one in b.incoming() if one["textMessage"] == "restored"],
            "the status of the restored account at B",
        )[0]
        b.view(item["idMessage"])
        until(lambda: a.row(other, posted)["status"] == "read", "the view at A")
