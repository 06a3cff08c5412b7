"""The API described by itself, as it is served."""

import gzip
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from tests.integration.api.running import Running, running_gateway


async def test_the_page_is_served_with_a_policy_that_allows_its_stylesheet_alone(
    running: Running,
) -> None:
    reply = await running.request("GET", "/docs/api")
    style = re.search(rb"<style>(.*?)</style>", reply.body, re.S)
    assert style
    digest = b64encode(sha256(style[1]).digest()).decode()
    assert reply.code == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in reply.headers
    head = await running.request("HEAD", "/docs/api")
    assert (head.code, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(reply.body))


async def test_the_page_can_be_switched_off_and_the_document_stays(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, dashboard=False) as running:
        assert (await running.request("GET", "/docs/api")).code == 404
        assert (await running.request("GET", "/openapi.json")).code == 200


async def test_page_and_document_name_the_public_url(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, public_url="https://gate.example.org/x/") as running:
        document = await running.request("GET", "/openapi.json")
        page = await running.request("GET", "/docs/api")
    assert document.json()["servers"] == [{"url": "https://gate.example.org/x"}]
    assert b"API=https://gate.example.org/x\n" in page.body


async def test_the_page_travels_compressed_and_only_when_it_has_changed(
    running: Running,
) -> None:
    plain = await running.request("GET", "/docs/api")
    packed = await running.request("GET", "/docs/api", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.body) == plain.body
    again = await running.request(
        "GET", "/docs/api", headers={"If-None-Match": plain.headers["etag"]}
    )
    assert (again.code, again.body) == (304, b"")


async def test_a_slash_at_the_end_leads_to_the_page_so_that_its_links_hold(
    running: Running,
) -> None:
    reply = await running.request("GET", "/docs/api/")
    assert (reply.code, reply.headers["location"]) == (302, "../api")
