"""Take the pictures of README and documentation from a demo of its own.

    .venv/bin/python docs/pictures/take.py

Needs Chromium at /usr/bin/chromium, or where STATUSGATE_CHROMIUM says. Nothing leaves this
machine.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).parent
PORT = 18_765
LINK = re.compile(rf"http://127\.0\.0\.1:{PORT}/ui/#link=\S+")
PATIENCE = 60.0
LIVELY = 75.0
"""seconds after which the newest post has been seen by some, liked and answered"""
QUIET = ("--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-sync")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "demo.log")
        with log.open("wb") as out:
            demo = subprocess.Popen(  # noqa: S603 - our own command
                [
                    *(sys.executable, "-m", "statusgate", "demo", "--port", str(PORT)),
                    *("--data", folder, "--database", f"sqlite:///{folder}/demo.db"),
                ],
                stdout=out,
            )
        try:
            link = _link(log)
            time.sleep(LIVELY)
            with sync_playwright() as playwright:
                chromium = os.environ.get("STATUSGATE_CHROMIUM", "/usr/bin/chromium")
                browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
                _take(browser, link)
                browser.close()
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(PATIENCE)


def _link(log: Path) -> str:
    """The link that signs in, once the demo has printed it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := LINK.search(log.read_text()):
            return found[0]
        time.sleep(0.2)
    raise SystemExit("the demo did not print its link")


def _take(browser: Browser, link: str) -> None:
    """The link signs in once; so one page is shown in several ways."""
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.goto(link)
    page.locator("a[href*='/status/']").first.wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=HERE / "dashboard.png")
    page.locator("a[href*='/status/']").nth(5).click()  # one with a day behind it
    page.locator("svg").first.wait_for()
    page.wait_for_timeout(1500)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 1280, "height": 1250})
    page.screenshot(path=HERE / "status-dark.png")


if __name__ == "__main__":
    main()
