"""Name servers that hang hold up their own callers only."""

import asyncio
import socket
import threading

import pytest

from statusgate.outbound import lookup
from statusgate.outbound.lookup import SystemLookup


async def test_hanging_names_leave_the_shared_threads_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        release.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    ask = SystemLookup()
    tasks = [asyncio.create_task(ask(f"n{number}.example")) for number in range(40)]
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 1), 2) == 1
        cancelled = tasks.pop()
        await asyncio.sleep(0)
        cancelled.cancel()
    finally:
        release.set()
    assert await asyncio.gather(*tasks) == [["192.0.2.1"]] * 39


async def test_a_slot_comes_back_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "MOST_AT_ONCE", 1)

    def fail(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    ask = SystemLookup()
    for _ in range(3):
        with pytest.raises(OSError, match="not known"):
            await asyncio.wait_for(ask("nobody.example"), 2)

    def no_thread(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(OSError, match="new thread"):
            await ask("nobody.example")
    with pytest.raises(OSError, match="not known"):
        await asyncio.wait_for(ask("nobody.example"), 2)
