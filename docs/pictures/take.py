"""Take the pictures of README and documentation from a demo of its own, the recording too.

    .venv/bin/python docs/pictures/take.py

Takes four minutes. Needs Chromium at /usr/bin/chromium, or where STATUSGATE_CHROMIUM says.
Nothing leaves this machine.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
PORT = 18_765
URL = f"http://127.0.0.1:{PORT}/ui/"
SIGN_IN = re.compile(r"idInstance +(\d+)\s+apiTokenInstance +(\w+)")
PATIENCE = 60.0
LIVELY = 75.0
"""seconds after which the newest post has been seen by some, liked and answered"""
QUIET = ("--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-sync")
COLOURS = 128
LANGUAGES = {"": "en-GB", ".ru": "ru", ".he": "he"}
"""by what stands before ``.png``"""
POSTED = "We open at nine"
SAID = {"": "Fresh bread at nine", ".ru": "Свежий хлеб в девять", ".he": "לחם טרי בתשע"}
SMALL = {"width": 1080, "height": 640}
WIDE = {"width": 1180, "height": 760}
FORM = {"width": 1180, "height": 940}
TALL = {"width": 1180, "height": 1120}
POST_SHOWN = 24
"""pictures of a post that is being viewed, one every two seconds"""


class Account(NamedTuple):
    """What signs in to the demo."""

    instance: str
    token: str


def main() -> None:
    chromium = os.environ.get("STATUSGATE_CHROMIUM", "/usr/bin/chromium")
    with demo() as account, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        record(signed_in(browser, account, "en-GB", SMALL), account)
        time.sleep(LIVELY)
        for suffix, locale in LANGUAGES.items():
            take(browser, account, locale, suffix)
        browser.close()


@contextmanager
def demo() -> Iterator[Account]:
    """A demo, and what it says of its account."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "demo.log")
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [
                    *(sys.executable, "-m", "statusgate", "demo", "--port", str(PORT)),
                    *("--data", folder, "--database", f"sqlite:///{folder}/demo.db"),
                    *("--every", "3600"),
                ],
                stdout=out,
            )
        try:
            yield _announced(log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def _announced(log: Path) -> Account:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := SIGN_IN.search(log.read_text()):
            return Account(*found.groups())
        time.sleep(0.2)
    raise SystemExit("the demo did not say how to sign in")


def signed_in(browser: Browser, account: Account, locale: str, size: dict[str, int]) -> Page:
    """A tab that shows the account's statuses."""
    page = browser.new_context(locale=locale, viewport=size).new_page()  # type: ignore[arg-type]
    page.goto(URL)
    page.locator("#id").fill(account.instance)
    page.locator("#token").fill(account.token)
    page.keyboard.press("Enter")
    page.locator("a[href*='/status/']").first.wait_for()
    page.wait_for_timeout(1500)
    return page


def take(browser: Browser, account: Account, locale: str, suffix: str) -> None:
    """The stills of one language; those of the README in English alone."""
    page = browser.new_context(locale=locale, viewport=SMALL).new_page()  # type: ignore[arg-type]
    page.goto(URL)
    page.locator("#id").wait_for()
    _keep(page, f"sign-in{suffix}")
    page = signed_in(browser, account, locale, WIDE)
    if not suffix:
        _keep(page, "dashboard")
    page.set_viewport_size(TALL)  # type: ignore[arg-type]
    _open(page, 0)
    _keep(page, f"status{suffix}")
    if not suffix:
        page.go_back()
        _open(page, 5)  # one with a day behind it
        page.emulate_media(color_scheme="dark")
        _keep(page, "status-dark")
        page.emulate_media(color_scheme="light")
    _compose(page, account)
    page.locator("#text").fill(SAID[suffix])
    page.set_viewport_size(FORM)  # type: ignore[arg-type]
    _keep(page, f"new-status{suffix}")


def record(page: Page, account: Account) -> None:
    """One post from the first letter to its viewers, as an animated picture."""
    film = Film(page)
    film.show(1500)
    _compose(page, account)
    film.show(900)
    for end in range(3, len(POSTED) + 3, 3):
        page.locator("#text").fill(POSTED[:end])
        film.show(130)
    page.locator("input[name=font][value=SERIF]").check(force=True)
    film.show(500)
    page.locator("input[name=colour][value='#A3560F']").check(force=True)
    film.show(1100)
    page.locator("button.primary").scroll_into_view_if_needed()
    film.show(1300)
    page.locator("button.primary").click()
    page.locator("a[href$='/mine']").first.wait_for()
    for _ in range(POST_SHOWN):
        film.show(260)
        page.wait_for_timeout(2000)
    film.show(1800)
    for down in (240, 480, 720, 960, 1200):
        page.evaluate(f"scrollTo(0, {down})")
        page.wait_for_timeout(200)
        film.show(200 if down % 480 else 1600)
    film.show(2500)
    film.keep(HERE / "recording.webp")


class Film:
    """Pictures of a page, each with the time for which it is shown."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._frames: list[Image.Image] = []
        self._milliseconds: list[int] = []

    def show(self, milliseconds: int) -> None:
        """Add the page as it is."""
        taken = self._page.screenshot(animations="disabled", caret="hide")
        self._frames.append(Image.open(BytesIO(taken)).convert("RGB"))
        self._milliseconds.append(milliseconds)

    def keep(self, file: Path) -> None:
        """Write all of it as one picture that begins again."""
        first, *others = self._frames
        first.save(
            file, save_all=True, append_images=others, duration=self._milliseconds, loop=0,
            quality=70, method=6, minimize_size=True,
        )  # fmt: skip


def _compose(page: Page, account: Account) -> None:
    """Go to the page of a new status."""
    page.evaluate("id => { location.hash = `#/${id}/new`; }", account.instance)
    page.locator("#text").wait_for()
    page.locator(".phone > *").first.wait_for()


def _open(page: Page, place: int) -> None:
    """Go to the status at *place* of the list."""
    page.locator("a[href*='/status/']").nth(place).click()
    page.locator("svg").first.wait_for()
    page.wait_for_timeout(1500)


def _keep(page: Page, name: str) -> None:
    """Write what the page shows, in as many colours as it needs."""
    page.wait_for_timeout(300)
    taken = Image.open(BytesIO(page.screenshot(animations="disabled", caret="hide")))
    few = taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(HERE / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
