"""The tiny size, written once."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OUT of ``python -m convert.rivals.files OUT --size tiny``; read-only by agreement."""
    from convert.rivals.files import main

    out = tmp_path_factory.mktemp("sizes") / "tiny"
    assert main([str(out), "--size", "tiny"]) == 0
    return out
