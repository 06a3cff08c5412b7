"""The sandbox account of ``statusgate demo``, over a restart."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator

import pytest

from statusgate.cli.demo import CONTACTS, Demo
from tests.integration.api.running import Running, Tenant
from tests.waiting import eventually

EXPORTS = re.compile(r"ID=(\d+) TOKEN=(\w+)")


@contextlib.asynccontextmanager
async def living(running: Running, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Tenant]:
    """The demo's account while the demo runs."""
    demo = Demo(running.built, running.url, random.Random("demo"))
    life = asyncio.create_task(demo.live(every_seconds=3600))
    printed = ""

    def greeted() -> re.Match[str] | None:
        nonlocal printed
        assert not life.done(), life.exception()
        printed += capsys.readouterr().out
        return EXPORTS.search(printed)

    try:
        instance_id, token = (await eventually(greeted, seconds=60)).groups()
        yield Tenant(running, int(instance_id), token)
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)


async def test_the_demo_goes_on_where_it_stopped(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for _ in range(2):
        async with living(running, capsys) as account:
            assert len((await account.get("getContacts")).json()) == CONTACTS

            async def all_sent(account: Tenant = account) -> bool:
                return (await account.get("getMessagesCount")).body == b'{"count":2}'

            await eventually(all_sent, "only what is scheduled waits", 30)
            posts = (await account.get("getOutgoingStatuses", "minutes=20000")).json()
            found.append({one["idMessage"]: one["statusMessage"] for one in posts})
    first, second = found
    assert list(first.values()).count("failed") == 1
    assert len(first) > 15
    assert len(second.keys() - first.keys()) == 1, "one more post, to everybody"
    assert list(second.values()).count("failed") == 1
