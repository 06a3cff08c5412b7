"""The dashboard in a real browser on a real gateway with sandbox accounts."""

import json
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.browser.conftest import visits
from tests.browser.visitor import Visitor
from tests.integration.api.running import ADMIN, Running, Tenant
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANNA, BORIS = "79001234567@c.us", "79001234568@c.us"
PEOPLE = [
    {"event": "contact", "id": ANNA, "name": "Anna", "contactName": "Anna Kern"},
    {"event": "contact", "id": BORIS, "name": "Борис", "contactName": "Борис Ким"},
]
VIEWS = ("mine", "people", "scheduled", "new", "contacts", "delivery", "settings")
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> \u202egnp.exe {n}"
WORDS = {
    "en": ("ltr", "Viewed", "New status", "Post to 2 people", "All statuses"),
    "ru": ("ltr", "Просмотрено", "Новый статус", "Опубликовать для 2 человек", "Все статусы"),
    "he": ("rtl", "נצפה", "סטטוס חדש", "לפרסם לשני אנשים", "כל הסטטוסים"),
}


async def _post(tenant: Tenant, text: str, **more: Any) -> str:
    reply = await tenant.post("sendTextStatus", {"message": text, **more})
    status_id: str = reply.json()["idMessage"]

    async def sent() -> bool:
        found = (await tenant.get("getStatus", f"idMessage={status_id}")).json()
        return "sendAt" in more or found["statusMessage"] not in ("pending",)

    await eventually(sent, "it is sent", 30)
    return status_id


async def _viewed(tenant: Tenant, status_id: str, who: str) -> None:
    seen = {"event": "receipt", "idMessage": status_id, "participant": who, "status": "read"}
    await tenant.simulate(seen)


@pytest.mark.parametrize("language", list(WORDS))
async def test_somebody_signs_in_looks_at_a_status_and_posts_one(
    browser: Browser, running: Running, tenant: Tenant, language: str
) -> None:
    direction, viewed, new, post_to, back = WORDS[language]
    await tenant.simulate(*PEOPLE)
    status_id = await _post(tenant, "First light")
    await _viewed(tenant, status_id, ANNA)
    await tenant.simulate(
        {"event": "reply", "idMessage": status_id, "participant": ANNA, "text": "Lovely!"},
        {"event": "incomingStatus", "from": BORIS, "type": "image", "caption": "Sea"},
    )
    async with visits(browser, running, language) as visitor:
        page = visitor.page
        await visitor.sign_in(tenant)
        root = page.locator("html")
        assert await root.get_attribute("lang") == language
        assert await root.get_attribute("dir") == direction
        assert (await visitor.text(".hero .step3")).split()[:2] == ["1", viewed]
        assert await visitor.text(".hero .viewers .name") == "Anna Kern"

        await page.locator(".hero h2 a").click()
        await visitor.sees("Lovely!")
        assert await visitor.text(".status h1") == "First light"
        await page.locator(".long .name", has_text="Anna Kern").wait_for()
        assert await page.locator(".curve table").count() == 1
        assert await visitor.text(".back") == back

        await page.locator(".back").click()
        await page.locator(f'a[href$="/{tenant.id}/people"]').click()
        await page.locator(".wall .card img").wait_for()
        await page.locator(".wall a").click()
        await page.locator(".card img.whole").wait_for()
        assert await visitor.text(".status h1") == "Борис Ким"

        await visitor.visit(f"{tenant.id}/mine")
        await page.locator(".strip a.button").click()
        assert await visitor.text(".compose h1") == new
        await page.locator("textarea").fill("Second breakfast")
        assert await visitor.text(".phone .card") == "Second breakfast"
        await page.get_by_role("button", name=post_to).click()
        await page.locator(".status h1").wait_for()
        assert await visitor.text(".status h1") == "Second breakfast"


async def test_what_happens_is_seen_without_asking(visitor: Visitor, tenant: Tenant) -> None:
    await tenant.simulate(*PEOPLE)
    status_id = await _post(tenant, "Look again")
    await visitor.sign_in(tenant)
    assert (await visitor.text(".hero .step3")).split()[0] == "0"
    await visitor.page.locator("html[data-live=open]").wait_for()
    await _viewed(tenant, status_id, BORIS)
    await visitor.page.locator(".hero .viewers .name", has_text="Борис Ким").wait_for()
    assert (await visitor.text(".hero .step3")).split()[0] == "1"


async def test_texts_of_strangers_are_texts(visitor: Visitor, tenant: Tenant) -> None:
    await tenant.simulate(
        {"event": "contact", "id": ANNA, "name": HOSTILE, "contactName": HOSTILE},
        {"event": "incomingStatus", "from": ANNA, "type": "text", "text": HOSTILE},
        {"event": "incomingStatus", "from": ANNA, "type": "image", "caption": HOSTILE},
    )
    status_id = await _post(tenant, HOSTILE)
    await _viewed(tenant, status_id, ANNA)
    shown = HOSTILE.replace("\u202e", "‹U+202E›")
    await visitor.sign_in(tenant)
    assert await visitor.text(".hero h2") == shown
    assert await visitor.text(".hero .viewers .name") == shown
    await visitor.page.locator(".hero h2 a").click()
    assert await visitor.text(".status h1") == shown
    await visitor.visit(f"{tenant.id}/people")
    assert await visitor.text(".wall .name") == shown
    await visitor.visit(f"{tenant.id}/%3Cscript%3E/%zz")
    await visitor.page.locator(".hero").wait_for()
    assert await visitor.page.locator("script:not([type=module]), [onerror]").count() == 0


