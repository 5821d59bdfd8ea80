"""What the page says when something is not there."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, expect

from edge_llasm import Assistant
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.limits import Limits
from tests.serve.page.browsing import Visit, browser, visit
from tests.serve.running import PATIENCE_S, Command, backend_for, command, hosted, until


@contextmanager
def tab_of(running: Browser) -> Iterator[Visit]:
    with visit(running) as there:
        yield there


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_question_outlives_the_server(chrome: Browser, said: tuple[Path, float], tmp_path: Path) -> None:
    port = str(free_port())
    with tab_of(chrome) as tab:
        with command("--port", port, home=tmp_path) as server:
            tab.open(server.url)
            tab.find("#talk").press("Enter")
            tab.listen(said[1] / 2)
            os.kill(server.pid, signal.SIGKILL)
            tab.expect_link("gone")
            tab.expect_notice("not reachable")
            tab.listen(said[1])
            tab.find("#talk").press("Enter")
            tab.expect_state("waiting")
        with command("--port", port, home=tmp_path):
            tab.expect_answer("35 + 48 = 83")
            expect(tab.find("#notice")).to_be_hidden()


def test_a_chat_goes_on_after_the_server_came_back(chrome: Browser, tmp_path: Path) -> None:
    port = str(free_port())
    sent: list[str] = []
    with tab_of(chrome) as tab:
        tab.page.on("websocket", lambda ws: ws.on("framesent", lambda frame: sent.append(str(frame))))
        with command("--port", port, home=tmp_path) as server:
            tab.open(server.url)
            tab.find("#question").fill("Print total.")
            tab.find("#send").click()
            tab.expect_answer("print(total)")
        tab.expect_link("gone")
        sent.clear()
        with command("--port", port, home=tmp_path):
            tab.expect_link("ready")
            items = [frame for frame in sent if "conversation.item.create" in frame]
            assert len(items) == 2
            assert "Print total." in items[0] and "print(total)" in items[1]


def test_a_microphone_that_is_not_allowed(
    playwright: Playwright, nano: Command, said: tuple[Path, float]
) -> None:
    with browser(playwright, said[0], allowed=False) as running, tab_of(running) as tab:
        tab.open(nano.url)
        tab.find("#talk").press("Enter")
        tab.expect_notice("not allowed")
        tab.expect_state("idle")
        tab.find("#question").fill("Print total.")  # typing is still there
        tab.find("#question").press("Enter")
        tab.expect_answer("print(total)")
        assert tab.complaints == []


def test_a_machine_without_a_microphone(playwright: Playwright, nano: Command) -> None:
    with browser(playwright) as running, tab_of(running) as tab:
        tab.open(nano.url)
        tab.find("#talk").click()
        tab.expect_notice("no microphone")


def test_a_page_that_browsers_give_no_microphone_says_what_to_do(
    playwright: Playwright, tmp_path: Path
) -> None:
    with (
        command("--allow-host", "sofa.test", home=tmp_path) as server,
        browser(playwright, rules="MAP sofa.test 127.0.0.1") as running,
        tab_of(running) as tab,
    ):
        tab.open(server.url.replace("127.0.0.1", "sofa.test"))
        tab.find("#talk").click()
        tab.expect_notice("serve --lan")


def test_a_full_queue_is_told_and_the_question_can_be_asked_again(chrome: Browser, tiny_bundle: Path) -> None:
    backend = backend_for(tiny_bundle, Limits(queue=1))
    with hosted(backend) as url, tab_of(chrome) as tab:
        tab.open(url)
        with waiting(backend, 2):  # one is being answered, one waits
            tab.find("#question").fill("hello")
            tab.find("#send").click()
            expect(tab.find("#turns .note")).to_contain_text("Too many questions")
        tab.find("#turns .again").click()
        tab.find('#turns > li[data-ended="stop"], #turns > li[data-ended="tooLong"]').wait_for()


def test_a_recording_over_the_limit_is_refused_at_once(chrome: Browser, tiny_bundle: Path) -> None:
    backend = backend_for(tiny_bundle, Limits(audio_seconds=2))
    with hosted(backend) as url, tab_of(chrome) as tab:
        tab.open(url)
        tab.find("#talk").press("Enter")
        tab.expect_notice("2 s of sound at most")
        tab.expect_state("idle")
        expect(tab.find("#turns > li")).to_have_count(0)


def test_a_browser_that_keeps_nothing_says_so(chrome: Browser, nano: Command) -> None:
    with tab_of(chrome) as tab:
        tab.page.add_init_script(
            "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"
        )
        tab.open(nano.url)
        tab.find("#question").fill("Print total.")
        tab.find("#question").press("Enter")
        tab.expect_answer("print(total)")
        tab.expect_notice("keeps nothing")


def test_stop_ends_the_answer(chrome: Browser, tiny_bundle: Path) -> None:
    backend = backend_for(tiny_bundle, Limits())
    with hosted(backend) as url, tab_of(chrome) as tab:
        tab.open(url)
        with waiting(backend, 1):
            tab.find("#question").fill("hello")
            tab.find("#send").click()
            tab.expect_state("thinking")
            tab.find("#stop").click()
            tab.find('#turns > li[data-ended="stopped"]').wait_for()
        until(lambda: backend.decoder.queued == 0 and not backend.decoder.busy)
        assert tab.find("#turns .answer").inner_text() == ""


@contextmanager
def waiting(backend: Backend, number: int) -> Iterator[None]:
    """The decoder has so many questions of somebody else, until the block is left."""
    over = threading.Event()

    def work(assistant: Assistant, cancel: threading.Event) -> Generator[None, None, None]:
        over.wait(PATIENCE_S)
        yield

    async def asked(client: str) -> None:
        async for _ in backend.decoder.items(client, work):
            pass

    threads = []
    try:
        for i in range(number):
            thread = threading.Thread(target=lambda i=i: asyncio.run(asked(f"somebody {i}")))
            thread.start()
            threads.append(thread)
            until(lambda i=i: backend.decoder.busy and backend.decoder.queued == i)
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE_S)
