"""What axe finds wrong with the dashboard, and what does not fit on a phone: nothing."""

import re
from importlib.resources import files

import pytest
from playwright.async_api import Browser

from tests.browser.conftest import visits
from tests.browser.furnished import furnish
from tests.browser.visitor import Visitor
from tests.browser.walk import AXE, CUT_OFF, HOSTILE, INJECTED, walk
from tests.integration.api.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("language", ["ru", "he"])
async def test_every_view_is_accessible_in_light_and_dark_and_fits_on_a_phone(
    browser: Browser, running: Running, language: str
) -> None:
    async with visits(browser, running, language) as visitor:
        await visitor.page.set_viewport_size({"width": 320, "height": 640})
        faults = await walk(visitor, running, AXE, CUT_OFF, in_dark=AXE)
    assert faults == [], "\n".join(faults)


async def test_every_view_is_accessible_and_takes_no_harm_from_texts_of_strangers(
    visitor: Visitor, running: Running
) -> None:
    faults = await walk(visitor, running, AXE, CUT_OFF, INJECTED, words=HOSTILE, in_dark=AXE)
    assert faults == [], "\n".join(faults)


async def test_no_view_is_left_out_of_the_walk(running: Running) -> None:
    source = (files("statusgate") / "ui" / "app.js").read_text()
    [table] = re.findall(r"const VIEWS = \{(.*?)\}", source, re.DOTALL)
    views = set(re.findall(r"(\w+): '", table))
    account = await furnish(running)
    walked = {part for stop in account.stops for part in stop.view.split("/")}
    assert views - walked == set(), "add a stop to tests/browser/furnished.py"
