"""The account's file keeps what it has taken, whatever happens to the process or the disk."""

import fcntl
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statusgate.engines.account_store import (
    FILE,
    MAX_PAYLOAD,
    AccountStore,
    StoreBroken,
    StoreFull,
    StoreInUse,
    may_hold_events,
)
from tests.faulty_disk import Disk, Entry, cut, disk

__all__ = ["disk"]


def opened(directory: Path, disk: Disk | None = None) -> AccountStore:
    return AccountStore(directory, min_free_bytes=0, vfs=disk.name if disk else None)


def test_records_come_back_in_order_also_after_reopening(tmp_path: Path) -> None:
    store = opened(tmp_path)
    numbers = [store.append(b"record %d" % n) for n in range(50)]
    expected = [(number, b"record %d" % n) for n, number in enumerate(numbers)]
    assert numbers == list(range(1, 51))
    assert list(store.read(0)) == expected
    assert list(store.read(30)) == expected[30:]
    store.close()
    store = opened(tmp_path)
    assert list(store.read(0)) == expected
    assert store.last == 50
    assert store.append(b"next") == 51
    store.close()


def test_confirmed_records_go_and_numbers_are_never_used_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for _ in range(1000):
        store.append(b"x" * 20)
        store.confirm(store.last - 9)
    assert 10 <= len(list(store.read(0))) < 300  # removed while it runs, not one by one
    assert [number for number, _ in store.read(store.confirmed)] == list(range(992, 1001))
    store.confirm(1000)
    store.close()
    store = opened(tmp_path)
    assert list(store.read(0)) == []
    assert (store.last, store.confirmed) == (1000, 1000)
    assert store.append(b"y") == 1001
    store.close()


