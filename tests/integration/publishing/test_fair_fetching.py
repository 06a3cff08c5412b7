"""Files of one instance never keep those of another waiting."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from statusgate.domain.waiting import first_of
from tests.integration.api.running import Running, Tenant, running_gateway
from tests.waiting import eventually

SAMPLES = Path(__file__).parents[3] / "src/statusgate/engines/simulated/samples"
PICTURE = (SAMPLES / "image.jpg").read_bytes()


class FileHost:
    """Serves a picture; for paths that begin with ``/slow`` only when it is opened."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed: list[str] = []
        self.opened = asyncio.Event()
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            self.asked.append(path)
            if path.startswith("/slow"):
                await self._wait(reader)
            if path == "/moved":
                writer.write(b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n")
            elif self.opened.is_set() or not path.startswith("/slow"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PICTURE))
                writer.write(PICTURE)
                await writer.drain()
            else:
                self.closed.append(path)
        writer.close()

    async def _wait(self, reader: asyncio.StreamReader) -> None:
        """Until it is opened, or the other side hangs up."""
        await first_of(self.opened.wait(), reader.read())


@pytest.fixture
async def host() -> AsyncIterator[FileHost]:
    made = FileHost()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    made.opened.set()
    server.close()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path, outbound_allow="127.0.0.0/8") as gateway:
        yield gateway


async def post(tenant: Tenant, url: str, **more: Any) -> str:
    body = {"urlFile": url, "fileName": "a.jpg", **more}
    reply = await tenant.post("sendMediaStatus", body)
    assert reply.code == 200, reply.body
    return str(reply.json()["idMessage"])


async def state_of(tenant: Tenant, status_id: str) -> str:
    reply = await tenant.get("getStatus", f"idMessage={status_id}")
    return str(reply.json()["statusMessage"])


async def is_sent(tenant: Tenant, status_id: str) -> bool:
    return await state_of(tenant, status_id) == "sent"


async def test_slow_hosts_of_one_instance_do_not_delay_anothers_picture(
    running: Running, host: FileHost
) -> None:
    busy, other = await running.create(), await running.create()
    slow = [await post(busy, host.url(f"slow{number}")) for number in range(40)]
    await eventually(lambda: len(host.asked) >= 4)
    picture = await post(other, host.url("picture"))
    await eventually(lambda: is_sent(other, picture))
    assert sorted(host.asked) == ["/picture", "/slow0", "/slow1", "/slow2", "/slow3"]
    assert [await state_of(busy, one) for one in slow] == ["pending"] * 40


async def test_what_one_instance_has_waiting_is_fetched_in_order(
    running: Running, host: FileHost
) -> None:
    busy = await running.create()
    for number in range(8):
        await post(busy, host.url(f"slow{number}"))
    await eventually(lambda: len(host.asked) >= 4)
    host.opened.set()
    await eventually(lambda: len(host.asked) == 8)
    assert sorted(host.asked[:4]) == [f"/slow{number}" for number in range(4)]


@pytest.mark.parametrize("how", ["deleteStatus", "clearMessagesQueue", "delete instance"])
async def test_what_is_removed_is_no_longer_fetched(
    running: Running, host: FileHost, how: str
) -> None:
    tenant = await running.create()
    later = {"sendAt": int(time.time()) + 900} if how == "clearMessagesQueue" else {}
    slow = [await post(tenant, host.url(f"slow{number}"), **later) for number in range(4)]
    await eventually(lambda: len(host.asked) == 4)
    if how == "deleteStatus":
        for one in slow:
            assert (await tenant.post(how, {"idMessage": one})).code == 200
    elif how == "clearMessagesQueue":
        assert (await tenant.get(how)).json() == {"isCleared": True}
    else:
        reply = await running.partner("deleteInstanceAccount", {"idInstance": tenant.id})
        assert reply.code == 200
    await eventually(lambda: len(host.closed) == 4)
    if how != "delete instance":
        picture = await post(tenant, host.url("picture"))
        await eventually(lambda: is_sent(tenant, picture))


async def test_the_report_says_that_the_address_of_a_file_redirects(
    running: Running, host: FileHost
) -> None:
    tenant = await running.create()
    moved = await post(tenant, host.url("moved"))

    async def has_ended() -> bool:
        return await state_of(tenant, moved) != "pending"

    await eventually(has_ended)
    item = (await tenant.get("getStatus", f"idMessage={moved}")).json()
    assert item["failure"] == {
        "reason": "fetchFailed",
        "description": "File could not be fetched: its address redirects to another",
    }
    assert host.asked == ["/moved"]
