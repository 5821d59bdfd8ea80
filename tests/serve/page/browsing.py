"""A real browser with a microphone that plays a recording: Debian's chromium, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import soundfile
import soxr
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from tests.serve.running import PATIENCE_S

PATIENCE_MS = 1000 * PATIENCE_S
LEAD_S, TAIL_S = 0.6, 0.3
"""Silence around the recording: a capture begins some hundredths of a second late"""
RATE = 16_000
DESKTOP, PHONE = {"width": 900, "height": 720}, {"width": 360, "height": 740}


def chromium() -> str | None:
    """The system's browser."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def microphone_file(recording: Path, folder: Path) -> tuple[Path, float]:
    """What the microphone will play, and its length in s."""
    sound, rate = soundfile.read(recording, dtype="float32")
    sound = soxr.resample(sound, rate, RATE)
    sound = np.concatenate([np.zeros(round(LEAD_S * RATE)), sound, np.zeros(round(TAIL_S * RATE))])
    sound += 1e-4 * np.random.default_rng(0).standard_normal(len(sound))
    file = folder / f"{recording.stem}.wav"
    soundfile.write(file, sound, RATE, subtype="PCM_16")
    return file, len(sound) / RATE


@contextmanager
def browser(
    playwright: Playwright, microphone: Path | None = None, *, allowed: bool = True, rules: str = ""
) -> Iterator[Browser]:
    """`microphone`: None for a machine that has none."""
    arguments = ["--use-fake-ui-for-media-stream" if allowed else "--deny-permission-prompts"]
    if microphone is not None:
        arguments += [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
        ]
    if rules:
        arguments.append(f"--host-resolver-rules={rules}")
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with playwright.chromium.launch(executable_path=chromium(), args=arguments) as running:
        yield running


@dataclass
class Visit:
    """The page in one tab, and what it did."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """of the browser: scripts that failed, rules of the Content-Security-Policy that were broken"""

    @property
    def hosts(self) -> set[str]:
        """Whom the page asked for anything."""
        return {urlsplit(url).netloc for url in self.requests}

    def open(self, url: str, link: str = "ready") -> None:
        self.page.goto(url)
        self.expect_link(link)

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def expect_link(self, state: str) -> None:
        self.find(f'body[data-link="{state}"]').wait_for(timeout=PATIENCE_MS)

    def expect_state(self, state: str) -> None:
        self.find(f'body[data-state="{state}"]').wait_for(timeout=PATIENCE_MS)

    def listen(self, seconds: float) -> None:
        """Wait until so much was recorded."""
        expect(self.find("#seconds")).not_to_be_empty(timeout=PATIENCE_MS)
        while float(self.find("#seconds").inner_text().split()[0]) < seconds:
            self.page.wait_for_timeout(30)

    def expect_answer(self, text: str, ended: str = "stop") -> None:
        """The newest answer, when it is over."""
        self.find(f'#turns > li:last-child[data-ended="{ended}"]').wait_for(timeout=PATIENCE_MS)
        expect(self.find("#turns > li:last-child .answer")).to_contain_text(text)

    def expect_notice(self, words: str) -> None:
        expect(self.find("#notice")).to_contain_text(words, timeout=PATIENCE_MS)


@contextmanager
def visit(running: Browser, **options: object) -> Iterator[Visit]:
    """A tab of its own, with nothing kept from before."""
    options = {"viewport": DESKTOP, "locale": "en-US", **options}
    context = running.new_context(**options)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    try:
        there = Visit(context.new_page())
        there.page.on("request", lambda request: there.requests.append(request.url))
        there.page.on("websocket", lambda socket: there.requests.append(socket.url))
        there.page.on("pageerror", lambda error: there.complaints.append(str(error)))
        there.page.on(
            "console",
            lambda message: message.type in ("error", "warning") and there.complaints.append(message.text),
        )
        yield there
    finally:
        context.close()
