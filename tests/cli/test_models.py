import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_llasm.bundle import Bundle
from edge_llasm.cli import run
from edge_llasm.cli.models import megabytes


def test_models_are_listed_with_size_languages_licence_and_place(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "size", "languages", "licence", "where"]
    (row,) = [row.split() for row in rows if row.startswith("tiny ")]
    bundle = Bundle.find("tiny")
    assert row[1:3] == megabytes(bundle.size).split()
    assert row[3:] == [",".join(bundle.languages), "MIT", str(home / "models" / "tiny")]


def test_a_broken_model_is_named_on_standard_error_and_left_out(home: Path) -> None:
    broken = home / "models" / "rotten"
    shutil.copytree(home / "models" / "tiny", broken)
    (broken / "bundle.toml").write_text("format = 1\nname = ")
    command = [sys.executable, "-m", "edge_llasm", "models"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "rotten" not in shown.stdout
    assert "\ntiny " in shown.stdout
    assert shown.stderr.startswith("edge-llasm: left out: ")
    assert str(broken) in shown.stderr


@pytest.mark.parametrize(("size", "shown"), [(25_300_000, "25.3 MB"), (312_000, "0.3 MB"), (1_500, "1.5 kB")])
def test_sizes_are_readable(size: int, shown: str) -> None:
    assert megabytes(size) == shown
