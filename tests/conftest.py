"""Fixtures that the whole tree shares."""

from pathlib import Path

import pytest

from tests.tiny import write_tiny_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle with random weights (see tests/tiny.py); read-only by agreement."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def speech() -> Path:
    """Somebody asks "What is the capital of France?", 1.9 s."""
    return Path(__file__).parent / "clips" / "france.flac"
