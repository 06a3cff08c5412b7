"""The files of the dashboard: where they are, how long browsers keep them, what they may do."""

import gzip
import re
from pathlib import Path

from tests.integration.api.running import Reply, Running, running_gateway

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
UI = Path(__file__).parents[3] / "src/statusgate/ui"


async def _page(running: Running, target: str, **headers: str) -> Reply:
    return await running.request("GET", target, headers=headers)


def _named(page: bytes) -> list[str]:
    """What the first page asks for, below ``/ui/``."""
    return re.findall(r'(?:src|href)="([^"]+)"', page.decode())


async def test_the_root_leads_to_the_pages_also_below_a_prefix(running: Running) -> None:
    for target in ("/", "/ui"):
        reply = await _page(running, target)
        assert (reply.code, reply.headers["location"]) == (302, "ui/")


async def test_every_file_is_served_with_its_type_the_policy_and_no_cors(
    running: Running,
) -> None:
    first = await _page(running, "/ui/")
    digest = _named(first.body)[0].partition("/")[0]
    others = [each for each in UI.rglob("*.*") if each.name != "index.html"]
    assert len(others) > 10
    for file in others:
        path = f"/ui/{digest}/{file.relative_to(UI).as_posix()}"
        reply = await _page(running, path)
        assert (reply.code, reply.body) == (200, file.read_bytes()), path
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        kind = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
        assert reply.headers["content-type"].startswith(kind[file.suffix])
        _is_guarded(reply)
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert first.headers["cache-control"] == "no-cache"
    _is_guarded(first)


def _is_guarded(reply: Reply) -> None:
    assert reply.headers["content-security-policy"] == POLICY
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["cross-origin-opener-policy"] == "same-origin"
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in reply.headers["permissions-policy"]
    assert "access-control-allow-origin" not in reply.headers


async def test_a_browser_that_has_a_page_gets_304_and_else_less_bytes(running: Running) -> None:
    whole = await _page(running, "/ui/")
    same = await _page(running, "/ui/", **{"If-None-Match": whole.headers["etag"]})
    assert (same.code, same.body) == (304, b"")
    assert same.headers["etag"] == whole.headers["etag"]
    assert (await _page(running, "/ui/", **{"If-None-Match": '"other"'})).code == 200
    packed = await _page(running, "/ui/", **{"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == whole.body
    assert "Accept-Encoding" in packed.headers["vary"]
    head = await running.request("HEAD", "/ui/")
    assert (head.code, head.body) == (200, b"")


async def test_pages_are_read_and_not_written_to_and_nothing_else_is_there(
    running: Running,
) -> None:
    digest = _named((await _page(running, "/ui/")).body)[0].partition("/")[0]
    for target in (
        "/ui/app.js",
        f"/ui/{digest}/index.html",
        f"/ui/{digest}/../index.html",
        f"/ui/{digest}/%2e%2e/api/app.py",
        f"/ui/{'0' * 16}/app.js",
    ):
        assert (await _page(running, target)).code == 404, target
    assert (await running.request("POST", "/ui/", b"")).code == 404


async def test_without_the_dashboard_no_page_is_there(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, dashboard=False) as running:
        for target in ("/", "/ui", "/ui/"):
            assert (await _page(running, target)).code == 404


async def test_a_link_signs_in_once_and_the_newest_alone(running: Running) -> None:
    tenant = await running.create()

    async def code_of_a_new_link() -> bytes:
        link: str = running.built.app.sign_in_link(tenant.id, tenant.token)
        return link.removeprefix("/ui/#link=").encode()

    assert (await running.request("POST", "/ui/link", b"x" * 32)).code == 404, "no link yet"
    first, second = await code_of_a_new_link(), await code_of_a_new_link()
    for wrong in (first, b"", second[:-1], b"\xff" * 32):
        assert (await running.request("POST", "/ui/link", wrong)).code == 404
    assert (await running.request("POST", "/ui/link", b"x" * 65)).code == 413
    reply = await running.request("POST", "/ui/link", second)
    assert reply.json() == {"idInstance": tenant.id, "apiTokenInstance": tenant.token}
    assert reply.headers["cache-control"] == "no-store"
    _is_guarded(reply)
    assert (await running.request("POST", "/ui/link", second)).code == 404, "it was used"


async def test_a_link_is_for_this_machine(running: Running) -> None:
    tenant = await running.create()
    app = running.built.app
    code = app.sign_in_link(tenant.id, tenant.token).removeprefix("/ui/#link=").encode()
    answered = []

    async def send(message: dict[str, object]) -> None:
        answered.append(message.get("status"))

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": code}

    for client in (("192.0.2.7", 50_000), None):
        scope = {
            "type": "http", "method": "POST", "raw_path": b"/ui/link", "query_string": b"",
            "headers": [(b"content-length", b"%d" % len(code))], "client": client,
        }  # fmt: skip
        await app(scope, receive, send)
    assert [each for each in answered if each] == [404, 404]
