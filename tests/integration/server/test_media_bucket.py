"""A gateway whose media are in a bucket: its files, the doctor, backups."""

import asyncio
import base64
from pathlib import Path

import pytest

from statusgate.domain.ids import new_media_key
from statusgate.media.store import Listed, open_media_store
from statusgate.server.backup import back_up, read_manifest, restore
from statusgate.server.doctor import Finding, examine
from statusgate.server.folders import BackupFailed, StartError
from statusgate.server.wiring import gateway
from statusgate.settings import Settings
from tests.acceptance.processes import run
from tests.integration.api.running import Running, Tenant, running_gateway
from tests.integration.api.test_files import ask, picture
from tests.integration.api.test_journals import CONTACT, HELLO, items_with_files
from tests.integration.api.test_publishing import ended

PUBLIC = "https://status.example.org"


async def listed(place: str) -> list[Listed]:
    return [found async for found in open_media_store(place).list()]


async def linked(running: Running) -> Tenant:
    tenant = await running.create(engineOptions={"profile": "silent"})
    await tenant.state("authorized")
    await tenant.simulate(CONTACT)
    return tenant


async def upload(tenant: Tenant, content: bytes) -> str:
    """Upload a picture; returns the path of its link."""
    reply = await tenant.running.request(
        "POST", tenant.path("uploadFile"), content, {"Content-Type": "image/png"}
    )
    assert reply.code == 200, reply.body
    return str(reply.json()["urlFile"]).removeprefix(PUBLIC)


async def test_files_live_in_the_bucket_from_upload_to_retention(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_gateway(tmp_path, media=bucket, retention_days=30) as running:
        tenant = await linked(running)
        content = picture()
        uploaded = await upload(tenant, content)
        assert (await ask(tenant, uploaded)).body == content
        part = await ask(tenant, uploaded, Range="bytes=10-19")
        assert (part.code, part.body) == (206, content[10:20])
        reply = await tenant.post(
            "sendMediaStatus", {"urlFile": PUBLIC + uploaded, "fileName": "a.png"}
        )
        assert (await ended(tenant, reply.json()["idMessage"]))["statusMessage"] == "sent"
        event = HELLO | {"type": "image", "file": base64.b64encode(content).decode()}
        await tenant.simulate(event)
        (incoming,) = await items_with_files(tenant, "getIncomingStatuses")
        shown = incoming["downloadUrl"].removeprefix(PUBLIC)
        assert (await ask(tenant, shown)).body == content
        names = {found.path.partition("/")[2] for found in await listed(bucket)}
        assert len(names) == 3
        assert {path.rpartition("/")[2] for path in (uploaded, shown)} < names
        assert not (tmp_path / "media").exists()
        running.set_clock(running.built.clock.now_ms() + 31 * 86_400_000, monkeypatch)
        await running.built.retention.once()
        assert await listed(bucket) == []


async def test_a_wrong_place_ends_the_start_with_one_line(tmp_path: Path) -> None:
    settings = Settings(database="sqlite:///:memory:", data=str(tmp_path), media="s3://x y")
    with pytest.raises(StartError, match="media: a folder or s3://bucket/prefix is expected"):
        async with gateway(settings, PUBLIC):
            pass


# -- the doctor


def media_finding(settings: Settings) -> Finding:
    return next(finding for finding in examine(settings) if finding.check == "media")


@pytest.fixture
def settings(tmp_path: Path, bucket: str) -> Settings:
    return Settings(database=f"sqlite:///{tmp_path}/data/s.db", media=bucket, port=0)


async def test_the_doctor_uses_the_bucket_as_the_gateway_does(
    settings: Settings, s3_server: str, bucket: str
) -> None:
    finding = await asyncio.to_thread(media_finding, settings)
    assert finding.state == "ok"
    assert finding.text.startswith(f"{bucket} on {s3_server}: a file was written")
    assert await listed(bucket) == []


@pytest.mark.parametrize(
    ("variables", "place", "told"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, None, "http://127.0.0.1:1"),
        ({}, "s3://no-such-bucket/x", "NoSuchBucket"),
        ({}, "s3://?", "s3://bucket/prefix is expected"),
    ],
)
def test_the_doctor_says_what_is_wrong_with_a_bucket(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    place: str | None,
    told: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    finding = media_finding(Settings(database=settings.database, media=place or settings.media))
    assert finding.state == "fault"
    assert told in finding.text
    assert "AWS_SECRET_ACCESS_KEY" in finding.advice


# -- backups


def nothing(_done: int, _total: int) -> None: ...


async def filled(settings: Settings, tmp_path: Path) -> None:
    """Make a gateway's folders, with a file in its media store."""
    async with gateway(settings, PUBLIC) as built:
        source = tmp_path / "source"
        source.write_bytes(b"picture")
        await built.services.media.put(f"1/{new_media_key()}.jpg", source)


async def test_media_in_a_bucket_are_not_copied_and_the_manifest_says_so(
    settings: Settings, tmp_path: Path, bucket: str
) -> None:
    await filled(settings, tmp_path)
    backup = tmp_path / "backup"
    made = back_up(settings, backup, None, nothing)
    assert (made.media, [entry.path for entry in made.files]) == ("bucket", ["journal.db"])
    assert read_manifest(backup) == made
    again = Settings(database=f"sqlite:///{tmp_path}/again/s.db", media=bucket)
    restore(backup, again, None, nothing)
    async with gateway(again, PUBLIC):
        assert len(await listed(bucket)) == 1


@pytest.mark.parametrize("is_of_bucket", [True, False])
async def test_a_backup_is_not_restored_to_another_kind_of_place(
    settings: Settings, tmp_path: Path, is_of_bucket: bool
) -> None:
    in_folder = Settings(database=f"sqlite:///{tmp_path}/other/s.db", port=0)
    source, target = (settings, in_folder) if is_of_bucket else (in_folder, settings)
    await filled(source, tmp_path)
    back_up(source, tmp_path / "backup", None, nothing)
    with pytest.raises(BackupFailed, match="the setting 'media' names another kind of place"):
        restore(tmp_path / "backup", target, None, nothing)


async def test_the_command_says_that_the_media_are_not_in_the_backup(
    settings: Settings, tmp_path: Path
) -> None:
    await filled(settings, tmp_path)
    done = run(
        *("backup", str(tmp_path / "backup"), "--database", settings.database),
        *("--media", settings.media),
    )
    assert done.returncode == 0, done.stderr
    assert "the media are in the bucket and not in this backup" in done.stderr
