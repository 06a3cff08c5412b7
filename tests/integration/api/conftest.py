"""A running gateway for the tests of this folder."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api.running import Running, Tenant, running_gateway


@pytest.fixture(autouse=True)
async def a_moment_to_close() -> AsyncIterator[None]:
    """Connections that a test closed at its end are closed before the loop is."""
    yield
    await asyncio.sleep(0.01)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway over SQLite in memory."""
    async with running_gateway(tmp_path) as gateway:
        yield gateway


@pytest.fixture
async def tenant(running: Running) -> Tenant:
    """A sandbox instance, linked."""
    return await running.create()


@pytest.fixture
async def on_each(tmp_path: Path, database_url: str) -> AsyncIterator[Tenant]:
    """A sandbox instance, once on each kind of database."""
    async with running_gateway(tmp_path, database_url) as gateway:
        yield await gateway.create()
