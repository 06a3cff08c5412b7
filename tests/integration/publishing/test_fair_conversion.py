"""Films of one instance never keep the files of another waiting."""

import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.integration.api.running import Running, Tenant, running_gateway
from tests.unit.media import corpus
from tests.unit.media.hostile import SAMPLES
from tests.waiting import eventually


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """It has to be encoded, which takes a while."""
    path = tmp_path_factory.mktemp("film") / "x.mkv"
    options = {"preset": "ultrafast"}
    corpus.write_film(path, size=(1920, 1080), seconds=4, rate=30, film_options=options)
    return path.read_bytes()


async def post(tenant: Tenant, content: bytes, name: str) -> str:
    uploaded = await tenant.running.request("POST", tenant.path("uploadFile"), content, {})
    body = {"urlFile": uploaded.json()["urlFile"], "fileName": name}
    reply = await tenant.post("sendMediaStatus", body)
    assert reply.code == 200, reply.body
    return str(reply.json()["idMessage"])


async def is_sent(tenant: Tenant, status_id: str) -> bool:
    reply = await tenant.get("getStatus", f"idMessage={status_id}")
    return bool(reply.json()["statusMessage"] == "sent")


def converting() -> set[int]:
    """The processes of ours that have a film in work: those of the least priority."""
    return {
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and _is_converting(process)
    }


def _is_converting(process: Path) -> bool:
    try:
        command = (process / "cmdline").read_bytes()
        after_name = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return (
        b"statusgate.media.child\0conversions" in command
        and int(after_name[1]) == os.getpid()
        and int(after_name[16]) == 19
    )


async def test_behind_four_films_of_one_instance_anothers_files_are_next(
    running: Running, film: bytes
) -> None:
    busy, other = await running.create(), await running.create()
    films = [await post(busy, film, "x.mkv") for _ in range(4)]
    await eventually(converting)
    picture = await post(other, (SAMPLES / "image.jpg").read_bytes(), "x.jpg")
    short = await post(other, (SAMPLES / "video.mp4").read_bytes(), "x.mp4")
    for status_id in (picture, short):
        await eventually(partial(is_sent, other, status_id))
    assert sum([await is_sent(busy, one) for one in films]) <= 2


async def test_a_deleted_status_ends_its_conversion(running: Running, film: bytes) -> None:
    tenant = await running.create()
    status_id = await post(tenant, film, "x.mkv")
    (process,) = await eventually(converting)
    os.kill(process, signal.SIGSTOP)  # or it would be through soon
    assert (await tenant.post("deleteStatus", {"idMessage": status_id})).code == 200
    await eventually(lambda: not Path(f"/proc/{process}").exists())
