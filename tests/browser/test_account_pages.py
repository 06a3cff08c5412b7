"""People, Delivery and Settings in a real browser: what they show, save and refuse."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator

from statusgate.domain.audience import Reason
from statusgate.domain.instance import State
from statusgate.domain.notification import End
from statusgate.domain.outbound_http import Fault, PushAnswer, PushFailed
from statusgate.notifications.pushing import outcome_name
from tests.browser.conftest import visits
from tests.browser.furnished import ANNA, BORIS, NAMELESS, as_operator
from tests.browser.visitor import Visitor
from tests.integration.api.running import Running, Tenant, running_gateway
from tests.integration.outbound.servers import Request, answer, receiver, reply, reply_and_close
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
PEOPLE = [
    {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna Kern"},
    {"event": "contact", "id": BORIS, "name": "Борис", "contactName": "Борис Ким"},
    {"event": "contact", "id": NAMELESS, "name": "maria"},
]
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> \u202egnp.exe {n}"
WORDS = {
    "en": ("Without a name in the contacts", "No webhook is set", "no web address", "Saved."),
    "ru": ("Без имени в контактах", "Вебхук не задан", "не веб-адрес", "Сохранено."),
    "he": ("ללא שם באנשי הקשר", "לא הוגדר webhook", "אינה כתובת", "נשמר."),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One gateway, whose webhooks may lead to this machine."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    async with running_gateway(folder, outbound_allow="127.0.0.0/8") as gateway:
        yield gateway


async def _settings(tenant: Tenant) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.get("getSettings")).json()
    return found


async def _set(tenant: Tenant, **settings: Any) -> None:
    assert (await tenant.post("setSettings", settings)).code == 200


async def _has(locator: Locator, count: int) -> None:
    async def there() -> bool:
        return await locator.count() == count

    await eventually(there, f"{count} of {locator}", 30)


@pytest.mark.parametrize("language", list(WORDS))
async def test_people_delivery_and_settings_speak_every_language(
    browser: Browser, running: Running, tenant: Tenant, language: str
) -> None:
    nameless, no_webhook, no_address, saved = WORDS[language]
    await tenant.simulate(*PEOPLE)
    async with visits(browser, running, language) as visitor:
        visitor.expected = ["400 (Bad Request)"]
        page = visitor.page
        await visitor.sign_in(tenant)
        await page.locator("nav a[href$=contacts]").click()
        row = page.locator(".contacts li", has_text="+79001234569")
        assert nameless in str(await row.text_content())
        assert await page.locator(".contacts li").count() == 3

        await page.locator("nav a[href$=delivery]").click()
        await visitor.sees(no_webhook)
        await page.locator(".health a").click()

        await page.locator("#webhookUrl").fill("javascript:alert(1)")
        await page.keyboard.press("Enter")
        trouble = page.locator("#trouble-webhookUrl", has_text=no_address)
        await trouble.wait_for()
        await page.locator("#webhookUrl").fill("https://example.org/hook")
        await page.keyboard.press("Enter")
        await visitor.sees(saved)
        assert await trouble.count() == 0
    assert (await _settings(tenant))["webhookUrl"] == "https://example.org/hook"


async def test_people_are_found_by_name_or_number_and_get_a_name(
    visitor: Visitor, tenant: Tenant
) -> None:
    page = visitor.page
    await tenant.simulate(
        *PEOPLE,
        {"event": "contact", "id": "79001234570@c.us", "name": "", "contactName": HOSTILE},
    )
    await visitor.sign_in(tenant)
    await visitor.visit(f"{tenant.id}/contacts")
    rows = page.locator(".contacts li")
    await _has(rows, 4)
    for typed, found in (("KERN", "Anna Kern"), ("234-568", "Борис Ким"), ("ария", "")):
        await page.get_by_role("searchbox").fill(typed)
        await _has(rows, 1 if found else 0)
        if found:
            assert found in str(await rows.text_content())
    await visitor.sees("Nobody here fits.")
    await page.get_by_role("searchbox").fill("<script>")
    assert HOSTILE.replace("\u202e", "‹U+202E›") in str(await rows.text_content())
    await page.get_by_role("searchbox").fill("")

    await page.get_by_role("radio", name="Left out 1").check()
    await rows.get_by_role("button", name="Give a name").click()
    assert "+79001234569" in await visitor.text("dialog")
    await page.locator("dialog #name").fill("Maria B.")
    await page.keyboard.press("Enter")
    await page.get_by_role("radio", name="Left out 0").wait_for(state="attached")
    await _has(page.locator("dialog"), 0)
    assert (await tenant.post("getStatusAudience", {"limit": 0})).json()["total"] == 4
    people = (await tenant.get("getContacts")).json()
    assert {one["id"]: one["contactName"] for one in people}[NAMELESS] == "Maria B."


async def test_a_sandbox_without_people_gets_some_at_the_press_of_a_button(
    visitor: Visitor, tenant: Tenant
) -> None:
    page = visitor.page
    await visitor.sign_in(tenant)
    await visitor.visit(f"{tenant.id}/contacts")
    add = page.locator(".contacts").get_by_role("button", name="Add 20 contacts")
    await add.click()  # the page of statuses has such a button too
    await page.locator(".contacts li").first.wait_for()


async def test_the_webhooks_health_says_what_is_wrong_and_a_test_what_comes_of_it(
    visitor: Visitor, tenant: Tenant
) -> None:
    page = visitor.page
    says = [answer("502 Bad Gateway")]

    async def behave(request: Request, writer: Any) -> None:
        await reply(says[-1])(request, writer)

    async with receiver(behave) as hook:
        await _set(tenant, webhookUrl=f"{hook.url}&key=secret", stateWebhook="yes")
        await visitor.sign_in(tenant)
        await visitor.visit(f"{tenant.id}/delivery")
        await visitor.sees("Nothing sent yet")
        await tenant.simulate({"event": "state", "state": "suspended"})
        await visitor.sees("The receiver has a fault (502)")
        await page.locator(".state.bad").wait_for()
        await visitor.sees("Next attempt")
        assert await visitor.text(".facts dd") == f"http://127.0.0.1:{hook.port}"
        assert "secret" not in await page.content()
        assert "1 attempt" in await visitor.text(".queue .result")

        says.append(answer("204 No Content"))
        send = page.get_by_role("button", name="Send a test")
        await send.click()
        await visitor.sees("the receiver answered 204 after")
        visitor.expected = ["429 (Too Many Requests)"]
        await send.click()
        await visitor.sees("Too many requests")
        assert await send.get_attribute("aria-busy"), "for as long as Retry-After says"

        await _set(tenant, webhookUrl=f"{hook.url}&new=1")
        await visitor.sees("The webhook works")
        await page.get_by_role("radio", name="Ended").check()
        await page.locator(".queue .result", has_text="Delivered").wait_for()


async def test_every_fault_of_a_test_has_its_words(visitor: Visitor, running: Running) -> None:
    page = visitor.page
    faults = {
        "refuses it (404)": reply(answer("404 Not Found")),
        "gone for good (410)": reply(answer("410 Gone")),
        "leads elsewhere (302)": reply(answer("302 Found", "Location: http://example.org/")),
        "broke off": reply_and_close(),
    }
    await running.create()
    await as_operator(visitor)
    await page.locator(".accounts li").first.wait_for()

    async def see(words: str, url: str) -> None:
        tenant = await running.create(webhookUrl=url, stateWebhook="yes")
        await visitor.visit(f"{tenant.id}/delivery")
        await page.locator(".head", has_text=str(tenant.id)[-4:]).wait_for()
        await page.get_by_role("button", name="Send a test").click()
        await page.locator(".outcome.trouble", has_text=words).wait_for()

    url = ""
    for words, behave in faults.items():
        async with receiver(behave) as hook:
            url = hook.url
            await see(words, url)
    await see("cannot be reached", url)
    await see("may not call this address", "http://10.0.0.1/hook")


async def test_notifications_come_in_pages_and_those_that_ended_say_how(
    visitor: Visitor, tenant: Tenant
) -> None:
    page = visitor.page
    await _set(tenant, statusReceiptWebhook="yes")
    guests = [f"7912{n:07}@c.us" for n in range(60)]
    await tenant.simulate(
        *({"event": "contact", "id": one, "name": "", "contactName": "Guest"} for one in guests)
    )
    status_id = (await tenant.post("sendTextStatus", {"message": "Hi"})).json()["idMessage"]
    for status in ("delivered", "read"):
        receipt = {"event": "receipt", "idMessage": status_id, "status": status}
        await tenant.simulate(*({**receipt, "participant": one} for one in guests))
    await visitor.sign_in(tenant)
    await visitor.visit(f"{tenant.id}/delivery")
    rows = page.locator(".queue li")
    await page.get_by_role("radio", name="Waiting 120").wait_for(state="attached")
    await _has(rows, 50)
    more = page.get_by_role("button", name="Show more")
    await more.click()
    await _has(rows, 100)
    await more.click()
    await _has(rows, 120)
    assert not await more.is_visible()

    first = (await tenant.get("receiveNotification")).json()["receiptId"]
    target = f"{tenant.path('deleteNotification')}/{first}"
    assert (await tenant.running.request("DELETE", target)).code == 200
    cleared = await tenant.running.request("DELETE", tenant.path("clearWebhooksQueue"))
    assert cleared.code == 200
    await visitor.sees("Nothing waits.")
    await page.get_by_role("radio", name="Ended").check()
    await _has(rows.filter(has_text="Cleared by a program"), 50)
    await more.click()
    await more.click()
    await _has(rows, 120)
    await _has(rows.filter(has_text="Fetched by a program"), 1)


async def test_a_wrong_setting_is_named_at_its_field_and_nothing_is_saved(
    visitor: Visitor, tenant: Tenant
) -> None:
    visitor.expected = ["400 (Bad Request)"]
    page = visitor.page
    before = await _settings(tenant)
    await visitor.sign_in(tenant)
    await visitor.visit(f"{tenant.id}/settings")
    likes = page.get_by_role("switch", name="Likes", exact=True)
    await likes.focus()
    await page.keyboard.press("Space")
    wrong = {
        "#webhookUrl": {
            HOSTILE: "no web address",
            "http://a:b@example.org/": "user name or password",
            "https://example.org/#x": "Leave it out",
            "https://example.org:22/": "port has to be",
        },
        "#webhookUrlToken": {"пароль": "Only letters without accents", "x" * 4097: "too long"},
        "#delaySendMessagesMilliseconds": {
            "0.1": "from 0.5", "601": "from 0.5", "soon": "from 0.5", "": "from 0.5",
        },
    }  # fmt: skip
    for field, values in wrong.items():
        for value, words in values.items():
            await page.locator(field).fill(value)
            await page.locator(field).press("Enter")
            trouble = page.locator(field.replace("#", "#trouble-"), has_text=words)
            await trouble.wait_for()
            assert await page.locator(field).get_attribute("aria-invalid") == "true"
            assert await page.locator(field).evaluate("it => it === document.activeElement")
        await visitor.sees("Nothing was saved")
        await page.get_by_role("button", name="Undo").click()
        assert not await page.locator(".savebar").is_visible()
        await likes.check()
    assert await _settings(tenant) == before, "not even the switch that was right"

    await page.locator("#delaySendMessagesMilliseconds").fill("2,5")
    await visitor.visit(f"{tenant.id}/contacts")
    await page.locator(".contacts h1").wait_for()
    await visitor.visit(f"{tenant.id}/settings")
    await visitor.sees("2 changes are not saved yet")
    await _set(tenant, statusWebhook="yes")  # by somebody else meanwhile
    await page.get_by_role("button", name="Save").click()
    await visitor.sees("Saved.")
    change = {"delaySendMessagesMilliseconds": 2500, "statusReactionWebhook": "yes"}
    assert await _settings(tenant) == {**before, **change, "statusWebhook": "yes"}
    assert await page.get_by_role("switch", name="Statuses").is_checked()
    assert not await page.locator(".savebar").is_visible()


async def test_a_new_token_is_shown_once_and_the_page_goes_on_with_it(
    visitor: Visitor, tenant: Tenant
) -> None:
    page = visitor.page
    await page.goto(f"{visitor.url}/ui/")
    await page.get_by_role("checkbox").check()
    await page.locator("#id").fill(str(tenant.id))
    await page.locator("#token").fill(tenant.token)
    await page.keyboard.press("Enter")
    await page.locator(".strip").wait_for()
    await visitor.visit(f"{tenant.id}/settings")
    await page.locator("#webhookUrl").press("Enter")  # nothing was changed: nothing is asked
    await page.get_by_role("button", name="Make a new token").click()
    await visitor.sees("The old one stops working at once")
    await page.locator("dialog").get_by_role("button", name="Make a new token").click()
    await visitor.sees("It is shown only now")
    new = await page.locator("dialog input").nth(1).input_value()
    await page.locator("dialog").get_by_role("button", name="Copy").nth(1).click()
    await page.locator("dialog").get_by_role("button", name="Copied").wait_for()
    await page.get_by_role("button", name="Continue").click()
    assert (await tenant.get("getStateInstance")).code == 401
    tenant.token = new
    assert (await tenant.get("getStateInstance")).code == 200
    await visitor.visit(f"{tenant.id}/mine")
    await page.locator(".strip").wait_for()
    await page.reload()
    await page.locator(".strip").wait_for()


async def test_an_account_is_restarted_logged_out_and_deleted_by_typing_its_number(
    visitor: Visitor, running: Running, tenant: Tenant
) -> None:
    visitor.expected = ["403 (Forbidden)"]
    page = visitor.page
    dialog = page.locator("dialog")
    other = await running.create()
    await as_operator(visitor)
    await page.locator(".accounts li").first.wait_for()
    await visitor.visit(f"{tenant.id}/settings")
    for name in ("Restart", "Log out"):
        await page.locator(".deeds").get_by_role("button", name=name).click()
        await dialog.get_by_role("button", name=name).click()
        await _has(dialog, 0)
    await tenant.state("notAuthorized")
    await page.locator(".deeds").get_by_role("button", name="Link a phone").wait_for()

    await page.locator(".deeds").get_by_role("button", name="Delete").click()
    await dialog.wait_for()
    await page.go_back()
    await page.locator(".accounts li").first.wait_for()
    await _has(dialog, 0)  # a question about one page, or a token, does not stay over another
    await page.go_forward()
    await page.locator(".deeds").get_by_role("button", name="Delete").click()
    number = await visitor.text("dialog label")
    digits = "".join(one for one in number if one.isdigit())
    await dialog.locator("#typed").fill(digits[:-1])
    await page.keyboard.press("Enter")
    await dialog.get_by_role("button", name="Delete").click()
    assert await dialog.is_visible()
    assert (await tenant.get("getStateInstance")).code == 200
    await dialog.locator("#typed").fill(f"+{digits}")
    await page.keyboard.press("Enter")
    await visitor.sees("The account is deleted.")
    assert (await tenant.get("getStateInstance")).code == 403
    assert (await other.get("getStateInstance")).code == 200

    await visitor.visit(f"{tenant.id}/contacts")
    await visitor.sees("There is no instance with this id.")
    await visitor.visit("accounts")
    await page.locator(".accounts li").first.wait_for()


async def test_a_failing_webhook_is_explained_on_the_accounts_and_leads_to_delivery(
    visitor: Visitor, running: Running
) -> None:
    page = visitor.page
    tenant = await running.create(
        name="Night shop", webhookUrl="http://10.0.0.1/hook", stateWebhook="yes"
    )
    await as_operator(visitor)
    await page.locator(".accounts li").first.wait_for()
    row = page.locator(".accounts li", has_text="Night shop")
    await row.get_by_text("The gateway may not call this address").wait_for()
    await row.get_by_role("link", name="What to do").click()
    await page.wait_for_url(f"{visitor.url}/ui/#/{tenant.id}/delivery")
    await visitor.sees("outbound_allow")


async def test_a_draft_outlives_a_change_of_language_and_dies_with_the_session(
    visitor: Visitor, tenant: Tenant
) -> None:
    page = visitor.page
    await tenant.simulate(*PEOPLE)
    await visitor.sign_in(tenant)
    await visitor.visit(f"{tenant.id}/new")
    await page.locator("textarea").fill("Half-written")
    await page.get_by_role("radio", name="Serif").check()
    await page.get_by_role("radio", name="Chosen people").check()
    await page.get_by_role("checkbox", name="Anna Kern").check()
    await page.get_by_role("checkbox", name="+79001234569").check()
    await page.get_by_role("button", name="Post to 2 people").wait_for()
    await page.locator(".tools select").select_option("he")
    await page.locator("html[lang=he]").wait_for()
    await page.get_by_role("button", name="לפרסם לשני אנשים").wait_for()
    assert await page.locator("textarea").input_value() == "Half-written"
    assert await page.locator(".phone .serif").count() == 1
    await page.locator("[value=media]").check()
    await page.locator("#file").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"milk"}
    )
    await visitor.visit(f"{tenant.id}/contacts")
    await page.locator(".contacts li").first.wait_for()
    await visitor.visit(f"{tenant.id}/new")
    await page.get_by_role("button", name="לפרסם לשני אנשים").wait_for()
    chosen = "file => file.files[0].name"
    assert await page.locator("#file").evaluate(chosen) == "notes.txt"
    assert await page.evaluate("Object.keys(sessionStorage)") == [], "nobody asked to keep it"

    await page.locator(".tools button").click()
    await visitor.sign_in(tenant)
    await visitor.visit(f"{tenant.id}/new")
    await page.locator("textarea").wait_for()
    assert await page.locator("textarea").input_value() == ""


async def test_where_the_session_is_kept_a_draft_outlives_a_reload_until_it_is_posted(
    visitor: Visitor, tenant: Tenant
) -> None:
    page = visitor.page
    await tenant.simulate(*PEOPLE)
    await page.goto(f"{visitor.url}/ui/")
    await page.get_by_role("checkbox").check()
    await page.locator("#id").fill(str(tenant.id))
    await page.locator("#token").fill(tenant.token)
    await page.keyboard.press("Enter")
    await page.locator(".strip").wait_for()
    await visitor.visit(f"{tenant.id}/new")
    await visitor.sees("Without a name in the contacts: 1")
    await page.locator("textarea").fill("Half-written")
    await page.reload()
    await page.locator("textarea").wait_for()
    assert await page.locator("textarea").input_value() == "Half-written"
    await page.get_by_role("button", name="Post to 2 people").click()
    await page.locator(".status h1").wait_for()
    await visitor.visit(f"{tenant.id}/new")
    await page.locator("textarea").wait_for()
    assert await page.locator("textarea").input_value() == ""
    await page.locator(".tools button").click()
    assert await page.evaluate("Object.keys(sessionStorage)") == []


async def test_whatever_the_gateway_may_answer_has_its_words(visitor: Visitor) -> None:
    await visitor.page.goto(f"{visitor.url}/ui/")
    script = str(await visitor.page.locator("script").get_attribute("src"))
    texts: dict[str, str] = await visitor.page.evaluate(
        "async (folder) => (await import(`./${folder}/lang/en.js`)).default",
        script.rpartition("/")[0],
    )
    outcomes = {outcome_name(PushFailed(fault, "")) for fault in Fault}
    outcomes |= {outcome_name(PushAnswer(status)) for status in range(300, 600)}
    shown = [
        *(f"{kind}_{one}" for kind in ("fault", "advice") for one in outcomes),
        *(f"end_{one}" for one in End),
        *(f"skipped_{one}" for one in Reason),
        *(f"state_{one}" for one in State),
    ]
    assert len(outcomes) == 8
    assert [key for key in shown if key not in texts] == []


async def test_the_api_reference_is_one_link_away(visitor: Visitor, tenant: Tenant) -> None:
    await visitor.sign_in(tenant)
    async with visitor.page.context.expect_page() as opened:
        await visitor.page.get_by_role("link", name="API reference").click()
    reference = await opened.value
    await reference.get_by_text("getStatusViewers").first.wait_for()
