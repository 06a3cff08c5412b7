"""Files that want to hurt whoever converts them: bounded, told apart, and never believed."""

import asyncio
import io
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statusgate.domain.conversion import (
    BAD_MEDIA,
    ConversionFailed,
    Converted,
    ImageWanted,
    VideoWanted,
    VoiceWanted,
    Wanted,
)
from statusgate.domain.errors import MediaUnavailable
from statusgate.domain.ids import InstanceId
from statusgate.domain.status import FailureReason
from statusgate.media.converter import Converter
from statusgate.media.process import CONVERSIONS, MediaChild
from tests.unit.media import corpus, hostile
from tests.unit.media.conftest import Convert
from tests.unit.media.test_media_types import HEADS
from tests.waiting import eventually

ALL: list[Wanted] = [ImageWanted(), VideoWanted(60), VoiceWanted(600)]
NOBODY = InstanceId(1)
PICTURE = hostile.SAMPLES / "image.jpg"
RESIDENT_MEGABYTES = 512
"""the limit of the address space, and what the libraries take"""


def is_bad_media(outcome: Converted | ConversionFailed) -> bool:
    return (
        isinstance(outcome, ConversionFailed)
        and outcome.reason is FailureReason.BAD_MEDIA
        and outcome.description == BAD_MEDIA
        and outcome.detail != ""
    )


def peak_megabytes(child: MediaChild) -> float:
    try:
        lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    except OSError:
        return 0
    found = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
    return found[0] if found else 0


