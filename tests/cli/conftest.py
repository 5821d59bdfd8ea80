"""A home of its own, with one small model in it."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder: models/tiny is the only model in it."""
    folder = tmp_path / "home"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "tiny").symlink_to(tiny_bundle, target_is_directory=True)
    monkeypatch.setenv("EDGE_LLASM_HOME", str(folder))
    return folder
