"""Name servers that hang hold up their own callers only."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from statusgate.outbound.lookup import SystemLookup

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]


class NameServer:
    """Answers at once, but for names that begin with ``slow``: those when released."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = threading.Event()

    def getaddrinfo(self, host: str, *_: object, **__: object) -> list[object]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.released.wait(30)
        return list(FOUND)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.released.set()


async def until_asked(names: NameServer, count: int) -> None:
    async with asyncio.timeout(30):
        while len(names.asked) < count:
            await asyncio.sleep(0.005)


async def test_hanging_names_leave_the_shared_threads_free(names: NameServer) -> None:
    ask = SystemLookup()
    tasks = [asyncio.create_task(ask(f"slow{number}.example")) for number in range(40)]
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 1), 5) == 1
        cancelled = tasks.pop()
        await asyncio.sleep(0)
        cancelled.cancel()
    finally:
        names.released.set()
    assert await asyncio.gather(*tasks) == [["192.0.2.1"]] * 39


async def test_lookups_that_one_owner_abandoned_hold_up_no_other(names: NameServer) -> None:
    """As by setting another webhook URL again and again while its name server hangs."""
    ask = SystemLookup()
    for number in range(600):
        abandoned = asyncio.create_task(ask(f"slow{number}.example", "busy"))
        await until_asked(names, min(number + 1, 8))
        abandoned.cancel()
    assert await asyncio.wait_for(ask("quick.example", "other"), 10) == ["192.0.2.1"]
    assert len([name for name in names.asked if name.startswith("slow")]) == 8


async def test_an_owner_goes_on_when_its_own_names_have_answered(names: NameServer) -> None:
    ask = SystemLookup(total=2, each=1)
    slow = asyncio.create_task(ask("slow.example", "one"))
    await until_asked(names, 1)
    waiting = asyncio.create_task(ask("quick.example", "one"))
    assert await ask("quick.example", "two") == ["192.0.2.1"]
    assert not waiting.done()
    names.released.set()
    assert [await slow, await waiting] == [["192.0.2.1"]] * 2


async def test_a_place_comes_back_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    ask = SystemLookup(total=1, each=1)
    for _ in range(3):
        with pytest.raises(OSError, match="not known"):
            await asyncio.wait_for(ask("nobody.example"), 10)

    def no_thread(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(OSError, match="new thread"):
            await ask("nobody.example")
    with pytest.raises(OSError, match="not known"):
        await asyncio.wait_for(ask("nobody.example"), 10)