FOREIGN = {
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "html": b"<!doctype html><script>alert(1)</script>",
    "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n",
    "empty": b"",
    "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "heic": b"\0\0\0\x18ftypheic" + bytes(100),
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_what_is_no_media_is_told_at_once(
    convert: Convert, tmp_path: Path, name: str
) -> None:
    for disguise in ("x.jpg", "x.mp4", "x.ogg"):
        (tmp_path / disguise).write_bytes(FOREIGN[name])
        for wanted in ALL:
            assert is_bad_media(await convert(tmp_path / disguise, wanted))
    assert len(list(tmp_path.iterdir())) == 3


async def test_the_wrong_kind_of_media_is_bad_media(
    convert: Convert, fine_film: Path, fine_voice: Path
) -> None:
    files: list[tuple[Path, Wanted]] = [
        (PICTURE, VideoWanted(60)),
        (PICTURE, VoiceWanted(60)),
        (fine_film, ImageWanted()),
        (fine_voice, VideoWanted(60)),
        (fine_voice, ImageWanted()),
        (hostile.SAMPLES / "video.mp4", VoiceWanted(60)),
    ]
    for source, wanted in files:
        assert is_bad_media(await convert(source, wanted)), (source, wanted)


async def test_bombs_and_broken_files_are_bounded(tmp_path: Path) -> None:
    quick, films = (MediaChild(CONVERSIONS) for _ in range(2))
    converter = Converter([quick], [films])
    source, target = tmp_path / "source", tmp_path / "target"
    for name, content in hostile.bombs().items():
        if re.search(r"(5|95)\.|noise-[1-9]|rgb-", name):
            continue  # more of the same; each costs a process
        source.write_bytes(content)
        wanted = ALL[not name.endswith(("png", "jpg", "gif", "webp"))]
        began = time.monotonic()
        outcome = await converter.convert(NOBODY, source, wanted, target)
        assert time.monotonic() - began < 60, name
        assert peak_megabytes(quick) <= RESIDENT_MEGABYTES, name
        if name.startswith("cut-"):
            assert is_bad_media(outcome), name
        if target.exists():
            assert isinstance(outcome, Converted)
            assert target.stat().st_size < 2**20, name
            target.unlink()
    fine = hostile.SAMPLES / "video.mp4"
    assert isinstance(await converter.convert(NOBODY, fine, VideoWanted(1), target), Converted)
    await converter.close()


async def test_truncated_files_are_bad_media(
    convert: Convert, tmp_path: Path, fine_film: Path
) -> None:
    wav = corpus.write_sound(tmp_path / "x.wav", "pcm_s16le")
    png = tmp_path / "x.png"
    corpus.landscape(300, 200).save(png)
    for path, wanted in [(fine_film, ALL[1]), (wav, ALL[2]), (png, ALL[0])]:
        content = path.read_bytes()
        for share in (0.3, 0.7, 0.95):
            (tmp_path / "cut").write_bytes(content[: int(len(content) * share)])
            assert is_bad_media(await convert(tmp_path / "cut", wanted)), (path.name, share)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("secret.txt", "carried along")
    return buffer.getvalue()


async def test_foreign_data_does_not_travel_along(
    convert: Convert, tmp_path: Path, fine_film: Path, fine_voice: Path
) -> None:
    jpeg, film, voice = hostile.jpeg(), fine_film.read_bytes(), fine_voice.read_bytes()
    html = b"<html><script>alert(1)</script></html>"
    comment = b"\xff\xfe" + struct.pack(">H", len(html) + 2) + html
    box = struct.pack(">I", len(html) + 8)
    files = [
        (jpeg + zipped(), ALL[0]),
        (jpeg + html, ALL[0]),
        (jpeg[:2] + comment + jpeg[2:], ALL[0]),
        (hostile.png(20, 20) + zipped(), ALL[0]),
        (film + zipped(), ALL[1]),
        (film + box + b"free" + html, ALL[1]),
        (film + box + b"uuid" + html, ALL[1]),
        (film + struct.pack(">I", 108) + b"mdat" + bytes(100), ALL[1]),
        (voice + zipped(), ALL[2]),
        (voice + html, ALL[2]),
    ]
    for number, (content, wanted) in enumerate(files):
        (tmp_path / "x").write_bytes(content)
        made = await convert(tmp_path / "x", wanted)
        assert isinstance(made, Converted), (number, made)
        found = made.path.read_bytes()
        assert b"carried along" not in found, number
        assert b"script" not in found + made.thumbnail, number


async def test_endless_lengths_in_headers_cost_nothing(
    convert: Convert, tmp_path: Path, fine_film: Path
) -> None:
    content = bytearray(fine_film.read_bytes())
    for kind, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        at = content.index(kind) + offset
        content[at : at + 4] = b"\x7f\xff\xff\xff"
    (tmp_path / "x.mp4").write_bytes(content)
    made = await convert(tmp_path / "x.mp4", VideoWanted(60))
    assert isinstance(made, Converted)
    assert made.seconds == 2
    assert b"\x7f\xff\xff\xff" not in made.path.read_bytes()


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    head=st.sampled_from([head for head, *_ in HEADS]),
    junk=st.binary(max_size=2000),
    wanted=st.sampled_from(ALL),
)
def test_any_junk_is_a_failure_only(
    tmp_path: Path, head: bytes, junk: bytes, wanted: Wanted
) -> None:
    async def check() -> None:
        converter = Converter()
        (tmp_path / "junk").write_bytes(head + junk)
        outcome = await converter.convert(
            NOBODY, tmp_path / "junk", wanted, tmp_path / "target"
        )
        assert is_bad_media(outcome)
        assert not (tmp_path / "target").exists()
        await converter.close()

    asyncio.run(check())


# -- the process


@pytest.fixture
async def child() -> AsyncIterator[MediaChild]:
    child = MediaChild(CONVERSIONS)
    yield child
    await child.close()


async def test_the_child_can_open_nothing_and_write_one_file(
    child: MediaChild, tmp_path: Path
) -> None:
    converter = Converter([child], [child])
    await converter.convert(NOBODY, PICTURE, ImageWanted(), tmp_path / "x")
    process = Path(f"/proc/{child.pid}")
    limits = {
        line[:26].strip(): line[26:].split()[0]
        for line in (process / "limits").read_text().splitlines()[1:]
    }
    open_files = [int(path.name) for path in (process / "fd").iterdir()]
    free = set(range(int(limits["Max open files"]))) - set(open_files)
    assert len(free) == 2, "for source and target"
    assert limits["Max file size"] == str(100 * 2**20)
    assert limits["Max core file size"] == "0"
    assert int(limits["Max address space"]) < 2**30
    assert int(limits["Max cpu time"]) <= 25
    await converter.close()


