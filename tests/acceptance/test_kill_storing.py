"""kill -9 between a file's record and the fact that keeps it: nothing lost, nothing left."""

import asyncio
import http.client
import os
from pathlib import Path

import pytest

from statusgate.domain.ids import InstanceId
from statusgate.media.store import open_media_store
from statusgate.server.wiring import gateway
from statusgate.settings import Settings
from tests.acceptance.processes import ServerProcess
from tests.acceptance.test_kill_publishing import ANNA, SAMPLE, Victim
from tests.buckets import bucket, s3_server
from tests.waiting import until

__all__ = ["bucket", "s3_server"]

HOUR_MS = 3_600_000
ADDRESS = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(params=["folder", "bucket"])
def media(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "media")
    return str(request.getfixturevalue("bucket"))


@pytest.mark.timeout(300)
def test_a_file_survives_with_its_fact_or_expires(
    tmp_path: Path, media: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = tmp_path / "crash"
    server = ServerProcess(
        tmp_path,
        module="tests.acceptance.crashing",
        CRASH_FILE=str(crash),
        STATUSGATE_MEDIA=media,
        STATUSGATE_PUBLIC_URL="https://status.example.org",
        **{name: os.environ[name] for name in ADDRESS if name in os.environ},
    )
    with server:
        victim = Victim(server, crash)
        victim.account = server.create_instance()
        victim.client.simulate(
            {"event": "contact", "id": ANNA, "name": "A", "contactName": "A"}
        )
        victim.client.post("setSettings", {"delaySendMessagesMilliseconds": 500})
        for moment in ("before store", "after store"):
            assert victim.post_and_die(moment) is not None
            victim.client.server = server
            assert victim.settled(moment)["statusMessage"] == "sent"
        crash.write_text("after store")
        with pytest.raises((OSError, http.client.HTTPException)):
            victim.client.post("uploadFile", SAMPLE.read_bytes())
        until(lambda: not crash.exists())
        server.wait()
    settings = Settings(
        database=f"sqlite:///{tmp_path}/statusgate.db", data=str(tmp_path), media=media
    )
    owner = InstanceId(victim.client.id)
    stored, known = asyncio.run(_later(settings, owner, monkeypatch))
    assert stored == known
    assert len(stored) == 4  # two uploads and the pictures of two statuses


async def _later(
    settings: Settings, owner: InstanceId, patch: pytest.MonkeyPatch
) -> tuple[set[str], set[str]]:
    """What is in the store, and which of it is on record, once an hour has passed."""
    store = open_media_store(settings.media_store)
    async with gateway(settings, "https://status.example.org") as built:
        at_ms = built.clock.now_ms() + HOUR_MS
        before = {found.path async for found in store.list()}
        assert len(before) > 4
        patch.setattr(built.clock, "now_ms", lambda: at_ms)
        await built.retention.once()
        stored = {found.path async for found in store.list()}
        keys = [path.partition("/")[2].partition(".")[0] for path in before]
        alive = await built.journal.read(
            lambda tx: [tx.file(owner, key, at_ms) for key in keys]
        )
    return stored, {f"{owner}/{file.name}" for file in alive if file is not None}
