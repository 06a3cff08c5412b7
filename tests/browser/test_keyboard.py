"""The dashboard by keyboard alone."""

from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.furnished import ANNA, BORIS, as_operator, furnish, post, stop_at
from tests.browser.visitor import Visitor
from tests.integration.api.running import ADMIN, Running, Tenant
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
PRESSABLE = """() => {
  const all = document.querySelectorAll(
    'a[href], button, input, select, textarea, summary, [tabindex="0"]');
  document.pressable = [...all].filter((each) =>
    each.checkVisibility() && !each.disabled && (each.type !== 'radio' || each.checked)
    && (!document.querySelector('dialog') || each.closest('dialog')));
  document.pressable[0].focus();
  return document.pressable.length;
}"""
FOCUSED = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const seen = one.getBoundingClientRect();
  const rings = [one, one.nextElementSibling].filter((each) => each).map(getComputedStyle);
  return {
    place: document.pressable.indexOf(one),
    html: one.outerHTML.slice(0, 160),
    ringed: rings.some(({outlineStyle, outlineWidth}) =>
      outlineStyle !== 'none' && parseInt(outlineWidth) > 1),
    visible: seen.width > 0 && seen.bottom > 0 && seen.right > 0
      && seen.top < innerHeight && seen.left < innerWidth,
  };
}"""


async def _tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        if await page.evaluate("one => document.activeElement.matches(one)", selector):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached by Tab")


async def test_tab_reaches_all_that_can_be_pressed_in_its_order_and_shows_where_it_is(
    visitor: Visitor, running: Running
) -> None:
    account = await furnish(running)
    page = visitor.page
    await page.emulate_media(reduced_motion="reduce")
    await as_operator(visitor)
    await page.locator(".accounts li").first.wait_for()
    for stop in account.stops:
        await stop_at(visitor, stop)
        count: int = await page.evaluate(PRESSABLE)
        places = [0]
        while places[-1] < count - 1:
            await page.keyboard.press("Tab")
            at: dict[str, Any] | None = await page.evaluate(FOCUSED)
            assert at is not None, (stop, "nothing has the focus")
            assert at["ringed"], (stop, at)
            assert at["visible"], (stop, at)
            places.append(at["place"])
            assert places[-1] - places[-2] in (0, 1), (stop, at)


async def test_the_operator_signs_in_and_a_dialog_keeps_the_focus_until_escape(
    visitor: Visitor, running: Running
) -> None:
    await running.create()
    page, keys = visitor.page, visitor.page.keyboard
    await page.goto(f"{visitor.url}/ui/")
    await page.locator("#id").wait_for()
    await _tab_to(page, "[name=who]")
    await keys.press("ArrowRight")
    await _tab_to(page, "#token")
    await keys.type(ADMIN)
    await keys.press("Enter")
    await page.locator(".accounts li").first.wait_for()
    await _tab_to(page, ".strip .primary")
    await keys.press("Enter")
    await page.locator("dialog #name:focus").wait_for()
    for _ in range(8):
        await keys.press("Tab")
        assert not await page.locator("main :focus, header :focus").count()
    await keys.press("Escape")
    await page.locator("dialog").wait_for(state="detached")
    await page.locator(".strip .primary:focus").wait_for()


async def test_a_status_is_written_and_posted(visitor: Visitor, tenant: Tenant) -> None:
    await tenant.simulate(
        {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna Kern"},
        {"event": "contact", "id": BORIS, "name": "Boris", "contactName": "Boris Kim"},
    )
    page, keys = visitor.page, visitor.page.keyboard
    await visitor.sign_in(tenant)
    await _tab_to(page, ".strip a.primary")
    await keys.press("Enter")
    await page.locator(".compose").wait_for()
    await _tab_to(page, "textarea")
    await keys.type("We open at nine")
    for name, presses in (("colour", 2), ("font", 1), ("who", 1)):
        await _tab_to(page, f"[name={name}]")
        for _ in range(presses):
            await keys.press("ArrowRight")
    await _tab_to(page, "[type=search]")
    await keys.type("boris")
    await _tab_to(page, ".choose input")
    await keys.press("Space")
    await visitor.sees("Post to 1 person")
    await _tab_to(page, "form .primary")
    await keys.press("Enter")
    await page.locator(".status .card").wait_for()
    status_id = page.url.rpartition("/")[2]
    posted = (await tenant.get("getStatus", f"idMessage={status_id}")).json()
    look = posted["extendedTextMessage"]
    assert (look["backgroundColor"], look["font"]) == ("#1E6E8C", "SERIF")
    assert list(posted["participants"]) == [BORIS]


async def test_a_status_is_opened_and_almost_deleted_while_views_come_in(
    visitor: Visitor, tenant: Tenant
) -> None:
    await tenant.simulate({"event": "contact", "id": ANNA, "name": "A", "contactName": "Anna"})
    status_id = await post(tenant, message="First light")
    page, keys = visitor.page, visitor.page.keyboard
    await visitor.sign_in(tenant)
    await page.locator("html[data-live=open]").wait_for()

    await _tab_to(page, ".hero h2 a")
    await tenant.simulate(_seen(status_id, "delivered"))
    await page.locator(".hero .step2 .figure", has_text="1").wait_for()
    await page.locator(".hero h2 a:focus").wait_for()
    await keys.press("Enter")

    await page.locator(".status .danger").wait_for()
    await _tab_to(page, ".status .danger")
    await tenant.simulate(_seen(status_id, "read"))
    await page.locator(".status .step3 .figure", has_text="1").wait_for()
    await page.locator(".status .danger:focus").wait_for()
    await keys.press("Space")
    await page.locator("dialog button:focus", has_text="Keep it").wait_for()
    await keys.press("Escape")
    await page.locator("dialog").wait_for(state="detached")
    await page.locator(".status .danger:focus").wait_for()

    await _tab_to(page, "[data-key=unread]")
    await keys.press("Space")
    await page.locator("[data-key=unread][aria-pressed=true]:focus").wait_for()
    await visitor.sees("Nobody here yet")


async def test_a_button_that_works_for_a_while_keeps_the_focus(
    visitor: Visitor, tenant: Tenant
) -> None:
    page, keys = visitor.page, visitor.page.keyboard
    await visitor.sign_in(tenant)
    await _tab_to(page, ".sandbox button")
    await keys.press("Enter")

    async def met() -> bool:
        return len((await tenant.get("getContacts")).json()) > 10

    await eventually(met, "the people are there")
    await page.locator(".sandbox button:first-child:focus:not([aria-busy])").wait_for()


def _seen(status_id: str, kind: str) -> dict[str, Any]:
    return {"event": "receipt", "idMessage": status_id, "participant": ANNA, "status": kind}
