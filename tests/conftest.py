"""Fixtures that the whole tree shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_llasm import Assistant
from tests.tiny import write_tiny_bundle
from tests.web import Web, serving


@pytest.fixture(scope="session", autouse=True)
def nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a loaded model keeps for the next time is never kept in the user's folders."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("EDGE_LLASM_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle with random weights (see tests/tiny.py); read-only by agreement."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def speech() -> Path:
    """Somebody asks "What is the capital of France?", 1.9 s."""
    return Path(__file__).parent / "clips" / "france.flac"


@pytest.fixture(scope="module")
def loaded(tiny_bundle: Path) -> Iterator[Assistant]:
    """The tiny model, loaded once for each file of tests."""
    with Assistant.load(tiny_bundle, device="cpu") as assistant:
        yield assistant


@pytest.fixture
def assistant(loaded: Assistant) -> Assistant:
    """The same, with an empty history."""
    loaded.reset()
    return loaded


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server on this machine, reached without a proxy."""
    monkeypatch.setenv("no_proxy", "*")
    with serving() as web:
        yield web


@pytest.fixture
def hub(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """The same as a Hub, with an empty cache; tests.web.publish puts repositories there."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", web.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", web.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", "secret")
    return web
