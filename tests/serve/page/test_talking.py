"""Speech into the page, its right answer out of it."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.serve.page.browsing import PHONE, Visit, visit
from tests.serve.running import Command

SUM = "35 + 48 = 83"


@pytest.fixture
def phone(chrome: Browser) -> Iterator[Visit]:
    with visit(chrome, viewport=PHONE, has_touch=True, is_mobile=True, locale="zh-CN") as there:
        yield there
        assert there.complaints == []


def test_holding_the_button_asks_what_was_said(tab: Visit, nano: Command, said: tuple[Path, float]) -> None:
    tab.open(nano.url)
    tab.find("#talk").hover()
    tab.page.mouse.down()
    tab.expect_state("held")
    tab.listen(said[1])
    tab.page.mouse.up()
    tab.expect_answer(SUM)
    expect(tab.find(".question .spoken")).to_contain_text("加")  # written down, after the answer
    assert tab.hosts == {urlsplit(nano.url).netloc}


def test_a_tap_begins_and_a_tap_asks(phone: Visit, nano: Command, said: tuple[Path, float]) -> None:
    phone.open(nano.url)
    phone.find("#talk").tap()
    phone.expect_state("latched")
    phone.listen(said[1])
    phone.find("#talk").tap()
    phone.expect_answer(SUM)


def test_the_space_bar_is_the_button_and_nothing_speaks_when_nobody_does(
    tab: Visit, nano: Command, said: tuple[Path, float]
) -> None:
    tab.open(nano.url)
    tab.page.keyboard.down(" ")
    tab.expect_state("held")
    tab.listen(said[1])
    tab.page.keyboard.up(" ")
    tab.expect_answer(SUM)
    tab.page.keyboard.down(" ")  # the recording is at its end
    tab.listen(0.9)
    tab.page.keyboard.up(" ")
    tab.expect_notice("No speech")
    expect(tab.find("#turns > li")).to_have_count(1)


def test_the_microphone_opens_at_the_first_press_and_hears_what_comes_before_the_next(
    tab: Visit, nano: Command
) -> None:
    tab.page.add_init_script(
        """navigator.mediaDevices.getUserMedia = new Proxy(navigator.mediaDevices.getUserMedia, {
            apply: (target, self, args) => ((window.opened = (window.opened ?? 0) + 1), target.apply(self, args)),
        });"""
    )
    tab.open(nano.url)
    assert tab.page.evaluate("window.opened") is None
    for _ in range(2):
        tab.find("#talk").press("Enter")
        tab.listen(0.5)
        tab.page.keyboard.press("Escape")
    assert tab.page.evaluate("window.opened") == 1
    before = tab.page.evaluate(
        """async () => {
            const { Microphone } = await import("/page/microphone.js");
            const microphone = new Microphone({ heard() {}, lost() {} });
            await microphone.open();
            const looked = async () => {  // until it has heard all that it keeps
                microphone.start();
                const { seconds } = microphone;
                if (seconds > 0.39) return seconds;
                await new Promise((done) => setTimeout(done, 500));
                return looked();
            };
            const seconds = await looked();
            microphone.close();
            return seconds;
        }"""
    )
    assert before == pytest.approx(0.4)


def test_escape_forgets_the_recording(tab: Visit, nano: Command) -> None:
    tab.open(nano.url)
    tab.find("#talk").press("Enter")
    tab.expect_state("latched")
    tab.listen(0.8)
    tab.page.keyboard.press("Escape")
    tab.expect_state("idle")
    expect(tab.find("#turns > li")).to_have_count(0)


def test_where_no_socket_gets_through_a_request_takes_the_recording(
    tab: Visit, nano: Command, said: tuple[Path, float]
) -> None:
    tab.page.route_web_socket("**/v1/realtime", lambda socket: socket.close())
    tab.open(nano.url)
    tab.find("#talk").press("Enter")
    tab.listen(said[1])
    tab.find("#talk").press("Enter")
    tab.expect_answer(SUM)
    expect(tab.find(".question .spoken")).to_contain_text("加")
    assert any(url.endswith("/v1/chat/completions") for url in tab.requests)


def test_without_audio_worklets_a_file_is_recorded(
    tab: Visit, nano: Command, said: tuple[Path, float]
) -> None:
    pytest.importorskip("av", reason="webm needs the [media] extra")
    tab.page.add_init_script("delete window.AudioWorkletNode")
    tab.open(nano.url)
    tab.find("#talk").press("Enter")
    tab.listen(said[1])
    tab.find("#talk").press("Enter")
    tab.expect_answer(SUM)
