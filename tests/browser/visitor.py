"""Somebody at the dashboard: a browser tab, and what it did that it must not do."""

from typing import Any

from playwright.async_api import Page, Request

from tests.integration.api.running import Tenant

_REPORTS = """
window.reports = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.reports.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


class Visitor:
    """A tab on the dashboard of a gateway."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.asked: list[Request] = []
        self.expected: list[str] = []
        """what the browser may say on its console, by a part of it"""
        self._said: list[str] = []

    async def listen(self) -> None:
        """Note what the tab asks for and says."""
        self.page.on("request", lambda request: self.asked.append(request))
        self.page.on("console", lambda message: self._said.append(message.text))
        self.page.on("pageerror", lambda error: self._said.append(str(error)))
        await self.page.add_init_script(_REPORTS)

    async def sign_in(self, tenant: Tenant) -> None:
        """Type the account's id and token, by keyboard alone, and wait for its statuses."""
        await self.page.goto(f"{self.url}/ui/")
        await self.page.locator("#id").focus()
        await self.page.keyboard.type(str(tenant.id))
        await self.page.keyboard.press("Tab")
        await self.page.keyboard.type(tenant.token)
        await self.page.keyboard.press("Enter")
        await self.page.locator(".strip .state").wait_for()

    async def visit(self, path: str) -> None:
        """Go to a view by the fragment of its address."""
        await self.page.evaluate("path => { location.hash = path; }", f"#/{path}")

    async def text(self, selector: str) -> str:
        """What an element shows, once it is there."""
        return await self.page.locator(selector).first.inner_text()

    async def sees(self, text: str) -> None:
        """Wait until a text is shown."""
        await self.page.get_by_text(text).first.wait_for()

    async def comes_out_clean(self) -> None:
        """Nothing on the console, no breach of the policy, no other host, no token in a URL."""
        reports: list[Any] = await self.page.evaluate("window.reports ?? []")
        assert reports == [], reports
        said = [each for each in self._said if not any(part in each for part in self.expected)]
        assert said == [], said
        for request in self.asked:
            assert request.url.startswith((f"{self.url}/", f"blob:{self.url}/")), request.url
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            assert not bearer or bearer not in request.url
