"""The operator's pages: all accounts, a new one, and linking a phone."""

import io

import pytest
from PIL import Image

from tests.browser.visitor import Visitor
from tests.integration.api.running import ADMIN, Running, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _picture() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (90, 160), "#0B6B4F").save(written, "PNG")
    return written.getvalue()


async def _as_operator(visitor: Visitor, token: str = ADMIN) -> None:
    page = visitor.page
    await page.goto(f"{visitor.url}/ui/")
    await page.get_by_role("radio", name="All accounts").check()
    await page.locator("#token").fill(token)
    await page.keyboard.press("Enter")


async def test_the_operator_makes_a_sandbox_account_and_gets_its_token_once(
    visitor: Visitor, running: Running
) -> None:
    page = visitor.page
    await _as_operator(visitor)
    await visitor.sees("No account yet")
    await page.locator(".empty").get_by_role("button", name="Try a sandbox account").click()
    await page.locator("dialog #name").fill("Corner <b>shop</b>")
    await page.get_by_role("button", name="Create").click()
    await visitor.sees("It is shown only now")
    inputs = page.locator("dialog input")
    made = Tenant(
        running, int(await inputs.nth(0).input_value()), await inputs.nth(1).input_value()
    )
    assert (await made.get("getStateInstance")).code == 200
    await page.get_by_role("button", name="Continue").click()
    await page.locator(".strip .state.well").wait_for()
    await visitor.visit("accounts")
    assert await visitor.text(".accounts .name") == "Corner <b>shop</b>"


async def test_the_sick_come_first_and_a_phone_is_linked(
    visitor: Visitor, running: Running
) -> None:
    page = visitor.page
    sick = await running.create(name="Night shop")
    await sick.get("logout")
    await sick.state("notAuthorized")
    await running.create(name="Day shop")
    await _as_operator(visitor)
    await page.locator(".accounts li").first.wait_for()
    assert "Night shop" in await visitor.text(".accounts li")
    assert "Signed out" in await visitor.text(".accounts .reason")

    await page.locator(".accounts li").first.get_by_role("link", name="Link a phone").click()
    await page.get_by_role("button", name="Show the QR code").click()
    await page.locator(".code img").wait_for()
    await page.locator("summary").click()
    await page.locator("#number").fill("+7 (900) 123-45-67")
    await page.get_by_role("button", name="Get a code").click()
    await visitor.page.locator(".pairing", has_text="-").wait_for()

    await sick.simulate({"event": "state", "state": "authorized"})
    await visitor.sees("The phone is linked")
    await page.get_by_role("link", name="Post your first status").click()
    await page.locator(".compose").wait_for()


async def test_a_wrong_admin_token_is_said_to_be_wrong(visitor: Visitor) -> None:
    await _as_operator(visitor, "not-the-admin-token-0123456789")
    await visitor.sees("This is not the admin token of this gateway.")


async def test_a_new_sandbox_account_comes_to_life_by_its_buttons(
    visitor: Visitor, tenant: Tenant
) -> None:
    page = visitor.page
    await visitor.sign_in(tenant)
    press = page.locator(".sandbox")
    await press.get_by_role("button", name="Somebody views").click()
    await visitor.sees("There is nobody yet")
    await press.get_by_role("button", name="Add 20 contacts").click()
    await press.locator("button:not([aria-busy])", has_text="Add 20 contacts").wait_for()
    await visitor.visit(f"{tenant.id}/new")
    await page.locator("#file").wait_for(state="attached")
    await page.get_by_role("radio", name="Picture or video").check()
    await page.locator("#file").set_input_files(
        {"name": "ring.png", "mimeType": "image/png", "buffer": _picture()}
    )
    await page.locator(".phone img.whole").wait_for()
    await page.locator("textarea").fill("The first one")
    await page.get_by_role("button", name="Post to").click()
    await page.locator(".status .card img.whole").wait_for()
    await visitor.visit(f"{tenant.id}/mine")
    for name in ("Somebody views", "Somebody likes", "Somebody replies", "A contact posts"):
        await press.get_by_role("button", name=name).click()
    await visitor.sees("1 like")
    await visitor.sees("1 reply")
    await page.locator(f'a[href$="/{tenant.id}/people"]').click()
    await page.locator(".wall li").wait_for()
    await press.get_by_role("button", name="Unlink or link the phone").click()
    await visitor.sees("Signed out")
