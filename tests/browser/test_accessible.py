"""What axe finds wrong with the dashboard: nothing."""

import re
from importlib.resources import files
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests.browser.furnished import as_operator, furnish, speak, stop_at
from tests.browser.visitor import Visitor
from tests.integration.api.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LANGUAGES = ("en", "ru", "he")
RUN = """rules => axe.run({resultTypes: ['violations'], ...rules})
  .then(({violations}) => violations)"""
ALL: dict[str, Any] = {}
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


async def _faults(visitor: Visitor, language: str, view: str) -> list[str]:
    """What axe finds on the page as it is, in light and in dark."""
    faults = []
    for scheme in SCHEMES:
        await visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found: list[dict[str, Any]] = await visitor.page.evaluate(
            RUN, ALL if scheme == "light" else OF_COLOURS
        )
        faults += [
            f"{language} {view} {scheme}: {one['id']}, {one['impact']}: {node['html'][:200]}"
            for one in found
            for node in one["nodes"]
        ]
    return faults


async def test_axe_finds_nothing_on_any_view_in_any_language_in_light_and_dark(
    visitor: Visitor, running: Running
) -> None:
    account = await furnish(running)
    page = visitor.page
    faults: list[str] = []
    await page.add_init_script(AXE_SCRIPT)
    await page.goto(f"{visitor.url}/ui/")
    await page.locator("#id").wait_for()
    for language in LANGUAGES:
        await speak(page, language)
        faults += await _faults(visitor, language, "sign in")
    await as_operator(visitor)
    await page.locator(".accounts li").first.wait_for()
    for language in LANGUAGES:
        await speak(page, language)
        for stop in account.stops:
            await stop_at(visitor, stop)
            faults += await _faults(visitor, language, f"{stop.view} {stop.press}")
    assert faults == [], "\n".join(faults)


async def test_no_view_is_left_out_of_the_walk(running: Running) -> None:
    source = (files("statusgate") / "ui" / "app.js").read_text()
    [table] = re.findall(r"const VIEWS = \{(.*?)\}", source, re.DOTALL)
    views = set(re.findall(r"(\w+): '", table))
    account = await furnish(running)
    walked = {part for stop in account.stops for part in stop.view.split("/")}
    assert views - walked == set(), "add a stop to tests/browser/furnished.py"
