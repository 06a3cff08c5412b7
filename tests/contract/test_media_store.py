"""The media store: a folder, a bucket in S3, and memory behind one port."""

import asyncio
import contextlib
import errno
import itertools
import os
import shutil
import time
from pathlib import Path

import pytest

from statusgate.domain.errors import MediaFull, MediaUnavailable
from statusgate.domain.ids import InstanceId, new_media_key
from statusgate.media.store import (
    CHUNK_BYTES,
    FolderMediaStore,
    MediaStore,
    open_media_store,
)

CONTENT = bytes(range(256)) * 4_000
PATH = f"1101000001/{new_media_key()}.jpg"


@pytest.fixture(params=["folder", "memory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    places = {"folder": str(tmp_path / "media"), "memory": "memory:"}
    place = places.get(request.param) or request.getfixturevalue("bucket")
    return open_media_store(place, low_water_bytes=0)


@pytest.fixture
def folder(tmp_path: Path) -> FolderMediaStore:
    return FolderMediaStore(tmp_path / "media", low_water_bytes=0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


async def read(store: MediaStore, path: str = PATH, start: int = 0, end: int = 10**9) -> bytes:
    return b"".join([chunk async for chunk in store.read(path, start, end)])


async def test_a_stored_file_is_read_back(store: MediaStore, source: Path) -> None:
    await store.put(PATH, source)
    assert await read(store) == CONTENT
    assert source.read_bytes() == CONTENT


async def test_stored_files_are_listed_with_size_and_age(
    store: MediaStore, source: Path
) -> None:
    before_ms = time.time_ns() // 1_000_000
    paths = [f"{instance}/{new_media_key()}.jpg" for instance in (1, 1, 2, 11)]
    for path in paths:
        await store.put(path, source)
    found = [listed async for listed in store.list()]
    assert sorted(listed.path for listed in found) == sorted(paths)
    assert {listed.size for listed in found} == {len(CONTENT)}
    now_ms = time.time_ns() // 1_000_000
    assert all(before_ms - 1000 <= listed.modified_ms <= now_ms for listed in found)
    of_one = [listed.path async for listed in store.list(InstanceId(1))]
    assert sorted(of_one) == sorted(paths[:2])
    await store.remove(paths)
    assert [listed async for listed in store.list()] == []


async def test_files_that_are_not_of_the_store_are_not_listed(
    folder: FolderMediaStore, tmp_path: Path
) -> None:
    for name in ("1/notes.txt~", "1/.hidden", "README", ".incoming/0123"):
        path = tmp_path / "media" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert [listed async for listed in folder.list()] == []


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 1), (0, 0), (5, 3), (1000, 1000), (300_000, 700_001), (1_023_999, 1_024_000)],
)
async def test_ranges_are_half_open(
    store: MediaStore, source: Path, start: int, end: int
) -> None:
    await store.put(PATH, source)
    assert await read(store, PATH, start, end) == CONTENT[start:end]


async def test_what_lies_behind_the_end_is_left_out(store: MediaStore, source: Path) -> None:
    await store.put(PATH, source)
    assert await read(store, PATH, 1_023_000, 2_000_000) == CONTENT[1_023_000:]
    with pytest.raises(MediaUnavailable):
        await read(store, PATH, 1_024_000, 1_024_001)


async def test_a_missing_file_is_told_for_good(store: MediaStore) -> None:
    with pytest.raises(MediaUnavailable) as caught:
        await read(store)
    assert caught.value.final


async def test_an_empty_file_can_be_stored(store: MediaStore, source: Path) -> None:
    source.write_bytes(b"")
    await store.put(PATH, source)
    assert await read(store, PATH, 0, 0) == b""


async def test_removing_is_repeatable(store: MediaStore, source: Path) -> None:
    other = f"1101000001/{new_media_key()}.mp4"
    await store.put(PATH, source)
    await store.put(other, source)
    await store.remove([f"1/{new_media_key()}.jpg", PATH, PATH])
    await store.remove([PATH])
    await store.remove([])
    with pytest.raises(MediaUnavailable):
        await read(store)
    assert await read(store, other) == CONTENT


async def test_a_second_put_replaces(store: MediaStore, source: Path) -> None:
    await store.put(PATH, source)
    source.write_bytes(b"new")
    await store.put(PATH, source)
    assert await read(store) == b"new"


async def test_many_at_once(store: MediaStore, source: Path) -> None:
    paths = [f"{instance}/{new_media_key()}.png" for instance in range(1, 41)]
    await asyncio.gather(*(store.put(path, source) for path in paths))
    assert set(await asyncio.gather(*(read(store, path) for path in paths))) == {CONTENT}
    await asyncio.gather(*(store.remove([path]) for path in paths))
    for path in paths:
        with pytest.raises(MediaUnavailable):
            await read(store, path)


# -- ways out of the store (S5)

