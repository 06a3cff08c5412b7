"""Stored files over HTTP (contract 7.2, S5)."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from statusgate.domain.ids import InstanceId, new_media_key
from statusgate.domain.media import StoredFile
from statusgate.domain.media_types import TABLE
from tests.integration.api.running import Reply, Tenant
from tests.integration.api.test_journals import CONTACT, HELLO, items_with_files

FIXED = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    "cross-origin-resource-policy": "cross-origin",
}


def picture() -> bytes:
    """A small PNG."""
    file = io.BytesIO()
    Image.effect_noise((40, 40), 90).save(file, "PNG")
    return file.getvalue()


async def ask(tenant: Tenant, path: str, verb: str = "GET", **headers: str) -> Reply:
    return await tenant.running.request(verb, path, headers=headers)


@pytest.fixture
async def stored(tenant: Tenant) -> tuple[Tenant, str, bytes]:
    """A tenant, the path of an incoming picture, and its bytes."""
    content = picture()
    event = HELLO | {"type": "image", "file": base64.b64encode(content).decode()}
    await tenant.simulate(CONTACT, event)
    (item,) = await items_with_files(tenant, "getIncomingStatuses")
    return tenant, item["downloadUrl"].removeprefix("https://status.example.org"), content


async def add_file(tenant: Tenant, tmp_path: Path, **changes: Any) -> StoredFile:
    """Store a file that belongs to no status."""
    values: dict[str, Any] = {
        "key": new_media_key(), "extension": "png", "mimetype": "image/png", "size": 5,
        "created_ms": 0,
    }  # fmt: skip
    file = StoredFile(**(values | changes))
    source = tmp_path / "source"
    source.write_bytes(b"x" * file.size)
    built, id = tenant.running.built, InstanceId(tenant.id)
    await built.services.media.put(f"{id}/{file.name}", source)
    await built.journal.write(id, lambda tx: tx.add_file(id, file))
    return file


async def test_a_file_is_served_whole_and_in_parts(
    stored: tuple[Tenant, str, bytes],
) -> None:
    tenant, path, content = stored
    whole = await ask(tenant, path)
    assert (whole.code, whole.body) == (200, content)
    assert whole.headers["content-type"] == "image/png"
    assert whole.headers["content-disposition"] == "inline"
    assert FIXED.items() <= whole.headers.items()
    assert whole.headers["access-control-allow-origin"] == "*"
    head = await ask(tenant, path, "HEAD")
    assert (head.code, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(content))
    part = await ask(tenant, path, Range="bytes=10-19")
    assert (part.code, part.body) == (206, content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(content)}"
    assert (await ask(tenant, path, Range="bytes=-7")).body == content[-7:]
    assert (await ask(tenant, path, Range="bytes=0-1,5-6")).body == content
    behind = await ask(tenant, path, Range=f"bytes={len(content)}-")
    assert (behind.code, behind.message) == (416, "Range Not Satisfiable")
    assert (await ask(tenant, path, "POST")).code == 404


async def test_a_withdrawn_status_takes_its_file_along(
    stored: tuple[Tenant, str, bytes],
) -> None:
    tenant, path, _ = stored
    await tenant.simulate(
        {"event": "deleteStatus", "idMessage": HELLO["idMessage"], "from": HELLO["from"]}
    )
    assert (await ask(tenant, path)).code == 404


async def test_only_harmless_types_are_shown_inline(tenant: Tenant, tmp_path: Path) -> None:
    inline = [row.mimetype for row in TABLE if row.inline]
    others = ("image/svg+xml", "text/html", "application/pdf", "text/xml", "video/quicktime")
    for mimetype in (*inline, "audio/ogg; codecs=opus", *others):
        file = await add_file(tenant, tmp_path, mimetype=mimetype)
        reply = await ask(tenant, f"/media/{tenant.id}/{file.name}")
        is_shown = mimetype not in others
        shown = "inline" if is_shown else "attachment"
        assert (reply.code, reply.headers["content-disposition"]) == (200, shown)
        told = mimetype if is_shown else "application/octet-stream"
        assert reply.headers["content-type"] == told
        assert reply.headers["content-security-policy"].startswith("sandbox;")


async def test_a_file_is_never_given_as_code(stored: tuple[Tenant, str, bytes]) -> None:
    tenant, path, content = stored
    asked = [("Service-Worker", "script")]
    for code in ("script", "style", "worker", "sharedworker", "serviceworker", "Script"):
        asked.append(("Sec-Fetch-Dest", code))
    for name, value in asked:
        for verb in ("GET", "HEAD"):
            reply = await ask(tenant, path, verb, **{name: value})
            assert reply.code == 403, (name, value)
            assert content not in reply.body
    for harmless in ("image", "video", "audio", "document", "empty"):
        assert (await ask(tenant, path, "GET", **{"Sec-Fetch-Dest": harmless})).code == 200


async def test_an_uploaded_script_comes_back_as_nothing_to_run(tenant: Tenant) -> None:
    for kind in ("text/javascript", "text/html", "image/svg+xml", "application/wasm"):
        reply = await tenant.running.request(
            "POST", tenant.path("uploadFile"), b"alert(1)", {"Content-Type": kind}
        )
        link = reply.json()["urlFile"].removeprefix("https://status.example.org")
        stored = await ask(tenant, link)
        assert stored.headers["content-type"] == "application/octet-stream", kind
        assert stored.headers["content-disposition"] == "attachment"


async def test_empty_expired_and_lost_files(tenant: Tenant, tmp_path: Path) -> None:
    empty = await add_file(tenant, tmp_path, size=0)
    reply = await ask(tenant, f"/media/{tenant.id}/{empty.name}")
    assert (reply.code, reply.body) == (200, b"")
    old = await add_file(tenant, tmp_path, expires_ms=1)
    assert (await ask(tenant, f"/media/{tenant.id}/{old.name}")).code == 404
    lost = await add_file(tenant, tmp_path)
    await tenant.running.built.services.media.remove([f"{tenant.id}/{lost.name}"])
    assert (await ask(tenant, f"/media/{tenant.id}/{lost.name}")).code == 404


async def test_nothing_else_is_a_file(stored: tuple[Tenant, str, bytes]) -> None:
    tenant, path, _ = stored
    other = await tenant.running.create()
    name = path.rpartition("/")[2]
    key = name.partition(".")[0]
    tricks = [
        f"/media/{other.id}/{name}", f"/media/0{tenant.id}/{name}", f"/media/x/{name}",
        f"/media/{tenant.id}/{key}.jpg", f"/media/{tenant.id}/{key}", f"/media/{tenant.id}/",
        f"/media/{tenant.id}/{key.upper()}.png", f"/media/{tenant.id}/{name}/x",
        f"/media/{tenant.id}/../{tenant.id}/{name}", f"/media/{tenant.id}/{name}%00",
        f"/media/{tenant.id}/{name}%0a",
    ]  # fmt: skip
    for up in ("../", "..%2f", "%2e%2e/", "..%5c", "....//", "%252e%252e%252f", "/", "%2f"):
        for depth in (1, 3, 6):
            for target in ("etc/passwd", "server.key", "j.db"):
                tricks.append(f"/media/{tenant.id}/{up * depth}{target}")
                tricks.append(f"/media/{up * depth}{target}")
    assert len(tricks) > 100
    for trick in tricks:
        assert (await ask(tenant, trick)).code == 404, trick
