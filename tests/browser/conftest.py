"""Chromium on a real gateway; where none is installed, these tests say so and are skipped."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.visitor import Visitor
from tests.integration.api.running import Running, Tenant, running_gateway

FLAGS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


@contextlib.asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """A Chromium without a window."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium: install Debian's package chromium to test the dashboard")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=found, args=[*FLAGS, *flags])
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests of a file."""
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One gateway, whose links to files name a host that is not the browser's."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    async with running_gateway(folder) as gateway:
        yield gateway
        await asyncio.sleep(0.05)


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(running: Running) -> Tenant:
    """A new sandbox account, linked."""
    return await running.create()


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(browser: Browser, running: Running) -> AsyncIterator[Visitor]:
    """A browser tab of somebody who speaks English; it must come out clean."""
    async with visits(browser, running, "en") as visitor:
        yield visitor


@contextlib.asynccontextmanager
async def visits(browser: Browser, running: Running, language: str) -> AsyncIterator[Visitor]:
    """A tab of its own; what it must never do is checked when it is closed."""
    context = await browser.new_context(
        locale=language, viewport={"width": 1280, "height": 900}, timezone_id="Europe/Berlin"
    )
    context.set_default_timeout(30_000)
    visitor = Visitor(await context.new_page(), running.url)
    await visitor.listen()
    yield visitor
    await visitor.comes_out_clean()
    await context.close()
