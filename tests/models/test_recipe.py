"""The whole recipe at its smallest size, for real: every stage runs and a bundle comes out that the runtime loads."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from edge_llasm.bundle import Bundle

pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="no synthesizer: pip install espeakng-loader"
)
def test_the_recipe_runs_from_sentences_to_the_table(tmp_path: Path) -> None:
    work = tmp_path / "work"
    command = [sys.executable, "-m", "models.nano.recipe", str(work), "--smoke", "--install", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "| token error | right answers |" in done.stdout
    bundle = Bundle.load(tmp_path)
    bundle.verify()
    assert (bundle.name, bundle.template, bundle.system) == ("nano", "llama2-llasm-paper", "")

    # Nothing is computed twice: a second run finds every stage done, and only converts and evaluates again.
    before = {file: file.stat().st_mtime_ns for file in work.glob("*.pt")}
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert {file: file.stat().st_mtime_ns for file in work.glob("*.pt")} == before
