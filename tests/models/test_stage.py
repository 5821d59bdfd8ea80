"""A step of the training whose predecessor never ran says so."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("step", "missing"),
    [
        (["train_speech"], "speech"),
        (["sharpen"], "speech.pt"),
        (["train_llm", "states"], "sharpen.pt"),
        (["train_llm", "stage2"], "stage1.pt"),
    ],
    ids=" ".join,
)
def test_what_an_earlier_step_makes_is_asked_for(tmp_path: Path, step: list[str], missing: str) -> None:
    for name in ("speech", "dev", "speech.pt", "sharpen.pt", "speech_states.npy", "stage1.pt"):
        if name != missing:
            (tmp_path / name).touch()
    name, *stage = step
    command = [sys.executable, "-m", f"models.nano.{name}", str(tmp_path), *stage]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{tmp_path / missing} is missing: python -m models.nano.recipe" in done.stderr
    assert "Traceback" not in done.stderr
