"""Waiting for a condition, with a deadline: no test sleeps for luck.

``until`` is for tests in threads, ``eventually`` for tests in an event loop, and ``stays`` for
what must not happen.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

Found = TypeVar("Found")
_LOOK_SECONDS = 0.01


def until(
    check: Callable[[], Found | None],
    what: str = "",
    seconds: float = 30.0,
    passing: tuple[type[Exception], ...] = (),
    every: float = _LOOK_SECONDS,
) -> Found:
    """Return the first true result of *check*; AssertionError after *seconds*.

    Exceptions of the types *passing* count as "not yet".
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := check():
                return found
        except passing:
            pass
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or check}"
        time.sleep(every)


@overload
async def eventually(
    check: Callable[[], Awaitable[Found | None]], what: str = "", seconds: float = 20.0
) -> Found: ...


@overload
async def eventually(
    check: Callable[[], Found | None], what: str = "", seconds: float = 20.0
) -> Found: ...


async def eventually(check: Callable[[], Any], what: str = "", seconds: float = 20.0) -> Any:
    """As ``until``, in an event loop; *check* may be a coroutine function."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        found = await answer if inspect.isawaitable(answer) else answer
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or check}"
        await asyncio.sleep(_LOOK_SECONDS)


async def stays(check: Callable[[], object], seconds: float = 0.2) -> None:
    """Assert that *check* is true now and for *seconds*."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert check(), f"not for {seconds} s: {check}"
        await asyncio.sleep(_LOOK_SECONDS)