SEPARATORS = ["/", "\\", "%2f", "%5c", "%252f", "%c0%af", "／", "∕"]
STEPS = ["..", ".", "...", "%2e%2e", ".%2e", "%252e%252e", "．．", "..;", ". .", "..\0"]
TAILS = ["etc/passwd", "secret.jpg", "1101000001/0.jpg"]
TRAVERSALS = [
    *(f"{s}{sep}{tail}" for s, sep, tail in itertools.product(STEPS, SEPARATORS, TAILS)),
    *(f"1{sep}{s}{sep}secret.jpg" for s, sep in itertools.product(STEPS, SEPARATORS)),
    "", "/", "//", ".", "..", "~", "~/secret.jpg", "/etc/passwd", "//etc/passwd",
    "C:\\secret.jpg",
    "\\\\host\\share", "file:///etc/passwd", "1/0.jpg/../../secret.jpg", "1//0.jpg", "/1/0.jpg",
    "1/0.jpg/", " 1/0.jpg", "1/0.jpg ", "1/0.jpg\n", "1/0.jpg\0", "1/0\0.jpg", "1/.jpg", "1/0.",
    "1/0", "1/0.JPG", "1/0.jpg.exe.abcdefghi", "1/..jpg", "-1/0.jpg", "a/0.jpg", "1/G.jpg",
    "١/0.jpg", "1/０.jpg", ".incoming/0.jpg", "1/0.jpg:stream", "1/0.jpg?x", "1/0.jpg#x",
    "1/%30.jpg", "1/0.jpg%00.png", "1" * 19 + "/0.jpg", "1/" + "0" * 65 + ".jpg",
    "1/0." + "a" * 9, "1/0.jpg" * 500,
]  # fmt: skip


def test_the_corpus_is_large() -> None:
    assert len(set(TRAVERSALS)) >= 200


async def test_no_spelling_leaves_the_store(
    store: MediaStore, source: Path, tmp_path: Path
) -> None:
    for secret in (tmp_path / "secret.jpg", tmp_path / "media" / "secret.jpg"):
        secret.parent.mkdir(exist_ok=True)
        secret.write_bytes(b"secret")
    before = sorted(path for path in tmp_path.rglob("*"))
    for spelling in TRAVERSALS:
        with pytest.raises(MediaUnavailable) as caught:
            await read(store, spelling)
        assert caught.value.final
        with pytest.raises(MediaUnavailable):
            await store.put(spelling, source)
    await store.remove(TRAVERSALS)
    assert sorted(path for path in tmp_path.rglob("*")) == before


# -- the folder


async def test_files_are_for_the_owner_alone(
    folder: FolderMediaStore, source: Path, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        await folder.put(PATH, source)
    finally:
        os.umask(before)
    stored = tmp_path / "media" / PATH
    assert stored.stat().st_mode & 0o777 == 0o600
    assert stored.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "media").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "media" / ".incoming").iterdir()) == []


async def test_r06_below_the_low_water_mark_nothing_is_stored(
    tmp_path: Path, source: Path
) -> None:
    free = shutil.disk_usage(tmp_path).free
    store = FolderMediaStore(tmp_path / "media", low_water_bytes=2 * free)
    with pytest.raises(MediaFull):
        await store.put(PATH, source)
    assert not (tmp_path / "media" / "1101000001").exists()


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, MediaFull),
        (errno.EDQUOT, MediaFull),
        (errno.EIO, MediaUnavailable),
    ],
)
async def test_a_put_that_fails_leaves_nothing_behind(
    folder: FolderMediaStore,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    told: type[Exception],
) -> None:
    def failing(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(told):
            await folder.put(PATH, source)
    assert [path.name for path in (tmp_path / "media").rglob("*")] == [".incoming"]
    await folder.put(PATH, source)
    assert await read(folder) == CONTENT


async def test_a_file_is_synced_before_it_has_its_name_and_its_folder_after(
    folder: FolderMediaStore, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def watching(file: int) -> None:
        where = os.readlink(f"/proc/self/fd/{file}")
        synced.append((Path(where).parent.name, (tmp_path / "media" / PATH).exists()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", watching)
    await folder.put(PATH, source)
    assert synced == [(".incoming", False), (tmp_path.name, False), ("media", True)]


async def test_left_overs_of_a_crash_are_removed_once_they_are_old(tmp_path: Path) -> None:
    incoming = tmp_path / "media" / ".incoming"
    incoming.mkdir(parents=True)
    for name in ("old", "new"):
        (incoming / name).write_bytes(b"x")
    os.utime(incoming / "old", (0, 0))
    FolderMediaStore(tmp_path / "media")
    assert [path.name for path in incoming.iterdir()] == ["new"]


async def test_a_large_file_is_read_piece_by_piece(
    folder: FolderMediaStore, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    await folder.put(PATH, large)
    sizes = [len(chunk) async for chunk in folder.read(PATH, 0, 10**9)]
    assert sum(sizes) == 64 * 1024 * 1024
    assert max(sizes) <= 4 * CHUNK_BYTES


async def test_a_reader_may_leave_early(folder: FolderMediaStore, source: Path) -> None:
    await folder.put(PATH, source)
    async with contextlib.aclosing(folder.read(PATH, 0, 10**9)) as reading:
        assert await anext(reading)
    assert await read(folder) == CONTENT


async def test_a_missing_source_is_no_stored_file(store: MediaStore, tmp_path: Path) -> None:
    with pytest.raises((MediaUnavailable, FileNotFoundError)):
        await store.put(PATH, tmp_path / "nothing")
    with pytest.raises(MediaUnavailable):
        await read(store)
