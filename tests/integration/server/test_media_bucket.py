"""A gateway whose media are in a bucket: its files, the doctor, backups."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from statusgate.accounts import files
from statusgate.domain.ids import InstanceId, new_media_key
from statusgate.media.store import Listed, open_media_store
from statusgate.server.backup import back_up, read_manifest, restore
from statusgate.server.doctor import Finding, examine
from statusgate.server.folders import BackupFailed, StartError
from statusgate.server.wiring import gateway
from statusgate.settings import Settings
from tests.acceptance.processes import run
from tests.buckets import Door, door_before
from tests.contract.test_media_bucket import fetch
from tests.integration.api.running import Running, Tenant, running_gateway
from tests.integration.api.test_files import ask, picture
from tests.integration.api.test_journals import CONTACT, HELLO, items_with_files
from tests.integration.api.test_publishing import ended, report_of
from tests.integration.upkeep.test_sweeps import sweeps
from tests.waiting import eventually

PUBLIC = "https://status.example.org"
PICTURE = picture()


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
        content = PICTURE
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


async def test_a_day_later_objects_without_a_record_are_swept(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a restored journal leaves them."""
    async with running_gateway(tmp_path, media=bucket) as running:
        tenant = await linked(running)
        built = running.built
        await upload(tenant, PICTURE)
        (kept,) = await listed(bucket)
        source = tmp_path / "source"
        source.write_bytes(PICTURE)
        await built.services.media.put(f"{tenant.id}/{new_media_key()}.png", source)
        assert await sweeps(built).once() == 0
        running.set_clock(built.clock.now_ms() + 25 * 3_600_000, monkeypatch)
        assert await sweeps(built).once() == 1
        assert await listed(bucket) == [kept]


async def test_a_wrong_place_ends_the_start_with_one_line(tmp_path: Path) -> None:
    settings = Settings(database="sqlite:///:memory:", data=str(tmp_path), media="s3://x y")
    with pytest.raises(StartError, match="media: a folder or s3://bucket/prefix is expected"):
        async with gateway(settings, PUBLIC):
            pass


async def test_with_signed_links_clients_fetch_files_from_the_store_itself(
    tmp_path: Path, bucket: str, s3_server: str
) -> None:
    async with running_gateway(tmp_path, media=bucket, media_links="signed") as running:
        tenant = await linked(running)
        path = await upload(tenant, PICTURE)
        reply = await ask(tenant, path, Range="bytes=0-9")
        assert (reply.code, reply.body) == (307, b"")
        assert reply.headers["cache-control"] == "no-store"
        link = reply.headers["location"]
        assert link.startswith(f"{s3_server}/{bucket.removeprefix('s3://')}/{tenant.id}/")
        body, headers = await fetch(link)
        assert (body, headers["content-type"]) == (PICTURE, "image/png")
        here = await ask(tenant, f"{path}?from=gateway")
        assert (here.code, here.body) == (200, PICTURE)
        head = await ask(tenant, path, "HEAD")
        assert (head.code, head.headers["content-length"]) == (200, str(len(PICTURE)))
        assert (await ask(tenant, path, **{"Sec-Fetch-Dest": "script"})).code == 403
        assert (await ask(tenant, path.replace(".png", ".jpg"))).code == 404


async def test_links_to_the_store_need_a_bucket(tmp_path: Path) -> None:
    settings = Settings(database="sqlite:///:memory:", data=str(tmp_path), media_links="signed")
    with pytest.raises(StartError, match="media_links: only files in a bucket"):
        async with gateway(settings, PUBLIC):
            pass


# -- while the store is away


@pytest.fixture
async def away(
    s3_server: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Tenant, Door]]:
    """A tenant whose files are in a bucket, and the door before that."""
    async with (
        door_before(s3_server, monkeypatch) as door,
        running_gateway(tmp_path, media=bucket) as running,
    ):
        yield await linked(running), door


async def usage(tenant: Tenant) -> tuple[int, int]:
    """Uploads on record, and their bytes."""
    built, owner = tenant.running.built, InstanceId(tenant.id)
    return await built.journal.read(lambda tx: tx.upload_usage(owner, built.clock.now_ms()))


async def test_an_upload_is_refused_without_a_trace(
    away: tuple[Tenant, Door], bucket: str
) -> None:
    tenant, door = away
    await door.shut()
    reply = await tenant.running.request("POST", tenant.path("uploadFile"), PICTURE)
    assert (reply.code, reply.message) == (503, "Service Unavailable")
    assert int(reply.headers["retry-after"]) >= 1
    assert await usage(tenant) == (0, 0)
    await door.listen()
    assert await listed(bucket) == []
    await upload(tenant, PICTURE)
    assert await usage(tenant) == (1, len(PICTURE))


