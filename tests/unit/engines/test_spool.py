"""The spool keeps what it has taken, whatever happens to the process or the file."""

import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statusgate.engines.spool import (
    MAX_PAYLOAD,
    PoisonFile,
    Spool,
    SpoolBroken,
    SpoolFull,
    SpoolInUse,
)


def open_spool(directory: Path, segment_bytes: int = 1000) -> Spool:
    return Spool(directory, segment_bytes=segment_bytes, min_free_bytes=0)


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("spool-" + "[0-9]" * 20))


def test_records_come_back_in_order_also_after_reopening(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment_bytes=100)
    numbers = [spool.append(b"record %d" % n) for n in range(50)]
    expected = [(number, b"record %d" % n) for n, number in enumerate(numbers)]
    assert numbers == list(range(1, 51))
    assert list(spool.read(0)) == expected
    assert list(spool.read(30)) == expected[30:]
    assert len(segments(tmp_path)) > 5
    spool.close()
    spool = open_spool(tmp_path)
    assert list(spool.read(0)) == expected
    assert (spool.first, spool.last) == (1, 50)
    assert spool.append(b"next") == 51
    spool.close()


def test_confirmed_segments_go_and_numbers_are_never_used_again(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment_bytes=100)
    for _ in range(20):
        spool.append(b"x" * 20)
    spool.confirm(11)
    assert spool.first <= 12
    assert [number for number, _ in spool.read(spool.confirmed)] == list(range(12, 21))
    spool.confirm(20)
    spool.close()
    assert segments(tmp_path) == []
    spool = open_spool(tmp_path)
    assert (spool.first, spool.last, spool.confirmed) == (21, 20, 20)
    assert spool.append(b"y") == 21
    spool.close()


