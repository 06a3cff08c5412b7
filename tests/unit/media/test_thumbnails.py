"""Previews, made by a child process that foreign files may hurt as they like."""

import asyncio
import io
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest
from av.video.stream import VideoStream
from PIL import Image

from statusgate.media.frames import Failed, MakeThumbnail
from statusgate.media.process import THUMBNAILS, MediaChild
from statusgate.media.thumbnails import Thumbnailer
from tests.unit.media import hostile
from tests.waiting import eventually

SAMPLES = hostile.SAMPLES
SPEAKS_NONSENSE = "import os, sys; os.write(1, b'\\xff' * 50); sys.stdin.read()"
SAYS_NOTHING = "import sys; sys.stdin.read()"
SAYS_READY = (
    "import sys; from statusgate.media.frames import *;"
    "sys.stdout.buffer.write(pack(Ready())); sys.stdout.flush();"
)


@pytest.fixture
async def child() -> AsyncIterator[MediaChild]:
    child = MediaChild(THUMBNAILS)
    yield child
    await child.close()


@pytest.fixture
def thumbnailer(child: MediaChild) -> Thumbnailer:
    return Thumbnailer(child)


def saved(path: Path, image: Image.Image, exif: Image.Exif | None = None) -> Path:
    image.save(path, exif=exif or Image.Exif())
    return path


def opened(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg), formats=["JPEG"])


def pid_of(child: MediaChild) -> int:
    assert child.pid is not None
    return child.pid


