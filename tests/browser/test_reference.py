"""The API reference in a real browser."""

import pytest

from tests.browser.visitor import Visitor
from tests.integration.api.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAPER = {"light": "rgb(250, 249, 246)", "dark": "rgb(18, 20, 18)"}


async def test_the_reference_is_readable_on_a_phone_in_light_and_dark(
    visitor: Visitor, running: Running
) -> None:
    page = visitor.page
    await page.set_viewport_size({"width": 320, "height": 640})
    await page.goto(f"{running.url}/docs/api#getStatusViewers")
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    assert await page.locator("#getStatusViewers").is_visible()
    for scheme, paper in PAPER.items():
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        shown = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert shown == paper