def test_in_quiet_moments_nothing_confirmed_is_left(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append(b"one")
    spool.tidy()
    assert list(spool.read(0)) == [(1, b"one")]
    spool.confirm(1)
    spool.tidy()
    spool.tidy()
    assert segments(tmp_path) == []
    assert spool.append(b"two") == 2
    spool.close()


def test_a_reader_that_knows_more_than_a_lost_spool_moves_the_numbers_on(
    tmp_path: Path,
) -> None:
    spool = open_spool(tmp_path)
    spool.append(b"one")
    spool.confirm(1000)
    assert spool.append(b"two") == 1001
    assert list(spool.read(1000)) == [(1001, b"two")]
    spool.close()


def test_a_torn_last_record_is_cut_off_wherever_it_ends(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment_bytes=10_000)
    spool.append(b"whole")
    start = segments(tmp_path)[0].stat().st_size
    spool.append(b"torn off")
    spool.close()
    (file,) = segments(tmp_path)
    content = file.read_bytes()
    for end in range(start, len(content)):
        for tail in (content[start:end], bytes(end - start)):
            for other in segments(tmp_path)[1:]:
                other.unlink()
            file.write_bytes(content[:start] + tail)
            spool = open_spool(tmp_path)
            assert list(spool.read(0)) == [(1, b"whole")]
            assert spool.damaged == 0
            assert spool.append(b"again") == 2
            assert list(spool.read(1)) == [(2, b"again")]
            spool.close()


def test_damage_in_the_middle_is_told_and_its_numbers_are_not_used_again(
    tmp_path: Path,
) -> None:
    spool = open_spool(tmp_path, segment_bytes=10_000)
    for n in range(10):
        spool.append(b"record %d" % n)
    spool.close()
    (file,) = segments(tmp_path)
    content = file.read_bytes()
    for at in range(len(content) // 2, len(content) // 2 + 24):
        damaged = bytearray(content)
        damaged[at] ^= 1
        file.write_bytes(damaged)
        spool = open_spool(tmp_path)
        assert spool.damaged == 1, at
        assert file.with_name(file.name + ".damaged").read_bytes() == damaged
        kept = list(spool.read(0))
        assert kept == [(n + 1, b"record %d" % n) for n in range(len(kept))]
        assert 0 < len(kept) < 10
        assert spool.append(b"later") > 10
        spool.close()
        segments(tmp_path)[-1].unlink()


def test_two_owners_are_kept_apart(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    with pytest.raises(SpoolInUse):
        open_spool(tmp_path)
    spool.close()
    open_spool(tmp_path).close()


def test_threads_that_append_together_share_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = 0
    really = os.fdatasync

    def slow_sync(file: int) -> None:
        nonlocal syncs
        syncs += 1
        time.sleep(0.002)
        really(file)

    monkeypatch.setattr(os, "fdatasync", slow_sync)
    spool = open_spool(tmp_path, segment_bytes=2000)
    numbers: list[int] = []

    def append_many(thread: int) -> None:
        for n in range(50):
            payload = b"%d.%d" % (thread, n)
            number = spool.append(payload)
            assert (number, payload) in [next(spool.read(number - 1))]
            numbers.append(number)

    threads = [threading.Thread(target=append_many, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 401))
    assert [number for number, _ in spool.read(0)] == list(range(1, 401))
    assert syncs < 300
    spool.close()


def test_nothing_is_read_before_it_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool(tmp_path)
    seen: list[list[tuple[int, bytes]]] = []
    monkeypatch.setattr(os, "fdatasync", lambda _: seen.append(list(spool.read(0))))
    spool.append(b"one")
    spool.append(b"two")
    assert seen == [[], [(1, b"one")]]
    monkeypatch.undo()
    spool.close()


def test_after_a_failed_sync_nothing_is_promised_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool(tmp_path)
    spool.append(b"good")

    def fail(_: int) -> None:
        raise OSError(5, "I/O error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="I/O error"):
        spool.append(b"lost")
    monkeypatch.undo()
    with pytest.raises(SpoolBroken):
        spool.append(b"not taken")
    assert list(spool.read(0)) == [(1, b"good")]
    spool.close()


def test_a_failed_write_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool(tmp_path)
    spool.append(b"one")
    really = os.write
    monkeypatch.setattr(os, "write", lambda file, data: really(file, data[:7]))
    with pytest.raises(OSError, match="only 7 of"):
        spool.append(b"two")
    monkeypatch.undo()
    assert spool.append(b"three") == 2
    spool.close()
    spool = open_spool(tmp_path)
    assert list(spool.read(0)) == [(1, b"one"), (2, b"three")]
    assert spool.damaged == 0
    spool.close()


def test_a_full_disk_is_noticed_before_it_is_full(tmp_path: Path) -> None:
    spool = Spool(tmp_path, min_free_bytes=2**62)
    with pytest.raises(SpoolFull):
        spool.append(b"one")
    assert spool.last == 0
    spool.close()


def test_what_is_too_long_is_refused(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    with pytest.raises(ValueError, match="too long"):
        spool.append(bytes(MAX_PAYLOAD + 1))
    assert spool.append(bytes(MAX_PAYLOAD)) == 1
    assert len(next(spool.read(0))[1]) == MAX_PAYLOAD
    spool.close()


def test_waiting_ends_with_a_record_or_with_time(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    assert not spool.wait(0, 0.01)
    threading.Timer(0.05, spool.append, [b"one"]).start()
    assert spool.wait(0, 5)
    spool.close()


def test_files_are_private(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "new")
    spool.append(b"one")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "new").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    spool.close()


_KILLED = """
import sys
from pathlib import Path
from statusgate.engines.spool import Spool
spool = Spool(Path(sys.argv[1]), segment_bytes=700, min_free_bytes=0)
while True:
    number = spool.append(b"%d" % (spool.last + 1) * 5)
    sys.stdout.buffer.write(number.to_bytes(8, "big"))
    sys.stdout.buffer.flush()
    if number % 7 == 0:
        spool.confirm(number - 10)
"""


def test_a_killed_process_has_kept_every_record_it_was_told_is_kept(tmp_path: Path) -> None:
    chance = random.Random(7)
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        output = process.stdout.read(8)
        time.sleep(chance.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        output += process.stdout.read()
        process.wait()
        process.stdout.close()
        whole = len(output) // 8
        told = struct.unpack(">Q", output[whole * 8 - 8 : whole * 8])[0]
        spool = open_spool(tmp_path)
        records = list(spool.read(spool.confirmed))
        assert spool.damaged == 0
        assert spool.last >= told
        numbers = [number for number, _ in records]
        assert numbers == list(range(spool.last - len(numbers) + 1, spool.last + 1))
        assert numbers[0] <= max(1, told - 8)
        assert all(payload == b"%d" % number * 5 for number, payload in records)
        spool.close()


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.binary(max_size=40)),
            st.tuples(st.just("confirm"), st.floats(0, 1)),
            st.tuples(st.just("reopen"), st.booleans()),
        ),
        max_size=40,
    )
)
def test_it_behaves_like_a_list_whatever_the_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    directory = tmp_path_factory.mktemp("model")
    spool = open_spool(directory, segment_bytes=120)
    kept: list[tuple[int, bytes]] = []
    confirmed = 0
    for name, value in steps:
        if name == "append":
            assert isinstance(value, bytes)
            number = spool.append(value)
            assert number == (kept[-1][0] if kept else 0) + 1
            kept.append((number, value))
        elif name == "confirm":
            assert isinstance(value, float)
            confirmed = max(confirmed, int(len(kept) * value))
            spool.confirm(confirmed)
        else:
            spool.close()
            spool = open_spool(directory, segment_bytes=120)
        assert list(spool.read(confirmed)) == kept[confirmed:]
        assert spool.last == len(kept)
    spool.close()


def test_poison_is_kept_but_not_without_end(tmp_path: Path) -> None:
    poison = PoisonFile(tmp_path, limit_bytes=100)
    for _ in range(5):
        poison.write(b"z" * 40, "ValueError('no')")
    assert poison.count == 5
    assert b"ValueError" in (tmp_path / "poison").read_bytes()
    assert (tmp_path / "poison").stat().st_size < 300
    PoisonFile(tmp_path / "missing").write(b"raw", "never raises")