async def test_targets_are_private_and_never_replaced(
    convert: Convert, converter: Converter, tmp_path: Path
) -> None:
    (tmp_path / "x.png").write_bytes(hostile.png(20, 20))
    made = await convert(tmp_path / "x.png", ImageWanted())
    assert isinstance(made, Converted)
    assert made.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(MediaUnavailable):
        await converter.convert(NOBODY, tmp_path / "x.png", ImageWanted(), made.path)
    assert made.path.stat().st_size > 0


async def test_files_that_cannot_be_opened_are_not_the_files_fault(
    converter: Converter, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(PICTURE)
    for source in (tmp_path / "nothing", tmp_path / "link"):
        with pytest.raises(MediaUnavailable) as raised:
            await converter.convert(NOBODY, source, ImageWanted(), tmp_path / "target")
        assert not raised.value.final
    with pytest.raises(MediaUnavailable):
        await converter.convert(NOBODY, PICTURE, ImageWanted(), tmp_path / "no folder" / "x")


async def test_without_a_child_nothing_is_said_of_the_file(tmp_path: Path) -> None:
    for command in (("/nowhere/python",), (sys.executable, "-c", "")):
        child = MediaChild(command)
        converter = Converter([child], [child])
        with pytest.raises(MediaUnavailable) as raised:
            await converter.convert(NOBODY, PICTURE, ImageWanted(), tmp_path / "x")
        assert not raised.value.final
        assert list(tmp_path.iterdir()) == []
        await converter.close()


async def test_a_child_that_dies_of_a_file_is_replaced(
    child: MediaChild, tmp_path: Path
) -> None:
    converter = Converter([child], [child])
    source = corpus.write_film(tmp_path / "x.mkv", size=(1280, 720), seconds=2)
    asking = asyncio.create_task(
        converter.convert(NOBODY, source, VideoWanted(60), tmp_path / "target")
    )
    target = tmp_path / "target"
    await eventually(lambda: child.pid and target.exists() and target.stat().st_size)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    assert is_bad_media(await asking)
    assert not (tmp_path / "target").exists()
    assert isinstance(
        await converter.convert(NOBODY, source, VideoWanted(60), tmp_path / "target"),
        Converted,
    )
    await converter.close()


async def test_a_child_that_hangs_is_killed_and_replaced(
    child: MediaChild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statusgate.media.limits._PATIENCE_SECONDS", 1.0)
    converter = Converter([child], [child])
    assert isinstance(
        await converter.convert(NOBODY, PICTURE, ImageWanted(), tmp_path / "x"), Converted
    )
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)
    began = time.monotonic()
    assert is_bad_media(await converter.convert(NOBODY, PICTURE, ImageWanted(), tmp_path / "y"))
    assert time.monotonic() - began > 0.9
    assert isinstance(
        await converter.convert(NOBODY, PICTURE, ImageWanted(), tmp_path / "z"), Converted
    )
    await converter.close()


async def test_a_caller_who_gives_up_leaves_nothing_behind(
    child: MediaChild, tmp_path: Path
) -> None:
    converter = Converter([child], [child])
    source = corpus.write_film(tmp_path / "x.mkv", size=(1280, 720), seconds=2)
    asking = asyncio.create_task(converter.convert(NOBODY, source, ALL[1], tmp_path / "target"))
    await eventually((tmp_path / "target").exists)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not (tmp_path / "target").exists()
    assert child.pid is None
    assert isinstance(
        await converter.convert(NOBODY, source, ALL[1], tmp_path / "target"), Converted
    )
    await converter.close()


async def test_a_picture_does_not_wait_for_a_film(converter: Converter, tmp_path: Path) -> None:
    source = corpus.write_film(tmp_path / "x.mkv", size=(1280, 720), seconds=3)
    film = asyncio.create_task(converter.convert(NOBODY, source, ALL[1], tmp_path / "film"))
    await asyncio.sleep(0)
    await converter.convert(NOBODY, PICTURE, ImageWanted(), tmp_path / "x")
    assert not film.done()
    assert isinstance(await film, Converted)


def test_the_parent_never_loads_the_decoders() -> None:
    check = (
        "import sys, statusgate.media.converter, statusgate.domain.conversion;"
        "sys.exit(any(name in sys.modules for name in ('PIL', 'av')))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