async def test_images_and_films_get_a_small_jpeg(thumbnailer: Thumbnailer) -> None:
    image = opened(await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg"))
    film = opened(await thumbnailer.thumbnail(SAMPLES / "video.mp4", "video/mp4"))
    assert image.size == (40, 72)
    assert film.size == (40, 72)


async def test_sound_gets_none_and_costs_no_process(
    child: MediaChild, thumbnailer: Thumbnailer
) -> None:
    assert await thumbnailer.thumbnail(SAMPLES / "audio.ogg", "audio/ogg") == b""
    assert child.pid is None
    assert await thumbnailer.thumbnail(SAMPLES / "audio.ogg", "video/mp4") == b""


PICTURES = {
    "png": ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"],
    "jpg": ["RGB", "L", "1", "CMYK"],
    "webp": ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"],
    "gif": ["RGB", "RGBA", "L", "LA", "P", "1"],
}


@pytest.mark.parametrize("extension", PICTURES)
async def test_every_kind_of_picture(
    thumbnailer: Thumbnailer, tmp_path: Path, extension: str
) -> None:
    image = Image.new("L", (300, 150), 90)
    for mode in PICTURES[extension]:
        path = saved(tmp_path / f"x.{extension}", image.convert(mode))
        made = await thumbnailer.thumbnail(path, "image/x")
        assert opened(made).size == (72, 36), mode


async def test_transparency_becomes_white(thumbnailer: Thumbnailer, tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", Image.new("RGBA", (50, 50), (255, 0, 0, 0)))
    colour = opened(await thumbnailer.thumbnail(path, "image/png")).getpixel((25, 25))
    assert isinstance(colour, tuple)
    assert min(colour) > 250


async def test_pictures_are_turned_upright_and_lose_their_metadata(
    thumbnailer: Thumbnailer, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "where I live"
    path = saved(tmp_path / "x.jpg", Image.new("RGB", (400, 200)), exif=exif)
    made = await thumbnailer.thumbnail(path, "image/jpeg")
    assert opened(made).size == (36, 72)
    assert b"where I live" not in made


async def test_small_pictures_stay_small(thumbnailer: Thumbnailer, tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", Image.new("RGB", (3, 1000)))
    assert opened(await thumbnailer.thumbnail(path, "image/png")).size == (1, 72)
    path = saved(tmp_path / "y.png", Image.new("RGB", (5, 4)))
    assert opened(await thumbnailer.thumbnail(path, "image/png")).size == (5, 4)


def write_film(path: Path, codec: str) -> None:
    """Half a second of blue."""
    picture = Image.new("RGB", (176, 144), "blue")
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


async def test_every_kind_of_film(thumbnailer: Thumbnailer, tmp_path: Path) -> None:
    for extension in ("mp4", "mov", "3gp", "mkv", "avi", "webm"):
        path = tmp_path / f"x.{extension}"
        write_film(path, "libvpx" if extension == "webm" else "mpeg4")
        assert opened(await thumbnailer.thumbnail(path, "video/x")).size == (72, 59), extension


async def test_films_are_turned_upright(thumbnailer: Thumbnailer, tmp_path: Path) -> None:
    content = bytearray((SAMPLES / "video.mp4").read_bytes())
    matrix_at = content.index(b"tkhd") + 44
    a_quarter_clockwise = struct.pack(
        ">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 180 << 16, 0, 1 << 30
    )
    content[matrix_at : matrix_at + 36] = a_quarter_clockwise
    (tmp_path / "x.mp4").write_bytes(content)
    film = opened(await thumbnailer.thumbnail(tmp_path / "x.mp4", "video/mp4")).convert("L")
    assert film.size == (72, 40)
    middle_row = film.tobytes()[20 * 72 : 21 * 72]
    hills, sky = middle_row[3], middle_row[68]
    assert hills < 100 < sky


async def test_bombs_and_broken_files_are_bounded(
    child: MediaChild, thumbnailer: Thumbnailer, tmp_path: Path
) -> None:
    bombs = hostile.bombs()
    assert len(bombs) >= 50
    await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")
    for name, content in bombs.items():
        path = tmp_path / name
        path.write_bytes(content)
        began = time.monotonic()
        made = await thumbnailer.thumbnail(path, "video/mp4")
        assert time.monotonic() - began < 30, name
        if made:
            assert len(made) < 10_000
            opened(made).load()
        if child.pid is not None:
            assert peak_megabytes(child.pid) <= 256, name
        path.unlink()
    assert await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")


def peak_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


async def test_bombs_at_once_take_their_turns(
    child: MediaChild, thumbnailer: Thumbnailer, tmp_path: Path
) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(hostile.png(30_000, 30_000, data=b""))
    looks = [thumbnailer.thumbnail(bomb, "image/png") for _ in range(50)]
    looks.append(thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg"))
    *made, good = await asyncio.gather(*looks)
    assert made == [b""] * 50
    assert good
    assert child.pid is not None


# -- the process


async def test_one_process_serves_many(child: MediaChild, thumbnailer: Thumbnailer) -> None:
    pids = set()
    for _ in range(5):
        await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")
        pids.add(pid_of(child))
    assert len(pids) == 1


async def test_a_dead_child_is_replaced_without_anybody_noticing(
    child: MediaChild, thumbnailer: Thumbnailer
) -> None:
    for wait_seconds in (0.0, 0.1):
        assert await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")
        os.kill(pid_of(child), signal.SIGKILL)
        await asyncio.sleep(wait_seconds)
    assert await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")


async def test_a_child_that_hangs_is_killed_in_time(
    child: MediaChild, thumbnailer: Thumbnailer
) -> None:
    await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")
    pid = pid_of(child)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    async with asyncio.timeout(30):
        assert await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg") == b""
    assert time.monotonic() - began > 1.9
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")


async def test_a_caller_who_gives_up_does_not_confuse_the_next(
    thumbnailer: Thumbnailer, tmp_path: Path
) -> None:
    square = saved(tmp_path / "x.png", Image.new("RGB", (3000, 3000)))
    await thumbnailer.thumbnail(square, "image/png")
    for _ in range(3):
        asking = asyncio.create_task(thumbnailer.thumbnail(square, "image/png"))
        await asyncio.sleep(0.02)
        asking.cancel()
        tall = await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")
        assert opened(tall).size == (40, 72)


@pytest.mark.parametrize(
    "program",
    [
        "",
        "import os; os.abort()",
        SPEAKS_NONSENSE,
        SAYS_NOTHING,
        SAYS_READY,
        SAYS_READY + "sys.stdin.buffer.read(4); sys.stdout.buffer.write(b'\\0\\0\\0\\1\\0')",
        SAYS_READY + "sys.stdin.buffer.read(4); sys.stdout.buffer.write(pack(Ready())[:-1])",
    ],
)
async def test_a_child_beside_itself_is_a_failure_only(program: str) -> None:
    child = MediaChild((sys.executable, "-c", program), start_seconds=1.0)
    for _ in range(2):
        reply = await child.ask(MakeThumbnail())
        assert isinstance(reply, Failed)
    await child.close()


async def test_a_child_that_cannot_be_started_is_a_failure_only() -> None:
    child = MediaChild(("/nowhere/python",))
    assert isinstance(await child.ask(MakeThumbnail()), Failed)
    await child.close()


async def test_an_idle_child_ends_and_comes_back() -> None:
    child = MediaChild(THUMBNAILS, idle_seconds=0.2)
    thumbnailer = Thumbnailer(child)
    assert await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")
    pid = pid_of(child)
    await eventually(lambda: child.pid is None)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")
    await thumbnailer.close()


async def test_closing_may_be_repeated(thumbnailer: Thumbnailer) -> None:
    await thumbnailer.close()
    await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")
    await thumbnailer.close()
    await thumbnailer.close()


async def test_the_child_has_limits_and_no_secrets(
    child: MediaChild, thumbnailer: Thumbnailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATUSGATE_ADMIN_TOKEN", "canary")
    await thumbnailer.thumbnail(SAMPLES / "image.jpg", "image/jpeg")
    process = Path(f"/proc/{pid_of(child)}")
    assert b"canary" not in (process / "environ").read_bytes()
    limits = {
        line[:26].strip(): line[26:].split()[0]
        for line in (process / "limits").read_text().splitlines()[1:]
    }
    assert limits["Max core file size"] == "0"
    assert limits["Max file size"] == "0"
    assert int(limits["Max open files"]) <= 32
    assert int(limits["Max cpu time"]) <= 10
    assert int(limits["Max address space"]) < 1024**3


def test_the_parent_never_loads_the_decoders() -> None:
    check = (
        "import sys, statusgate.media.thumbnails, statusgate.media.store;"
        "sys.exit(any(name in sys.modules for name in ('PIL', 'av')))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
