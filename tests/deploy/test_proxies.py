"""The gateway behind nginx and Caddy, as ``deploy/`` configures them."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from functools import partial
from io import BytesIO
from pathlib import Path
from shutil import which
from typing import NamedTuple

import aiohttp
import pytest

from tests.deploy.proxies import Proxy, running_proxy
from tests.integration.api.running import ADMIN, Running, Tenant, running_gateway
from tests.waiting import eventually

LARGEST = 100 << 20
MOST_STREAMS = 2
KINDS = [
    pytest.param(
        kind, marks=pytest.mark.skipif(which(kind) is None, reason=f"{kind} is not installed")
    )
    for kind in ("nginx", "caddy")
]


class Behind(NamedTuple):
    """A gateway, and the proxy before it."""

    gateway: Running
    proxy: Proxy


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def behind(tmp_path: Path, kind: str) -> AsyncIterator[Behind]:
    async with running_gateway(
        tmp_path, trusted_proxies="127.0.0.1", max_open_streams=MOST_STREAMS
    ) as gateway:
        with running_proxy(kind, tmp_path / kind, gateway.port) as proxy:
            yield Behind(gateway, proxy)
        await asyncio.sleep(0.01)


async def test_a_live_stream_is_handed_on_line_by_line(behind: Behind) -> None:
    tenant = await behind.gateway.create()
    async with behind.proxy.client() as client, client.get(tenant.path("events")) as stream:
        assert stream.content_type == "text/event-stream"
        await stream.content.readline()
        for text in ("first", "second"):
            await tenant.simulate({"event": "phoneStatus", "type": "text", "text": text})
            async with asyncio.timeout(30):
                while not (await stream.content.readline()).startswith(b"data:"):
                    pass


async def test_a_stream_whose_reader_has_gone_ends_at_the_gateway_with_its_next_line(
    behind: Behind,
) -> None:
    tenant = await behind.gateway.create()
    path = tenant.path("events")

    async def opens() -> bool:
        await tenant.simulate({"event": "phoneStatus", "type": "text", "text": "a line"})
        async with behind.proxy.client() as client, client.get(path) as stream:
            return stream.status == 200

    for _ in range(MOST_STREAMS + 1):
        await eventually(opens)


async def test_a_code_to_scan_comes_over_a_websocket(behind: Behind) -> None:
    tenant = await behind.gateway.create()
    await tenant.get("logout")
    await tenant.state("notAuthorized")
    async with (
        behind.proxy.client() as client,
        client.ws_connect(tenant.path("scanqrcode")) as codes,
    ):
        first = json.loads(await codes.receive_str(timeout=30))
        assert base64.b64decode(first["message"]).startswith(b"\x89PNG")


async def test_a_file_of_the_largest_size_goes_through_and_the_gateway_refuses_more(
    behind: Behind,
) -> None:
    tenant = await behind.gateway.create()
    answers = []
    async with behind.proxy.client() as client:
        for more, code in ((0, 200), (1, 413)):
            file = BytesIO(bytes(LARGEST + more))
            async with client.post(tenant.path("uploadFile"), data=file) as told:
                assert told.status == code
                answers.append(await told.json())
    assert answers[1]["message"] == "Payload Too Large"


async def test_wrong_tokens_are_counted_for_each_client_whatever_it_says_of_itself(
    behind: Behind,
) -> None:
    tenant = await behind.gateway.create()
    wrong = f"/waInstance{tenant.id}/getSettings/wrong"
    async with behind.proxy.client("127.0.0.2") as guesser:
        codes = [
            await _code(guesser, wrong, {"X-Forwarded-For": f"192.0.2.{number}"})
            for number in range(11)
        ]
    assert codes == [401] * 10 + [429]
    async with behind.proxy.client("127.0.0.3") as neighbour:
        assert await _code(neighbour, wrong, {}) == 401
        assert await _code(neighbour, tenant.path("getSettings"), {}) == 200


async def test_no_log_holds_a_token(behind: Behind, tmp_path: Path, kind: str) -> None:
    tenant = await behind.gateway.create()
    with running_proxy(kind, tmp_path / "astray", _nobody(behind.gateway)) as astray:
        for proxy, code in ((behind.proxy, 200), (astray, 502)):
            await _call_in_every_way(proxy, tenant, code)
            logs = await eventually(partial(_complete, proxy))
            assert f"/waInstance{tenant.id}/getSettings" in logs
            assert tenant.token not in logs
            assert ADMIN not in logs


def _complete(proxy: Proxy) -> str:
    """The logs, once the last call is in them."""
    logs = proxy.logs()
    return logs if "/partner/getInstances" in logs else ""


async def _call_in_every_way(proxy: Proxy, tenant: Tenant, code: int) -> None:
    """Every place where a token can stand, where it belongs and where it does not."""
    bearer = {"Authorization": f"Bearer {tenant.token}", "Referer": f"https://h/{tenant.token}"}
    async with proxy.client() as client:
        assert await _code(client, tenant.path("getSettings"), {}) == code
        assert await _code(client, f"/waInstance{tenant.id}/getSettings", bearer) == code
        for odd in (
            f"/waInstance{tenant.id}/{tenant.token}",
            f"/{tenant.token}",
            f"/.//waInstance{tenant.id}//getSettings//{tenant.token}",
            f"/nothing?token={tenant.token}",
            tenant.path("getSettings").upper(),
        ):
            await _code(client, odd, {})
        assert await _code(client, f"/partner/getInstances/{ADMIN}", {}) == code


async def _code(client: aiohttp.ClientSession, path: str, headers: dict[str, str]) -> int:
    async with client.get(path, headers=headers) as answer:
        await answer.read()
        return answer.status


def _nobody(gateway: Running) -> int:
    """A port on which nothing listens."""
    return 9 if gateway.port != 9 else 10
