"""A linked account's session store is never taken for a new one, nor a wrong one used."""

import random
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from statusgate.engines.neonize.store import Linked, SessionStore, StoreInDoubt, StoreLost


def write_store(path: Path, *jids: str) -> None:
    """A store as the library lays it out, as far as we look."""
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE whatsmeow_device (jid TEXT PRIMARY KEY, noise_key BLOB)")
    database.execute("CREATE TABLE whatsmeow_sessions (our_jid TEXT, session BLOB)")
    for jid in jids:
        database.execute("INSERT INTO whatsmeow_device VALUES (?, ?)", (jid, bytes(32)))
        for n in range(200):
            database.execute(
                "INSERT INTO whatsmeow_sessions VALUES (?, ?)", (jid, bytes([n]) * 300)
            )
    database.commit()
    database.close()


@pytest.fixture
def linked(tmp_path: Path) -> SessionStore:
    store = SessionStore(tmp_path)
    write_store(store.path, "79001234567:3@s.whatsapp.net")
    store.mark(Linked(phone="79001234567", lid="222", device=3))
    store.note_changes()
    return store


def test_an_empty_folder_is_not_linked(tmp_path: Path) -> None:
    store = SessionStore(tmp_path)
    assert not store.exists
    assert not store.check()


def test_a_store_that_fits_its_mark_is_linked(linked: SessionStore) -> None:
    assert linked.exists
    assert linked.check()


def test_a_device_without_a_mark_was_linked_just_before_a_crash(tmp_path: Path) -> None:
    store = SessionStore(tmp_path)
    write_store(store.path, "79001234567:3@s.whatsapp.net")
    assert store.check()


def test_a_store_without_a_device_is_no_link(tmp_path: Path) -> None:
    store = SessionStore(tmp_path)
    write_store(store.path)
    assert not store.check()


def test_a_missing_store_is_lost(linked: SessionStore) -> None:
    linked.path.unlink()
    with pytest.raises(StoreLost, match="missing"):
        linked.check()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, b"SQLite format 3\x00"])
def test_a_store_that_is_no_database_is_lost(linked: SessionStore, content: bytes) -> None:
    linked.path.write_bytes(content)
    with pytest.raises(StoreLost):
        linked.check()


def test_another_device_s_store_is_lost(linked: SessionStore) -> None:
    linked.path.unlink()
    write_store(linked.path, "79007654321:3@s.whatsapp.net")
    with pytest.raises(StoreLost, match="another device"):
        linked.check()


def test_a_store_with_two_devices_is_lost(linked: SessionStore) -> None:
    linked.path.unlink()
    write_store(linked.path, "79001234567:3@s.whatsapp.net", "79007654321:1@s.whatsapp.net")
    with pytest.raises(StoreLost, match="exactly one"):
        linked.check()


def test_an_older_copy_is_lost(linked: SessionStore) -> None:
    older = linked.path.read_bytes()
    for row in (1, 2):  # one change may have been noted before it was committed
        database = sqlite3.connect(linked.path)
        database.execute("DELETE FROM whatsmeow_sessions WHERE rowid = ?", (row,))
        database.commit()
        database.close()
    linked.note_changes()
    assert linked.check()
    linked.path.write_bytes(older)
    with pytest.raises(StoreLost, match="older copy"):
        linked.check()


def test_a_spoiled_mark_is_no_reason_to_link_anew(linked: SessionStore) -> None:
    (linked.path.parent / "linked").write_bytes(b"{")
    with pytest.raises(StoreLost, match="mark"):
        linked.check()


def test_flipped_bits_never_lead_to_another_identity(linked: SessionStore) -> None:
    whole = linked.path.read_bytes()
    chance = random.Random(11)
    for _ in range(60):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        linked.path.write_bytes(flipped)
        with suppress(StoreLost):
            assert linked.check()  # never False: that would mean "link a new device"
        (linked.path.with_name("session.db-journal")).unlink(missing_ok=True)


def test_putting_aside_keeps_the_file(linked: SessionStore) -> None:
    content = linked.path.read_bytes()
    linked.learn_addressing("lid")
    linked.set_aside()
    assert not linked.exists
    assert not linked.check()
    assert linked.learned_addressing() == ""
    (kept,) = linked.path.parent.glob("session.db.aside-*")
    assert kept.read_bytes() == content


def test_learned_addressing_is_remembered(linked: SessionStore) -> None:
    assert linked.learned_addressing() == ""
    linked.learn_addressing("lid")
    assert SessionStore(linked.path.parent).learned_addressing() == "lid"


def test_threads_may_note_changes_together(linked: SessionStore) -> None:
    def note(_: int) -> None:
        for _ in range(50):
            linked.note_changes()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(note, range(4)))
    assert linked.check()


def test_a_store_that_the_library_had_open_here_is_judged_elsewhere(
    linked: SessionStore,
) -> None:
    linked.opened()
    assert linked.check()
    linked.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreInDoubt):
        linked.check()


def test_a_look_at_a_store_that_is_being_written_undoes_nothing(linked: SessionStore) -> None:
    """In an engine process neither copy of SQLite sees the locks of the other."""
    linked.opened()
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITING, str(linked.path)], stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        journal = linked.path.with_name("session.db-journal")
        assert journal.exists()
        writer.kill()  # without its locks, its journal looks like that of a crash
        writer.wait()
        with suppress(StoreInDoubt):
            linked.check()
        assert journal.exists()
    finally:
        writer.kill()
        writer.communicate()


_WRITING = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN")
database.execute("UPDATE whatsmeow_sessions SET session = zeroblob(3000)")
print("writing", flush=True)
time.sleep(60)
"""
