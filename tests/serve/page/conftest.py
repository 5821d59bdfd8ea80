"""A browser for each file of tests, whose microphone says "三十五加四十八等于多少"."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the [serve] extra is not installed")
pytest.importorskip("playwright", reason="playwright is not installed: the page is not looked at")

from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.serve.page.browsing import Visit, browser, chromium, microphone_file, visit


@pytest.fixture(scope="module")  # its event loop must be over when the next tests begin theirs
def playwright() -> Iterator[Playwright]:
    if chromium() is None:
        pytest.skip("no chromium is installed: the page is not looked at")
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def said(tmp_path_factory: pytest.TempPathFactory, demo: dict[str, Path]) -> tuple[Path, float]:
    """A question about a sum, and the seconds until it is said."""
    return microphone_file(demo["3"], tmp_path_factory.mktemp("microphone"))


@pytest.fixture(scope="module")
def chrome(playwright: Playwright, said: tuple[Path, float]) -> Iterator[Browser]:
    with browser(playwright, said[0]) as running:
        yield running


@pytest.fixture
def tab(chrome: Browser) -> Iterator[Visit]:
    """An empty tab; afterwards the browser must have had nothing to complain about."""
    with visit(chrome) as there:
        yield there
        assert there.complaints == []