async def test_an_upload_is_not_kept_waiting_for_ever(
    away: tuple[Tenant, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, door = away
    monkeypatch.setattr(files, "UPLOAD_SECONDS", 0.3)
    door.stall()
    reply = await tenant.running.request("POST", tenant.path("uploadFile"), PICTURE)
    assert reply.code == 503
    assert await usage(tenant) == (0, 0)


async def test_a_stored_file_is_away_for_the_time_and_not_gone(
    away: tuple[Tenant, Door], bucket: str
) -> None:
    tenant, door = away
    path = await upload(tenant, PICTURE)
    await door.shut()
    reply = await ask(tenant, path)
    assert (reply.code, reply.message) == (503, "Service Unavailable")
    assert int(reply.headers["retry-after"]) >= 1
    assert (await ask(tenant, path, "HEAD")).code == 200
    await door.listen()
    assert (await ask(tenant, path)).body == PICTURE
    (found,) = await listed(bucket)
    await tenant.running.built.services.media.remove([found.path])
    assert (await ask(tenant, path)).code == 404


async def test_a_post_waits_for_the_store_and_its_file_is_fetched_once(
    away: tuple[Tenant, Door],
) -> None:
    tenant, door = away
    url = PUBLIC + await upload(tenant, PICTURE)
    door.asked.clear()
    door.busy = {"PUT"}
    reply = await tenant.post("sendMediaStatus", {"urlFile": url, "fileName": "a.png"})
    assert reply.code == 200
    status_id = reply.json()["idMessage"]
    await eventually(lambda: len(puts(door)) > 4)  # the second time, with the client's retries
    assert (await report_of(tenant, status_id))["statusMessage"] == "pending"
    assert (await tenant.get("getMessagesCount")).json() == {"count": 1}
    door.busy.clear()
    assert (await ended(tenant, status_id))["statusMessage"] == "sent"
    reads = [asked for asked in door.asked if asked.startswith("GET")]
    assert len(reads) == 2  # the upload, and what was made of it


def puts(door: Door) -> list[str]:
    return [asked for asked in door.asked if asked.startswith("PUT")]


async def test_a_prepared_post_waits_for_its_file_and_goes_out_once(
    away: tuple[Tenant, Door],
) -> None:
    tenant, door = away
    url = PUBLIC + await upload(tenant, PICTURE)
    await tenant.simulate({"event": "state", "state": "notAuthorized"})
    reply = await tenant.post("sendMediaStatus", {"urlFile": url, "fileName": "a.png"})
    status_id = reply.json()["idMessage"]

    async def is_prepared() -> bool:
        (item,) = (await tenant.get("getOutgoingStatuses")).json()
        return bool(item["downloadUrl"])

    await eventually(is_prepared)
    door.busy = {"GET"}
    door.asked.clear()
    await tenant.simulate({"event": "state", "state": "authorized"})
    await eventually(lambda: door.asked)
    assert (await report_of(tenant, status_id))["statusMessage"] == "pending"
    door.busy.clear()
    assert (await ended(tenant, status_id))["statusMessage"] == "sent"
    assert (await tenant.get("getMessagesCount")).json() == {"count": 0}


async def test_a_contacts_file_waits_for_the_store_and_is_never_given_up(
    away: tuple[Tenant, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, door = away
    monkeypatch.setattr(files, "STORE_SECONDS", 0.5)
    door.busy = {"PUT"}
    event = HELLO | {"type": "image", "file": base64.b64encode(PICTURE).decode()}
    await tenant.simulate(event)
    owner = InstanceId(tenant.id)

    async def is_postponed() -> bool:
        now_ms = tenant.running.built.clock.now_ms()
        found = await tenant.running.built.journal.read(
            lambda tx: (tx.due_downloads(owner, now_ms, 5), tx.due_downloads(owner, 2**50, 5))
        )
        return (
            len(puts(door)) > 0 and not found[0] and [one.attempts for one in found[1]] == [0]
        )

    await eventually(is_postponed)
    door.busy.clear()
    later_ms = tenant.running.built.clock.now_ms() + 60_000
    tenant.running.set_clock(later_ms, monkeypatch)
    (item,) = await items_with_files(tenant, "getIncomingStatuses")
    assert (await ask(tenant, item["downloadUrl"].removeprefix(PUBLIC))).body == PICTURE


async def test_what_could_not_be_removed_goes_when_the_store_is_back(
    away: tuple[Tenant, Door], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, door = away
    for _ in range(3):
        await upload(tenant, PICTURE)
    tenant.running.set_clock(tenant.running.built.clock.now_ms() + 16 * 86_400_000, monkeypatch)
    await door.shut()
    await tenant.running.built.retention.once()
    await door.listen()
    assert len(await listed(bucket)) == 3
    await tenant.running.built.retention.once()
    assert await listed(bucket) == []


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