def test_in_quiet_moments_nothing_confirmed_is_left_on_the_disk(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for _ in range(300):
        store.append(b"something personal" * 1000)
    store.tidy()
    assert len(list(store.read(0))) == 300
    store.confirm(300)
    store.tidy()
    store.tidy()
    files = list(tmp_path.iterdir())
    assert not any(b"personal" in path.read_bytes() for path in files)
    assert sum(path.stat().st_size for path in files) < 100_000
    assert store.append(b"two") == 301
    store.close()


def test_a_journal_that_knows_more_than_a_lost_spool_moves_the_numbers_on(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    store.append(b"one")
    store.confirm(1000)
    assert store.append(b"two") == 1001
    assert list(store.read(1000)) == [(1001, b"two")]
    store.close()


def test_two_owners_are_kept_apart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(StoreInUse):
        opened(tmp_path)
    other = "import sys, pathlib; from statusgate.engines import account_store as a\n"
    other += "try: a.AccountStore(pathlib.Path(sys.argv[1]))\n"
    other += "except a.StoreInUse: print('in use')"
    command = [sys.executable, "-c", other, str(tmp_path)]
    assert subprocess.run(command, check=True, capture_output=True).stdout == b"in use\n"
    assert may_hold_events(tmp_path)
    store.close()
    opened(tmp_path).close()


def test_it_is_known_whether_events_wait_for_the_journal(tmp_path: Path) -> None:
    assert not may_hold_events(tmp_path)
    store = opened(tmp_path)
    store.append(b"one")
    store.close()
    assert may_hold_events(tmp_path)
    store = opened(tmp_path)
    store.confirm(1)
    store.close()
    assert not may_hold_events(tmp_path)


def test_threads_may_append_and_read_together(tmp_path: Path) -> None:
    store = opened(tmp_path)
    numbers: list[int] = []

    def append_many(thread: int) -> None:
        for n in range(50):
            payload = b"%d.%d" % (thread, n)
            number = store.append(payload)
            assert (number, payload) in [next(store.read(number - 1))]
            numbers.append(number)

    threads = [threading.Thread(target=append_many, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 401))
    assert [number for number, _ in store.read(0)] == list(range(1, 401))
    store.close()


def test_a_full_disk_is_noticed_before_it_is_full(tmp_path: Path) -> None:
    store = AccountStore(tmp_path, min_free_bytes=2**62)
    with pytest.raises(StoreFull):
        store.append(b"one")
    assert store.last == 0
    store.close()


def test_what_is_too_long_is_refused(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(ValueError, match="too long"):
        store.append(bytes(MAX_PAYLOAD + 1))
    assert store.append(bytes(MAX_PAYLOAD)) == 1
    assert len(next(store.read(0))[1]) == MAX_PAYLOAD
    store.close()


def test_waiting_ends_with_a_record_or_with_time(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert not store.wait(0, 0.01)
    threading.Timer(0.05, store.append, [b"one"]).start()
    assert store.wait(0, 30)
    store.close()


def test_files_are_private(tmp_path: Path) -> None:
    store = opened(tmp_path / "new")
    store.append(b"one")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    files = list((tmp_path / "new").iterdir())
    assert {path.name for path in files} == {FILE, f"{FILE}-wal"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    store.close()


def test_what_cannot_be_handled_is_kept_but_not_without_end(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for _ in range(50):
        store.put_aside(b"z" * 100_000, "ValueError('no')")
    assert store.poisoned == 50
    found = store.run("SELECT reason, length(raw) FROM poison")
    assert len(found) == 41
    assert set(found) == {("ValueError('no')", 100_000)}
    store.close()
    store.put_aside(b"raw", "never raises")


# -- faults of the disk


def test_every_append_is_synced_before_it_returns(tmp_path: Path, disk: Disk) -> None:
    store = opened(tmp_path, disk)
    for number in range(600):
        disk.log.clear()
        store.append(b"record")
        store.confirm(number)
        unsynced = set()
        for entry in disk.log:
            if entry.kind == "sync":
                unsynced.discard(entry.file)
            elif entry.kind == "write" and entry.file.endswith("-wal"):
                unsynced.add(entry.file)
        assert any(entry.kind == "sync" for entry in disk.log)
        assert not unsynced
    store.close()


@pytest.mark.parametrize("kind", ["sync", "write"])
def test_after_an_io_error_nothing_is_promised_any_more(
    tmp_path: Path, disk: Disk, kind: str
) -> None:
    store = opened(tmp_path, disk)
    store.append(b"good")
    disk.fail(kind, 1)  # type: ignore[arg-type]
    with pytest.raises(StoreBroken):
        store.append(b"lost")
    disk.heal()
    for use in (lambda: store.append(b"not taken"), lambda: store.confirm(1)):
        with pytest.raises(StoreBroken):
            use()
    store.close()
    store = opened(tmp_path)
    assert next(store.read(0)) == (1, b"good")
    store.close()


@pytest.mark.parametrize("short", [False, True])
def test_a_full_disk_costs_what_it_refuses_and_nothing_else(
    tmp_path: Path, disk: Disk, *, short: bool
) -> None:
    store = opened(tmp_path, disk)
    kept = []
    for number in range(30):
        disk.fail("write", 1 + number % 3, apsw.FullError, lasting=True, short=short)
        for _ in range(2):
            try:
                kept.append(store.append(b"%d" % number))
            except StoreFull:
                assert store.last == len(kept)
        disk.heal()
        kept.append(store.append(b"%d" % number))
    assert kept == list(range(1, len(kept) + 1))
    store.close()
    store = opened(tmp_path)
    assert [number for number, _ in store.read(0)] == kept
    store.close()


def test_a_power_cut_at_any_moment_loses_nothing_that_was_kept(
    tmp_path: Path, disk: Disk
) -> None:
    assert lost_in_cuts(tmp_path, disk, "FULL", 60) == 0


def test_a_power_cut_shows_a_weaker_setting(tmp_path: Path, disk: Disk) -> None:
    assert lost_in_cuts(tmp_path, disk, "NORMAL", 30) > 0


def lost_in_cuts(tmp_path: Path, disk: Disk, synchronous: str, images: int) -> int:
    """Return how many records that were kept are missing over all images."""
    store = opened(tmp_path / "account", disk)
    store.run(f"PRAGMA synchronous = {synchronous}")
    store.run("PRAGMA wal_autocheckpoint = 20")
    begin = len(disk.log)
    for _ in range(300):
        disk.log.append(Entry("ack", offset=store.append(b"record" * 50)))
    store.close()
    end = max(number for number, entry in enumerate(disk.log) if entry.kind == "ack") + 1
    moments, lost = random.Random(4), 0
    for number in range(images):
        folder = tmp_path / f"image{number}"
        folder.mkdir()
        kept = cut(disk.log[: moments.randrange(begin, end)], moments, folder)
        image = opened(folder)
        assert image.damaged is None
        found = {seq for seq, payload in image.read(0) if payload == b"record" * 50}
        lost += len(kept - found)
        image.close()
    return lost


def test_a_damaged_file_is_set_aside_and_what_can_be_read_is_taken_over(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    for n in range(200):
        store.append(b"record %d" % n * 20)
    store.confirm(3)
    store.close()
    file = tmp_path / FILE
    content = bytearray(file.read_bytes())
    at = content.index(b"record 150") // 4096 * 4096
    content[at : at + 200] = bytes(200)
    file.write_bytes(content)
    store = opened(tmp_path)
    assert store.damaged is not None
    assert store.damaged.read_bytes()[100 : len(content)] == content[100:]
    found = list(store.read(0))
    assert [number for number, _ in found] == list(range(4, 4 + len(found)))
    assert 50 < len(found) < 150
    assert all(payload == b"record %d" % (number - 1) * 20 for number, payload in found)
    store.confirm(1000)
    assert store.append(b"later") == 1001
    store.close()


def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff" * 5000)
    store = opened(tmp_path)
    assert store.damaged is not None
    assert store.append(b"one") == 1
    store.close()


# -- kills


_KILLED = """
import sys
from pathlib import Path
from statusgate.engines.account_store import AccountStore
store = AccountStore(Path(sys.argv[1]), min_free_bytes=0)
while True:
    number = store.append(b"%d" % (store.last + 1) * 5)
    sys.stdout.buffer.write(number.to_bytes(8, "big"))
    sys.stdout.buffer.flush()
    if number % 7 == 0:
        store.confirm(number - 10)
"""


def test_a_killed_process_has_kept_every_record_whose_number_it_returned(
    tmp_path: Path,
) -> None:
    moments = random.Random(7)
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        output = process.stdout.read(8)
        time.sleep(moments.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        output += process.stdout.read()
        process.wait()
        process.stdout.close()
        whole = len(output) // 8
        returned = struct.unpack(">Q", output[whole * 8 - 8 : whole * 8])[0]
        store = opened(tmp_path)
        assert store.damaged is None
        assert store.last >= returned
        records = list(store.read(store.confirmed))
        numbers = [number for number, _ in records]
        assert numbers == list(range(store.last - len(numbers) + 1, store.last + 1))
        assert numbers[0] <= max(1, returned - 8)
        assert all(payload == b"%d" % number * 5 for number, payload in records)
        store.close()


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.binary(max_size=40)),
            st.tuples(st.just("confirm"), st.floats(0, 1)),
            st.tuples(st.just("tidy"), st.none()),
            st.tuples(st.just("reopen"), st.none()),
        ),
        max_size=40,
    )
)
def test_it_behaves_like_a_list_whatever_the_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    directory = tmp_path_factory.mktemp("model")
    store = opened(directory)
    kept: list[tuple[int, bytes]] = []
    confirmed = 0
    for name, value in steps:
        if name == "append":
            assert isinstance(value, bytes)
            number = store.append(value)
            assert number == (kept[-1][0] if kept else 0) + 1
            kept.append((number, value))
        elif name == "confirm":
            assert isinstance(value, float)
            confirmed = max(confirmed, int(len(kept) * value))
            store.confirm(confirmed)
        elif name == "tidy":
            store.tidy()
        else:
            store.close()
            store = opened(directory)
        assert list(store.read(confirmed)) == kept[confirmed:]
        assert store.last == len(kept)
    store.close()


# -- what 0.1 kept


def old_record(seq: int, payload: bytes) -> bytes:
    """A record of a spool as 0.1 wrote it."""
    body = struct.pack(">Q", seq) + payload
    return struct.pack(">II", len(payload), zlib.crc32(body)) + body


def old_spool(folder: Path, *records: bytes, first: int = 1, confirmed: int = 0) -> None:
    folder.mkdir()
    content = b"".join(old_record(first + n, payload) for n, payload in enumerate(records))
    (folder / f"spool-{first:020d}").write_bytes(content + b"torn")
    (folder / "lock").touch()
    if confirmed:
        (folder / "confirmed").write_bytes(b"%d\n" % confirmed)


def test_what_an_older_version_spooled_is_taken_over(tmp_path: Path) -> None:
    old_spool(tmp_path / "spool", b"one", b"two", b"three", first=7, confirmed=7)
    assert may_hold_events(tmp_path)
    store = opened(tmp_path)
    assert (store.confirmed, store.last) == (7, 9)
    assert list(store.read(7)) == [(8, b"two"), (9, b"three")]
    assert {path.name for path in tmp_path.iterdir()} == {FILE, f"{FILE}-wal"}
    assert store.append(b"four") == 10
    store.close()


def test_numbers_go_on_behind_an_older_versions_empty_spool(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "confirmed").write_bytes(b"41\n")
    store = opened(tmp_path)
    assert store.append(b"next") == 42
    store.close()


def test_an_older_versions_worker_that_still_runs_is_waited_for(tmp_path: Path) -> None:
    old_spool(tmp_path / "spool", b"one")
    lock = os.open(tmp_path / "spool" / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(StoreInUse):
        opened(tmp_path)
    os.close(lock)
    store = opened(tmp_path)
    assert list(store.read(0)) == [(1, b"one")]
    store.close()


def test_closing_ends_whoever_waits_or_reads_quietly(tmp_path: Path) -> None:
    for number in range(20):
        store = opened(tmp_path / str(number))
        store.append(b"one")
        faults: list[BaseException] = []

        def follow(store: AccountStore = store, faults: list[BaseException] = faults) -> None:
            after = 0
            try:
                while store.wait(after, 30):
                    for seq, _ in store.read(after):
                        after = seq
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                faults.append(error)

        thread = threading.Thread(target=follow)
        thread.start()
        if number % 2:
            time.sleep(0.01)
        store.close()
        thread.join(60)
        assert not thread.is_alive()
        assert faults == []
        assert list(store.read(0)) == []
        with pytest.raises(ValueError, match="closed"):
            store.run("SELECT 1")
