"""Small screens, large text, long languages, forced colours, and no motion."""

import re
from importlib.resources import files

import pytest
from playwright.async_api import Route

from tests.browser.conftest import chromium, visits
from tests.browser.furnished import furnish
from tests.browser.visitor import Visitor
from tests.browser.walk import CUT_OFF, SMALL, TINY, walk
from tests.integration.api.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
FRAME = """one => {
  const style = getComputedStyle(one);
  return [style.backgroundColor, style.color, style.outline, style.border].join(' ');
}"""
GROUND = "one => getComputedStyle(one).backgroundColor"
MOVING = """() => [...document.querySelectorAll('*')]
  .map((one) => getComputedStyle(one))
  .filter((one) => one.animationName !== 'none' || parseFloat(one.transitionDuration)).length"""


async def test_a_language_that_is_longer_by_two_fifths_fits_on_a_small_phone(
    visitor: Visitor, running: Running
) -> None:
    async def lengthen(route: Route) -> None:
        await route.fulfill(body=_longer_by_two_fifths(), content_type="text/javascript")

    await visitor.page.route("**/lang/en.js", lengthen)
    await visitor.page.set_viewport_size({"width": 320, "height": 640})
    found = await walk(visitor, running, CUT_OFF, SMALL)
    assert found == [], "\n".join(found)


async def test_text_of_twice_the_size_fits(running: Running) -> None:
    """As somebody sets it in the browser: everything is a multiple of that size."""
    async with (
        chromium("--blink-settings=defaultFontSize=32") as large_print,
        visits(large_print, running, "en") as visitor,
    ):
        found = await walk(visitor, running, CUT_OFF, TINY)
    assert found == [], "\n".join(found)


async def test_what_is_chosen_differs_without_colours_of_ours(
    visitor: Visitor, running: Running
) -> None:
    account = await furnish(running)
    page = visitor.page
    await page.emulate_media(forced_colors="active", reduced_motion="reduce")
    await visitor.sign_in(account.tenant)
    await visitor.visit(f"{account.tenant.id}/new")
    for name in ("kind", "colour", "font", "who", "when"):
        chosen = page.locator(f"[name={name}]:checked + span")
        other = page.locator(f"[name={name}]:not(:checked) + span").first
        assert await chosen.evaluate(FRAME) != await other.evaluate(FRAME), name
    swatches = page.locator(".swatch")
    grounds = {await each.evaluate(GROUND) for each in await swatches.all()}
    assert len(grounds) == await swatches.count(), "a colour is what it is"
    await visitor.visit(f"{account.tenant.id}/status/{account.own}")
    fill, track = page.locator(".step3 .fill"), page.locator(".step3 .track")
    assert await fill.evaluate(GROUND) != await track.evaluate(GROUND)
    pressed, other = page.locator("[aria-pressed=true]"), page.locator("[aria-pressed=false]")
    assert await pressed.evaluate(FRAME) != await other.evaluate(FRAME)


async def test_nothing_moves_for_somebody_who_asked_for_that(
    visitor: Visitor, running: Running
) -> None:
    account = await furnish(running)
    await visitor.sign_in(account.tenant)
    await visitor.page.locator(".hero .fill").first.wait_for(state="attached")
    assert await visitor.page.evaluate(MOVING) > 0
    await visitor.page.emulate_media(reduced_motion="reduce")
    assert await visitor.page.evaluate(MOVING) == 0


def _longer_by_two_fifths() -> str:
    """The English catalogue, with each text drawn out."""
    source = (files("statusgate") / "ui" / "lang" / "en.js").read_text()

    def drawn_out(found: re.Match[str]) -> str:
        text = found[2]
        room = len(re.sub(r"\{\w+\}", "", text)) * 2 // 5
        words = " ".join("ö" * 6 for _ in range(room // 7 + 1))
        return f"{found[1]}'{text} {words[: max(1, room - 1)]}'"

    return re.sub(r"(: )'((?:[^'\\]|\\.)*)'", drawn_out, source)
