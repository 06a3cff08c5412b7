"""An account in which every view has something to show, and the way through all of them."""

import dataclasses
import time
from typing import Any

from playwright.async_api import Page

from tests.browser.visitor import Visitor
from tests.integration.api.running import ADMIN, Running, Tenant
from tests.waiting import eventually

ANNA, BORIS, STRANGER = "79001234567@c.us", "79001234568@c.us", "79990000001@c.us"
NAMELESS = "79001234569@c.us"


@dataclasses.dataclass(frozen=True)
class Stop:
    """A view as it is when somebody looks at it."""

    view: str
    """its address after ``#/``; "" is where somebody signs in"""
    ready: str
    """what is there once it is drawn"""
    press: tuple[str, ...] = ()
    """what is then pressed, to see more of it"""


@dataclasses.dataclass(frozen=True)
class Furnished:
    """An account with contacts, statuses of every kind and in every state."""

    tenant: Tenant
    unlinked: Tenant
    own: str
    failed: str
    waiting: str
    phone: str
    theirs: str

    @property
    def stops(self) -> list[Stop]:
        """Every view, as the operator goes through them."""
        at, status = self.tenant.id, f"{self.tenant.id}/status"
        return [
            Stop("accounts", ".accounts li"),
            Stop("accounts", ".accounts li", press=(".strip .primary",)),
            Stop(f"{self.unlinked.id}/link", ".link button"),
            Stop(
                f"{self.unlinked.id}/link", ".link", press=(".primary", ".code img", "summary")
            ),
            Stop(f"{at}/mine", ".rows .trouble"),
            Stop(f"{at}/people", ".wall li"),
            Stop(f"{at}/scheduled", ".rows li"),
            Stop(f"{status}/{self.own}", ".long li"),
            Stop(f"{status}/{self.own}", ".long li", press=(".figures .danger",)),
            Stop(f"{status}/{self.phone}", ".long li"),
            Stop(f"{status}/{self.failed}", ".figures .trouble"),
            Stop(f"{status}/{self.waiting}", ".figures .danger"),
            Stop(f"{status}/{self.theirs}/{BORIS}", ".said"),
            Stop(f"{at}/new", ".compose"),
            Stop(
                f"{at}/new",
                ".compose",
                press=("[value=some]", ".choose input", "[value=later]"),
            ),
            Stop(f"{at}/new", ".compose", press=("[value=media]", "[value=voice]")),
            Stop(f"{at}/contacts", ".contacts li"),
            Stop(f"{at}/contacts", ".contacts li", press=("[value=excluded]", ".small")),
            Stop(f"{self.unlinked.id}/contacts", ".contacts .primary"),
            Stop(f"{at}/delivery", ".queue li", press=(".tests button",)),
            Stop(f"{self.unlinked.id}/delivery", ".health .button"),
            Stop(f"{at}/settings", ".deeds li", press=("#statusWebhook",)),
            Stop(f"{at}/settings", ".deeds li", press=(".deeds .danger >> nth=1",)),
            Stop(f"{self.unlinked.id}/settings", ".deeds li", press=(".deeds button",)),
        ]


async def furnish(running: Running, words: str = "First light") -> Furnished:
    """Make the account; everybody and everything in it is called *words*."""
    tenant = await running.create(
        name=words, webhookUrl="http://10.0.0.1/", statusWebhook="yes"
    )
    unlinked = await running.create(name=words)
    await unlinked.get("logout")
    await unlinked.state("notAuthorized")
    await tenant.simulate(
        {"event": "contact", "id": ANNA, "name": words, "contactName": words},
        {"event": "contact", "id": BORIS, "name": words, "contactName": words},
        {"event": "contact", "id": NAMELESS, "name": words},
    )
    own = await post(tenant, message=words, participants=[ANNA, BORIS, STRANGER])
    failed = await post(
        tenant,
        "sendMediaStatus",
        urlFile="http://127.0.0.1/a",
        fileName=f"{words}.png",
        caption=words,
    )
    waiting = await post(tenant, message=words, sendAt=int(time.time()) + 90_000)
    seen = [
        {"event": "phoneStatus", "type": "image", "caption": words, "idMessage": "PHONE"},
        *(
            {"event": "incomingStatus", "from": BORIS, "type": kind, "idMessage": kind,
             "text": words, "caption": words}
            for kind in ("text", "image", "video", "audio")
        ),
        *(
            {"event": "receipt", "idMessage": status, "participant": ANNA, "status": "read"}
            for status in (own, "PHONE")
        ),
        *(
            {"event": "reaction", "idMessage": status, "participant": ANNA, "reaction": "💚"}
            for status in (own, "PHONE")
        ),
        {"event": "reply", "idMessage": own, "participant": ANNA, "text": words},
    ]  # fmt: skip
    await tenant.simulate(*seen)
    return Furnished(tenant, unlinked, own, failed, waiting, "PHONE", "image")


async def post(tenant: Tenant, method: str = "sendTextStatus", **body: Any) -> str:
    """Post and wait until it is decided; its id."""
    reply = await tenant.post(method, body)
    assert reply.code == 200, reply.body
    status_id: str = reply.json()["idMessage"]

    async def decided() -> bool:
        found = (await tenant.get("getStatus", f"idMessage={status_id}")).json()
        return "sendAt" in body or found["statusMessage"] != "pending"

    await eventually(decided, "it is sent or failed", 30)
    return status_id


async def as_operator(visitor: Visitor, token: str = ADMIN) -> None:
    """Sign in to all accounts."""
    page = visitor.page
    await page.goto(f"{visitor.url}/ui/")
    await page.locator("input[value=all]").check()
    await page.locator("#token").fill(token)
    await page.keyboard.press("Enter")


async def speak(page: Page, language: str) -> None:
    """Choose a language in the top bar."""
    await page.locator(".tools select").select_option(language)
    await page.locator(f"html[lang={language}]").wait_for()


async def stop_at(visitor: Visitor, stop: Stop) -> None:
    """Go to a view, wait until it is drawn, and press what there is to press."""
    page = visitor.page
    await page.keyboard.press("Escape")
    await visitor.visit(stop.view)
    view = stop.view.partition("/")[2] or stop.view
    await page.locator(f'main:not([aria-busy])[data-view="{view}"]').wait_for()
    await page.locator(stop.ready).first.wait_for()
    for each in stop.press:
        await page.locator(each).first.click()
