"""Fixtures that the whole tree shares."""

from pathlib import Path

import pytest

from tests.tiny import write_tiny_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle with random weights (see tests/tiny.py); read-only by agreement."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
