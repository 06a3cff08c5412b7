"""What a sandbox account keeps on disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from statusgate.domain.address import Address
from statusgate.domain.contact import Contact
from statusgate.domain.errors import EngineUnavailable
from statusgate.domain.events import ContactsChanged, StatusReceipt
from statusgate.domain.instance import State
from statusgate.domain.receipt import Progress
from statusgate.engines.simulated.account import Account, Link, Record, Scheduled
from statusgate.engines.simulated.sandbox_log import SandboxLog
from tests.unit.engines.test_account_store import old_spool

ANNA = Address(phone="79001234567")


def met(name: str) -> ContactsChanged:
    contact = Contact(address=ANNA, name=name, contact_name=name)
    return ContactsChanged(contacts=(contact,), at_ms=1)


def receipt(wire_id: str, at_ms: int) -> Scheduled:
    event = StatusReceipt(
        wire_ids=(wire_id,), viewer=ANNA, kind=Progress.DELIVERED, at_ms=at_ms
    )
    return Scheduled(at_ms, event)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SandboxLog]:
    log = SandboxLog(tmp_path / "account")
    yield log
    log.close()


def add(log: SandboxLog, *records: Record) -> None:
    for record in records:
        log.account.apply(log.append(record), record)


def reopened(log: SandboxLog, tmp_path: Path) -> Account:
    """Return the account as a process finds it that starts after a power cut."""
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(tmp_path / "account", copy)
    other = SandboxLog(copy)
    other.close()
    return other.account


RECORDS = [
    Record(link=Link(State.AUTHORIZED, "7", 1)),
    Record(
        events=(met("Anna"),), scheduled=(receipt("B", 50), receipt("A", 20), receipt("C", 50))
    ),
    Record(events=(receipt("A", 20).event,), released=1),
    Record(withdrawn="C"),
    Record(scheduled=(receipt("D", 10),)),
]


def test_an_account_follows_from_its_log_wherever_the_checkpoint_was(
    log: SandboxLog, tmp_path: Path
) -> None:
    for record in RECORDS:
        add(log, record)
        assert reopened(log, tmp_path).snapshot() == log.account.snapshot()
        log.checkpoint(log.account.snapshot(), log.last - 1)
        assert reopened(log, tmp_path).snapshot() == log.account.snapshot()
    assert [one.due_ms for one in log.account.scheduled] == [10, 50]
    assert log.account.named_contacts() == [ANNA]


def test_files_are_for_the_owner_alone(log: SandboxLog, tmp_path: Path) -> None:
    add(log, *RECORDS, Record(withdrawn="x" * 1_500_000))
    log.checkpoint(log.account.snapshot(), 0)
    found = list((tmp_path / "account").rglob("*"))
    assert len(found) == 2
    for path in [tmp_path / "account", *found]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_an_older_version_kept_makes_the_same_account(
    log: SandboxLog, tmp_path: Path
) -> None:
    encoded = [msgspec.json.encode(record) for record in RECORDS]
    for record in RECORDS[:2]:
        add(log, record)
    old = tmp_path / "old"
    (old / "records").mkdir(parents=True)
    (old / "state.json").write_bytes(msgspec.json.encode(log.account.snapshot()))
    (old / "records" / f"{3:020d}.json").write_bytes(encoded[2])
    old_spool(old / "spool", b'{"elsewhere":true}', *encoded[3:], first=3, confirmed=1)
    add(log, *RECORDS[2:])
    other = SandboxLog(old)
    assert other.account.snapshot() == log.account.snapshot()
    assert [record for _, record in other.read(2)] == RECORDS[2:]
    assert (other.is_new, other.last, other.confirmed) == (False, 5, 1)
    other.close()
    assert [path.name for path in old.iterdir()] == ["account.db"]


def test_an_unreadable_state_is_no_new_account(log: SandboxLog, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "state.json").write_bytes(b"{")
    for _ in range(2):
        with pytest.raises(EngineUnavailable, match="unreadable"):
            SandboxLog(tmp_path / "old")


def test_ids_of_own_statuses_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statusgate.engines.simulated.account.MAX_REMEMBERED_IDS", 3)
    account = Account(None)
    for number in (1, 2, 3, 1, 4):
        account.remember_wire_id(str(number), f"W{number}")
    assert account.wire_ids == {"3": "W3", "1": "W1", "4": "W4"}
    assert Account(account.snapshot()).wire_ids == account.wire_ids
