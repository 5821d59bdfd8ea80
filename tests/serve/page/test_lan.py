"""`serve --lan`, as a phone meets it."""

import re
import socket
import ssl
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from edge_llasm.errors import ServeError
from edge_llasm.serve.lan import on_the_lan
from edge_llasm.serve.server import Place
from tests.serve.page.browsing import PHONE, visit
from tests.serve.running import PATIENCE_S, Command, command, until

UNCHECKED = ssl._create_unverified_context()
DIRECT = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=UNCHECKED)
)


def status(url: str, cookie: str = "") -> int:
    try:
        with DIRECT.open(
            urllib.request.Request(url, headers={"Cookie": cookie}), timeout=PATIENCE_S
        ) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def links(server: Command) -> list[str]:
    return [found[1] for line in server.said if (found := re.search(r"once: (https://\S+)", line))]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def lan(home: Path) -> Iterator[Command]:
    try:
        on_the_lan(Place(), home / "tried")
    except ServeError as error:
        pytest.skip(str(error))
    with command("--lan", home=home, ready=lambda server: bool(links(server))) as server:
        yield server


def test_a_phone_is_let_in_by_the_link_and_can_talk(
    lan: Command, home: Path, chrome: Browser, said: tuple[Path, float]
) -> None:
    assert status(lan.url) == 401
    link = links(lan)[0]
    with visit(chrome, viewport=PHONE, has_touch=True, is_mobile=True, ignore_https_errors=True) as phone:
        phone.page.goto(link)
        phone.expect_link("ready")
        assert phone.page.url == f"{lan.url}/"
        assert phone.page.evaluate("isSecureContext")
        assert phone.page.evaluate("document.cookie") == ""  # not for scripts
        phone.find("#talk").tap()
        phone.listen(said[1])
        phone.find("#talk").tap()
        phone.expect_answer("35 + 48 = 83")
        assert phone.hosts == {urlsplit(lan.url).netloc}
        assert phone.complaints == []
        phone.page.reload()
        phone.expect_link("ready")
        phone.page.go_back()
        assert urlsplit(link).path not in phone.page.url  # the browser keeps no way back
    until(lambda: len(links(lan)) == 2)
    assert status(link) == 401
    assert stat.S_IMODE((home / "lan" / "key.pem").stat().st_mode) == 0o600


def test_a_phone_that_is_not_let_in_any_more_is_told(lan: Command, chrome: Browser) -> None:
    with visit(chrome, viewport=PHONE, ignore_https_errors=True) as phone:
        answer = phone.page.goto(lan.url)
        assert answer is not None
        assert answer.status == 401
        expect(phone.find("body")).to_contain_text("newest QR code")
        until(lambda: links(lan) != [])
        phone.page.goto(links(lan)[-1])
        phone.expect_link("ready")
        phone.page.context.clear_cookies()
        phone.find("#new-chat").click()
        phone.expect_link("out")
        phone.expect_notice("Scan the newest QR code")


def test_a_connection_without_tls_gets_nothing(lan: Command) -> None:
    place = urlsplit(lan.url)
    assert place.hostname is not None
    with socket.create_connection((place.hostname, place.port or 443), timeout=PATIENCE_S) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in plain.recv(100)
