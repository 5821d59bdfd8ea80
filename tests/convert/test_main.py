from pathlib import Path

import pytest

from convert.__main__ import main
from edge_llasm.bundle import Bundle
from tests.tiny import write_tiny_checkpoint


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "example:\n  python -m convert" in text
    assert "Q4_K_M" in text


def test_a_refusal_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none"), "--whisper", str(tmp_path), str(tmp_path / "out")]) == 1
    output = capsys.readouterr()
    assert output.err.startswith("convert: cannot read")
    assert output.err.count("\n") == 1
    assert not output.out


def test_an_existing_target_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none"), "--whisper", str(tmp_path), str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.torch
def test_a_checkpoint_becomes_a_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    llasm, whisper = write_tiny_checkpoint(tmp_path)
    options = ["--quantize", "Q8_0", "--speech-type", "q8_0", "--name", "small", "--model-version", "2.0"]
    assert main([str(llasm), "--whisper", str(whisper), str(tmp_path / "out"), *options]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out")
    bundle = Bundle.load(tmp_path / "out")
    bundle.verify()
    assert (bundle.name, bundle.version, bundle.speech.n_queries) == ("small", "2.0", 64)
