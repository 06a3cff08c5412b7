"""A page that stays open while its gateway goes away and comes back."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.conftest import visits
from tests.browser.furnished import ANNA, post
from tests.browser.visitor import Visitor
from tests.integration.api.running import Running, Tenant, running_gateway
from tests.waiting import eventually, stays

pytestmark = pytest.mark.asyncio(loop_scope="module")
STREAMS = 2
TIMES = """
Math.random = () => 0;
window.streams = [];
const ask = window.fetch;
window.fetch = (url, options) => {
  if (String(url).includes('/events')) window.streams.push(Date.now());
  return ask(url, options);
};
"""


class Restarting:
    """A gateway that can be stopped, and started again on its port and its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = contextlib.AsyncExitStack()
        self._port = 0
        self.is_up = False
        self.running: Running

    async def start(self) -> Running:
        started = running_gateway(
            self._folder,
            f"sqlite:///{self._folder}/journal.db",
            port=self._port,
            max_open_streams=STREAMS,
        )
        self.running = await self._open.enter_async_context(started)
        self._port = self.running.port
        self.is_up = True
        return self.running

    async def stop(self) -> None:
        self.is_up = False
        await self._open.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def restarting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Restarting]:
    made = Restarting(tmp_path_factory.mktemp("restarting"))
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(browser: Browser, restarting: Restarting) -> AsyncIterator[Visitor]:
    if not restarting.is_up:
        await restarting.start()
    async with visits(browser, restarting.running, "en") as visitor:
        visitor.expected = ["net::ERR", "503 (Service"]
        yield visitor


async def _posted(restarting: Restarting) -> tuple[Tenant, str]:
    tenant = await restarting.running.create()
    await tenant.simulate({"event": "contact", "id": ANNA, "name": "A", "contactName": "Anna"})
    return tenant, await post(tenant, message="First light")


def _read(status_id: str) -> dict[str, Any]:
    return {"event": "receipt", "idMessage": status_id, "participant": ANNA, "status": "read"}


async def _watch(visitor: Visitor, tenant: Tenant) -> None:
    """Sign in under a clock that the test moves, and wait for the stream."""
    await visitor.page.clock.install()
    await visitor.sign_in(tenant)
    await visitor.page.locator("html[data-live=open]").wait_for()


async def _has_given_up(visitor: Visitor) -> None:
    """The page asks who one is, and nothing more of the gateway."""
    await visitor.page.locator("#id").wait_for()
    asked = len(visitor.asked)
    await visitor.page.clock.run_for(120_000)
    await stays(lambda: len(visitor.asked) == asked)


async def test_an_open_page_says_that_the_gateway_is_away_and_comes_back_with_all_it_missed(
    visitor: Visitor, restarting: Restarting
) -> None:
    tenant, status_id = await _posted(restarting)
    page = visitor.page
    await visitor.sign_in(tenant)
    await page.locator("html[data-live=open]").wait_for()
    await restarting.stop()
    await visitor.sees("Connection lost. Trying again")

    tenant.running = await restarting.start()
    await tenant.simulate(_read(status_id))
    await page.locator("html[data-live=open]").wait_for()
    await page.locator(".hero .step3 .figure", has_text="1").wait_for()
    await page.locator(".notice:empty").wait_for(state="attached")
    assert await page.locator("#id").count() == 0, "still signed in"


async def test_what_is_asked_for_while_the_gateway_is_away_is_there_when_it_is_back(
    visitor: Visitor, restarting: Restarting
) -> None:
    tenant, status_id = await _posted(restarting)
    page = visitor.page
    await visitor.sign_in(tenant)
    await page.locator("html[data-live=open]").wait_for()
    await restarting.stop()
    await page.locator(".sandbox button").first.click()
    await visitor.sees("The gateway cannot be reached. Is it running?")
    await visitor.visit(f"{tenant.id}/status/{status_id}")
    await page.locator("main .empty", has_text="cannot be reached").wait_for()
    await page.get_by_role("button", name="Try again").click()
    await page.locator("main .empty", has_text="cannot be reached").wait_for()

    tenant.running = await restarting.start()
    await page.locator(".status .funnel").wait_for()


async def test_what_cannot_be_read_for_a_while_is_read_later(
    visitor: Visitor, restarting: Restarting
) -> None:
    tenant, status_id = await _posted(restarting)
    page, app = visitor.page, restarting.running.built.app
    await _watch(visitor, tenant)
    async with page.expect_event("response", lambda answer: answer.status == 503):
        await tenant.simulate(_read(status_id) | {"timestamp": int(time.time()) + 1})
        app.ready = False
    assert await page.locator("html[data-live=open]").count() == 1, "the stream stays open"
    app.ready = True
    await page.clock.run_for(6_000)
    await page.locator(".hero .step3 .figure", has_text="1").wait_for()


async def test_a_token_that_was_changed_meanwhile_ends_the_session_and_the_trying(
    visitor: Visitor, restarting: Restarting
) -> None:
    tenant, _ = await _posted(restarting)
    visitor.expected += ["401 (Unauthorized)"]
    await _watch(visitor, tenant)
    await restarting.stop()
    tenant.running = await restarting.start()
    assert (await tenant.get("updateApiToken")).code == 200
    await visitor.sees("You were signed out: the token is no longer valid.")
    await _has_given_up(visitor)


async def test_an_account_that_is_gone_ends_the_session_and_the_trying(
    visitor: Visitor, restarting: Restarting
) -> None:
    tenant, _ = await _posted(restarting)
    visitor.expected += ["403 (Forbidden)"]
    await _watch(visitor, tenant)
    await restarting.running.partner("deleteInstanceAccount", {"idInstance": tenant.id})
    await visitor.page.clock.run_for(60_000)
    await _has_given_up(visitor)


async def test_a_page_that_is_told_to_wait_waits(
    visitor: Visitor, restarting: Restarting
) -> None:
    """Streams beyond the limit of an account are refused with ``Retry-After: 5``."""
    tenant, _ = await _posted(restarting)
    visitor.expected += ["429 (Too Many Requests)"]
    page = visitor.page
    await page.clock.install()
    await page.add_init_script(TIMES)
    async with _open_stream(tenant), _open_stream(tenant):
        await visitor.sign_in(tenant)

        async def refused() -> bool:
            await page.clock.run_for(9_000)
            return int(await page.evaluate("window.streams.length")) >= 3

        await eventually(refused, "the page tries again", 30)
    times = await page.evaluate("window.streams")
    assert all(after - before >= 5_000 for before, after in itertools.pairwise(times)), times

    async def live() -> bool:
        await page.clock.run_for(30_000)
        return await page.locator("html[data-live=open]").count() == 1

    await eventually(live, "the stream is open", 30)


@contextlib.asynccontextmanager
async def _open_stream(tenant: Tenant) -> AsyncIterator[None]:
    """Hold one of the account's streams."""
    reader, writer = await asyncio.open_connection("127.0.0.1", tenant.running.port)
    writer.write(f"GET {tenant.path('events')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert b" 200 " in await reader.readline()
    yield
    writer.close()
