"""The media store in a bucket of S3: what a folder does not have, and what can go wrong."""

import asyncio
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from statusgate.domain.errors import MediaUnavailable
from statusgate.domain.ids import new_media_key
from statusgate.domain.waiting import cancel
from statusgate.media import store as media_store
from statusgate.media.store import MediaStore, open_media_store
from tests.buckets import Door, ask, door_before, use
from tests.waiting import eventually

CONTENT = bytes(range(256)) * 10_000
KEY = new_media_key()
PATH = f"1101000001/{KEY}.jpg"


@pytest.fixture
async def door(
    s3_server: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Door]:
    async with door_before(s3_server, monkeypatch) as door:
        yield door


@pytest.fixture
def store(bucket: str, door: Door) -> MediaStore:
    return open_media_store(bucket)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


async def read(store: MediaStore, path: str = PATH) -> bytes:
    return b"".join([chunk async for chunk in store.read(path, 0, 10**9)])


async def fetch(url: str) -> tuple[bytes, dict[str, str]]:
    """What anybody gets at *url*, with the header names in lower case."""

    def get() -> tuple[bytes, dict[str, str]]:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
            return answer.read(), {
                name.lower(): value for name, value in answer.headers.items()
            }

    return await asyncio.to_thread(get)


@pytest.mark.parametrize(
    "place",
    [
        "s3:", "s3://", "s3:///prefix", "s3://a", "s3:bucket", "s3://Bucket", "s3://-bucket",
        "s3://bucket//prefix", "s3://bucket/a b", "s3://bucket/?x=1", "s3://key:secret@bucket",
    ],
)  # fmt: skip
def test_a_place_that_is_no_bucket_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/prefix is expected") as caught:
        open_media_store(place)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "place", ["s3://statusgate", "s3://statusgate/", "s3://statusgate/a/b-c_1"]
)
async def test_files_lie_under_the_prefix(
    place: str, s3_server: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(s3_server, monkeypatch)
    path = f"1/{new_media_key()}.jpg"
    store = open_media_store(place)
    await store.put(path, source)
    assert await read(store, path) == CONTENT
    prefix = place.removeprefix("s3://statusgate").strip("/")
    found = ask(s3_server, "GET", "/statusgate?list-type=2")
    assert f"<Key>{prefix}{'/' if prefix else ''}{path}</Key>" in found
    await store.remove([path])
    assert path not in ask(s3_server, "GET", "/statusgate?list-type=2")


async def test_prefixes_do_not_see_each_other(
    store: MediaStore, bucket: str, source: Path
) -> None:
    await store.put(PATH, source)
    other = open_media_store(f"{bucket}-other")
    assert [found async for found in other.list()] == []
    with pytest.raises(MediaUnavailable) as caught:
        await read(other)
    assert caught.value.final


async def test_a_link_leads_to_the_file_for_anybody(bucket: str, source: Path) -> None:
    store = open_media_store(bucket, has_links=True)
    await store.put(PATH, source)
    link = await store.link(PATH)
    assert link is not None
    assert f"X-Amz-Expires={media_store.LINK_SECONDS}" in link
    body, headers = await fetch(link)
    assert body == CONTENT
    assert (headers["content-type"], headers["content-disposition"]) == ("image/jpeg", "inline")
    assert await open_media_store(bucket).link(PATH) is None
    with pytest.raises(ValueError, match="media_links"):
        open_media_store("memory:", has_links=True)


async def test_what_browsers_could_run_is_never_shown_by_a_link(
    bucket: str, source: Path
) -> None:
    store = open_media_store(bucket, has_links=True)
    for extension in ("html", "svg", "js", "bin", "pdf"):
        path = f"1/{new_media_key()}.{extension}"
        await store.put(path, source)
        link = await store.link(path)
        assert link is not None
        _, headers = await fetch(link)
        assert headers["content-type"] == "application/octet-stream"
        assert headers["content-disposition"] == "attachment"


async def test_a_large_file_goes_and_comes_in_parts(
    store: MediaStore, door: Door, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(12 * 1024 * 1024)
    await store.put(PATH, large)
    parts = [asked for asked in door.asked if "partNumber" in asked]
    assert len(parts) == 3
    sizes = [len(chunk) async for chunk in store.read(PATH, 0, 10**9)]
    assert sum(sizes) == 12 * 1024 * 1024
    assert max(sizes) == media_store.CHUNK_BYTES


async def test_many_files_are_removed_with_one_request(
    store: MediaStore, door: Door, source: Path
) -> None:
    paths = [f"1/{new_media_key()}.jpg" for _ in range(20)]
    for path in paths:
        await store.put(path, source)
    door.asked.clear()
    await store.remove(paths)
    assert len(door.asked) == 1
    assert [found async for found in store.list()] == []


_PUT_LARGE = """
import asyncio, sys
from pathlib import Path
from statusgate.media.store import open_media_store

def peak_kb():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

async def main(place, source, count):
    store = open_media_store(place)
    await store.put("1/0.jpg", Path(sys.executable).with_name("activate"))
    before = peak_kb()
    paths = [f"{number}/0.mp4" for number in range(1, count + 1)]
    await asyncio.gather(*(store.put(path, source) for path in paths))
    async for _ in store.read(paths[0], 0, 10**12):
        pass
    print(peak_kb() - before)

asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
"""


async def test_the_memory_of_uploads_is_bounded_however_many_and_large_they_are(
    bucket: str, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(30 * 1024 * 1024)
    assert await _peak_kb(bucket, large, 5) < 110 * 1024  # the files have 150 MB


async def _peak_kb(place: str, large: Path, count: int) -> int:
    """The memory that a process takes to put *large* so often at once, and to read it."""
    done = await asyncio.to_thread(
        subprocess.run,
        (sys.executable, "-c", _PUT_LARGE, place, str(large), str(count)),
        capture_output=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.soak
async def test_two_gigabytes_go_and_come_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(2 << 30)
    runner = web.ServerRunner(web.Server(_swallow))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        use(f"http://127.0.0.1:{runner.addresses[0][1]}", monkeypatch)
        peak_kb = await _peak_kb("s3://statusgate/large", large, 1)
    finally:
        await runner.cleanup()
    assert peak_kb < 64 * 1024


async def _swallow(request: web.BaseRequest) -> web.StreamResponse:
    """S3 that keeps nothing and has files of 2 GiB of zeros."""
    async for _ in request.content.iter_any():
        pass
    if "uploads" in request.query:
        names = "<Bucket>statusgate</Bucket><Key>k</Key><UploadId>1</UploadId>"
        return web.Response(
            text=f"<InitiateMultipartUploadResult>{names}</InitiateMultipartUploadResult>"
        )
    if request.method == "POST":
        return web.Response(
            text='<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>'
        )
    if request.method == "PUT":
        return web.Response(headers={"ETag": '"1"'})
    start, end = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
    whole = {"Content-Range": f"bytes {start}-{end}/{2 << 30}", "ETag": '"1"'}
    whole["Last-Modified"] = "Sat, 21 Nov 2026 12:00:00 GMT"
    return web.Response(status=206, headers=whole, body=bytes(end + 1 - start))


# -- a server that is away, slow or wrong


async def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    store: MediaStore, door: Door, source: Path
) -> None:
    door.answers += [(503, "<Error><Code>SlowDown</Code></Error>"), (500, "")]
    await store.put(PATH, source)
    door.answers += [(503, "<Error><Code>SlowDown</Code></Error>")]
    assert await read(store) == CONTENT


async def test_a_server_that_stays_away_is_told_and_its_files_come_back(
    store: MediaStore, door: Door, source: Path
) -> None:
    await store.put(PATH, source)
    await door.shut()
    other = f"1/{new_media_key()}.jpg"
    for use_of_it in (
        store.put(other, source),
        read(store),
        store.remove([PATH]),
        anext(store.list()),
    ):
        with pytest.raises(MediaUnavailable) as caught:
            await use_of_it
        assert not caught.value.final
    await door.listen()
    assert await read(store) == CONTENT
    await store.put(other, source)
    assert await read(store, other) == CONTENT


async def test_a_server_without_an_answer_is_given_up(
    store: MediaStore, door: Door, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put(PATH, source)
    door.stall()
    with monkeypatch.context() as patch:
        patch.setattr(media_store, "READ_SECONDS", 0.2)
        with pytest.raises(MediaUnavailable) as caught:
            await read(store)
    assert not caught.value.final
    door.go_on()
    assert await read(store) == CONTENT


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, "<Error><Code>NoSuchBucket</Code></Error>"),
        (404, "<html>Not Found</html>"),
        (403, "<Error><Code>SignatureDoesNotMatch</Code><Key>canary</Key></Error>"),
    ],
)  # fmt: skip
async def test_a_wrong_bucket_or_key_is_not_taken_for_a_missing_file(
    store: MediaStore, door: Door, status: int, body: str
) -> None:
    code = re.search("<Code>(.*)</Code>", body)
    for use_of_it in (read(store), store.remove([PATH])):
        door.answers += [(status, body)]
        with pytest.raises(MediaUnavailable, match=str(status)) as caught:
            await use_of_it
        assert not caught.value.final
        told = str(caught.value)
        assert code is None or code[1] in told
        for secret in (KEY, "canary", "secret"):
            assert secret not in told


async def test_an_upload_that_fails_leaves_no_file(
    store: MediaStore, door: Door, source: Path
) -> None:
    door.answers += [(403, "<Error><Code>AccessDenied</Code></Error>")]
    with pytest.raises(MediaUnavailable):
        await store.put(PATH, source)
    assert [found async for found in store.list()] == []


async def test_an_instance_whose_uploads_are_stuck_does_not_keep_another_waiting(
    store: MediaStore, door: Door, source: Path
) -> None:
    door.stall("/1101000001/")
    stuck = [
        asyncio.create_task(store.put(f"1101000001/{new_media_key()}.jpg", source))
        for _ in range(9)
    ]
    await eventually(lambda: door.asked)
    other = f"1101000002/{new_media_key()}.jpg"
    await store.put(other, source)
    assert await read(store, other) == CONTENT
    await cancel(*stuck)


async def test_an_upload_that_is_cut_short_is_no_file(
    store: MediaStore, door: Door, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(12 * 1024 * 1024)
    putting = asyncio.create_task(store.put(PATH, large))
    await eventually(lambda: any("partNumber" in asked for asked in door.asked))
    door.stall()
    await cancel(putting)
    door.go_on()
    assert [found async for found in store.list()] == []


async def test_a_server_that_ignores_ranges_is_refused(
    store: MediaStore, door: Door, source: Path
) -> None:
    """As rclone's does: the whole file would come instead of a part."""
    await store.put(PATH, source)
    door.ignores_ranges = True
    with pytest.raises(MediaUnavailable):
        await read(store)
