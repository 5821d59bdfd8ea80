import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_llasm.bundle import Bundle
from edge_llasm.cli import run
from edge_llasm.units import readable
from tests.tiny import PARITY, write_parity


def test_models_are_listed_with_size_languages_licence_and_place(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "size", "memory", "languages", "licence", "where"]
    (row,) = [row.split() for row in rows if row.startswith("tiny ")]
    bundle = Bundle.find("tiny")
    assert bundle.memory is not None
    assert row[1:5] == [*readable(bundle.size).split(), *readable(bundle.memory).split()]
    assert row[5:] == [",".join(bundle.languages), "MIT", str(home / "models" / "tiny")]


def test_a_manifest_that_does_not_know_its_memory_is_listed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = home / "models" / "old"
    shutil.copytree(home / "models" / "tiny", old)
    lines = (old / "bundle.toml").read_text("utf-8").splitlines(True)
    kept = [line for line in lines if not line.startswith(("memory =", "type ="))]
    (old / "bundle.toml").write_text("".join(kept).replace('"tiny"', '"old"'), "utf-8")
    assert run(["models"]) == 0
    (row,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("old ")]
    assert " -  " in row
    assert run(["models", "old"]) == 0
    shown = capsys.readouterr().out
    assert "memory          -\n" in shown
    assert "never compared" in shown


def test_one_model_is_told_with_everything(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "models" / "measured"
    shutil.copytree(home / "models" / "tiny", folder)
    manifest = folder / "bundle.toml"
    source = '\n[sources.checkpoint]\nname = "org/big"\nrevision = "0123abcd"\nlicence = "openrail"\n'
    manifest.write_text(manifest.read_text("utf-8") + source, "utf-8")
    write_parity(folder)
    assert run(["models", str(folder)]) == 0
    shown = capsys.readouterr().out
    for part in (
        "tiny 0.1.0",
        "whisper.cpp f16, onnx int8, 5 s window",
        "llm.gguf",
        "sha256",
        "llama2-llasm-paper",
    ):
        assert part in shown
    assert "checkpoint      org/big, revision 0123abcd, licence openrail\n" in shown
    assert "\n".join(PARITY.lines()) in shown


def test_a_model_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "nobody"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


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
