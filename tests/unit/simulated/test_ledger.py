"""What a sandbox account keeps on disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.events import ContactsChanged, StatusReceipt
from statusgate.domain.instance import State
from statusgate.domain.receipt import Progress
from statusgate.engines.simulated.account import Account, Held, Link, Record
from statusgate.engines.simulated.ledger import Ledger

ANNA = Address(phone="79001234567")


def met(name: str) -> ContactsChanged:
    contact = Contact(address=ANNA, name=name, contact_name=name)
    return ContactsChanged(contacts=(contact,), at_ms=1)


def receipt(wire_id: str, at_ms: int) -> Held:
    event = StatusReceipt(
        wire_ids=(wire_id,), viewer=ANNA, kind=Progress.DELIVERED, at_ms=at_ms
    )
    return Held(at_ms, event)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "account")
    yield ledger
    ledger.close()


def add(ledger: Ledger, *records: Record) -> None:
    for record in records:
        ledger.account.apply(ledger.append(record), record)


def reopened(ledger: Ledger, tmp_path: Path) -> Account:
    """Return the account as a process finds it that starts after a power cut."""
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(tmp_path / "account", copy)
    other = Ledger(copy)
    other.close()
    return other.account


RECORDS = [
    Record(link=Link(State.AUTHORIZED, "7", 1)),
    Record(events=(met("Anna"),), held=(receipt("B", 50), receipt("A", 20), receipt("C", 50))),
    Record(events=(receipt("A", 20).event,), released=1),
    Record(withdrawn="C"),
    Record(held=(receipt("D", 10),)),
]


def test_an_account_follows_from_its_log_wherever_the_checkpoint_was(
    ledger: Ledger, tmp_path: Path
) -> None:
    for record in RECORDS:
        add(ledger, record)
        assert reopened(ledger, tmp_path).snapshot() == ledger.account.snapshot()
        ledger.checkpoint(ledger.account.snapshot(), ledger.last - 1)
        assert reopened(ledger, tmp_path).snapshot() == ledger.account.snapshot()
    assert [one.due_ms for one in ledger.account.held] == [10, 50]
    assert ledger.account.named_contacts() == [ANNA]


def test_files_are_for_the_owner_alone(ledger: Ledger, tmp_path: Path) -> None:
    add(ledger, *RECORDS, Record(withdrawn="x" * 1_500_000))
    ledger.checkpoint(ledger.account.snapshot(), 0)
    found = list((tmp_path / "account").rglob("*"))
    assert len(found) == 6
    for path in [tmp_path / "account", *found]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_numbers_go_on_when_the_spool_alone_is_lost(ledger: Ledger, tmp_path: Path) -> None:
    add(ledger, *RECORDS)
    ledger.checkpoint(ledger.account.snapshot(), ledger.last)
    shutil.copytree(tmp_path / "account", tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "spool")
    other = Ledger(tmp_path / "copy")
    assert not other.is_new
    assert other.append(Record()) == len(RECORDS) + 1
    assert other.account.snapshot() == ledger.account.snapshot()
    other.close()


def test_a_lost_snapshot_does_not_make_a_new_account(ledger: Ledger, tmp_path: Path) -> None:
    add(ledger, *RECORDS)
    assert ledger.is_new
    ledger.checkpoint(ledger.account.snapshot(), 0)
    shutil.copytree(tmp_path / "account", tmp_path / "copy")
    (tmp_path / "copy" / "state.json").unlink()
    other = Ledger(tmp_path / "copy")
    assert not other.is_new
    assert other.account.snapshot() == ledger.account.snapshot()
    other.close()


def test_ids_of_own_statuses_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statusgate.engines.simulated.account.MAX_REMEMBERED_IDS", 3)
    account = Account(None)
    for number in (1, 2, 3, 1, 4):
        account.remember_wire_id(str(number), f"W{number}")
    assert account.wire_ids == {"3": "W3", "1": "W1", "4": "W4"}
    assert Account(account.snapshot()).wire_ids == account.wire_ids
