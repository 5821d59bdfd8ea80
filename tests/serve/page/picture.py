"""The README's pictures of the page: nano answers a bundled recording that the browser's microphone plays.

python -m tests.serve.page.picture docs/page.png docs/phone.png
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.serve.page.browsing import PHONE, Visit, browser, microphone_file, visit
from tests.serve.running import ROOT, command

RECORDING = ROOT / "models" / "nano" / "demo" / "3-a-sum.ogg"
TYPED = "Define a function called parse date."
DESKTOP = {"width": 820, "height": 640}
LARGEST = 60_000
"""Bytes"""


def asked(tab: Visit, url: str, seconds: float) -> None:
    """A spoken question and a typed one, answered."""
    tab.open(url)
    tab.find("#talk").press("Enter")
    tab.listen(seconds)
    tab.find("#talk").press("Enter")
    tab.expect_answer("83")
    tab.find(".spoken").wait_for()
    tab.find("#question").fill(TYPED)
    tab.find("#question").press("Enter")
    tab.expect_answer("def parse_date")
    tab.page.evaluate("document.activeElement.blur()")


def take(running: Browser, url: str, seconds: float, page: Path, phone: Path) -> None:
    with visit(running, viewport=DESKTOP) as tab:
        asked(tab, url, seconds)
        tab.page.screenshot(path=page)
    with visit(
        running, viewport=PHONE, is_mobile=True, has_touch=True, color_scheme="dark", locale="zh-CN"
    ) as tab:
        asked(tab, url, seconds)
        tab.open(url)  # the microphone begins anew
        tab.find("#open-chats").tap()
        tab.find("#chat-list span").tap()
        tab.find("#talk").tap()
        tab.listen(1.5)
        tab.page.screenshot(path=phone)


def main() -> None:
    page, phone = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        microphone, seconds = microphone_file(RECORDING, folder)
        with command(home=folder) as server, browser(playwright, microphone) as running:
            take(running, server.url, seconds, page, phone)
    for file in (page, phone):
        size = file.stat().st_size
        sys.stdout.write(f"{file}: {size / 1000:.0f} kB\n")
        if size > LARGEST:
            sys.exit(f"{file} is larger than {LARGEST / 1000:.0f} kB")


if __name__ == "__main__":
    main()