async def test_wrong_credentials_are_named_and_a_session_is_kept_only_if_asked(
    visitor: Visitor, tenant: Tenant
) -> None:
    visitor.expected = ["401 (Unauthorized)", "403 (Forbidden)"]
    page = visitor.page
    await page.goto(f"{visitor.url}/ui/")
    await page.locator("#id").fill(str(tenant.id))
    await page.locator("#token").fill("0" * 50)
    await page.keyboard.press("Enter")
    await visitor.sees("This token is not the one of this instance.")
    await page.locator("#id").fill("1101999999")
    await page.keyboard.press("Enter")
    await visitor.sees("There is no instance with this id.")

    await visitor.sign_in(tenant)
    await page.reload()
    await page.locator("#id").wait_for()
    await page.get_by_role("checkbox").check()
    await page.locator("#id").fill(str(tenant.id))
    await page.locator("#token").fill(tenant.token)
    await page.keyboard.press("Enter")
    await page.locator(".strip").wait_for()
    await page.reload()
    await page.locator(".strip").wait_for()

    token = (await tenant.get("updateApiToken")).json()["apiTokenInstance"]
    tenant.token = token
    await visitor.visit(f"{tenant.id}/scheduled")
    await visitor.sees("the token is no longer valid")
    await page.locator("#id").wait_for()


async def test_a_status_is_scheduled_for_chosen_people_and_called_off(
    visitor: Visitor, tenant: Tenant
) -> None:
    await tenant.simulate(*PEOPLE)
    page = visitor.page
    await visitor.sign_in(tenant)
    await visitor.sees("No status yet")
    await visitor.visit(f"{tenant.id}/new")
    await page.locator("textarea").fill("We open at nine")
    await page.get_by_role("radio", name="Chosen people").check()
    await page.get_by_role("searchbox").fill("борис")
    await page.get_by_role("checkbox").check()
    await page.get_by_role("radio", name="At a time").check()
    await page.locator("#at").fill("2027-01-01T09:00")
    await page.get_by_role("button", name="Schedule for 1 person").click()
    await page.locator(".told .text").wait_for()
    assert await visitor.text(".told .text") == "We open at nine"
    waiting = (await tenant.get("showMessagesQueue")).json()
    assert waiting[0]["body"]["participants"] == [BORIS]
    assert waiting[0]["body"]["sendAt"] == 1798790400, "nine o'clock of the browser's zone"
    await page.locator(".rows a").click()
    await page.get_by_role("button", name="Do not post").click()
    await page.locator("dialog").get_by_role("button", name="Do not post").click()
    await visitor.sees("No status yet")
    assert (await tenant.get("getMessagesCount")).json() == {"count": 0}


async def test_the_first_page_is_light(visitor: Visitor, tenant: Tenant) -> None:
    await visitor.page.goto(f"{visitor.url}/ui/")
    await visitor.page.locator("#id").wait_for()
    assert len(visitor.asked) <= 12
    await visitor.sign_in(tenant)
    files = [one for one in visitor.asked if "/ui/" in one.url]
    weights = [(await one.sizes())["responseBodySize"] for one in files]
    assert 10_000 < sum(weights) <= 100_000, "also with the statuses that follow"


async def test_every_language_says_the_same_things(visitor: Visitor, tenant: Tenant) -> None:
    await visitor.page.goto(f"{visitor.url}/ui/")
    script = await visitor.page.locator("script").get_attribute("src")
    folder = str(script).rpartition("/")[0]
    catalogues = await visitor.page.evaluate(
        """async ([folder, languages]) => Object.fromEntries(await Promise.all(
            languages.map(async (each) =>
                [each, (await import(`./${folder}/lang/${each}.js`)).default])))""",
        [folder, list(WORDS)],
    )
    english = catalogues["en"]
    for language, catalogue in catalogues.items():
        assert catalogue.keys() == english.keys(), language
        for key, entry in catalogue.items():
            assert isinstance(entry, str) == isinstance(english[key], str), (language, key)
            assert isinstance(entry, str) or "other" in entry, (language, key)
    assert ADMIN not in json.dumps(catalogues)


async def test_the_demos_link_signs_in_leaves_the_address_and_replaces_no_session(
    visitor: Visitor, running: Running, tenant: Tenant
) -> None:
    visitor.expected = ["404 (Not Found)"]
    other = await running.create()
    page, app = visitor.page, running.built.app
    link = app.sign_in_link(tenant.id, tenant.token)
    await page.goto(f"{visitor.url}{link}")
    await page.locator(".strip .state").wait_for()
    assert "link" not in page.url

    again = app.sign_in_link(other.id, other.token)
    await page.evaluate("hash => { location.hash = hash; }", again.partition("#")[2])
    await page.wait_for_url(f"{visitor.url}/ui/")
    await page.locator(f'a[href="#/{tenant.id}/mine"]').first.wait_for()

    await page.goto("about:blank")
    await page.goto(f"{visitor.url}{link}")
    await visitor.sees("This link has been used.")
