"""What the server does before it serves."""

import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from statusgate.server.run import serve
from statusgate.settings import Settings


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    """A low soft limit; returns the hard one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_the_soft_limit_of_file_descriptors_is_raised(
    few_descriptors: int, tmp_path: Path
) -> None:
    stopped = asyncio.Event()
    stopped.set()
    settings = Settings(database=f"sqlite:///{tmp_path}/s.db", port=0)
    assert await serve(settings, stopped=stopped) == 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == few_descriptors
    assert soft == (65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536))
