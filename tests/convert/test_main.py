import re
from pathlib import Path

import pytest

from convert.__main__ import main
from convert.errors import ConvertError
from edge_llasm.bundle import Bundle
from edge_llasm.manifest import Source
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
def test_a_checkpoint_becomes_a_bundle_that_says_what_it_was_made_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    llasm, whisper = write_tiny_checkpoint(tmp_path)
    (whisper / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    options = [
        "--quantize",
        "Q8_0",
        "--speech-type",
        "q8_0",
        "--name",
        "small",
        "--model-version",
        "2.0",
        "--context",
        "400",
    ]
    places = [str(llasm), "--whisper", str(whisper), str(tmp_path / "out")]
    assert main([*places, *options, "--no-parity"]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == str(tmp_path / "out")
    assert re.fullmatch(
        r"convert: \d+\.\d s: reading and writing \d+\.\d s, quantizing \d+\.\d s, other \d+\.\d s\n",
        shown.err,
    )
    bundle = Bundle.load(tmp_path / "out")
    bundle.verify()
    assert (bundle.name, bundle.version, bundle.speech.n_queries) == ("small", "2.0", 64)
    assert bundle.sources == (
        Source("checkpoint", "llasm", None, "MIT"),
        Source("whisper", "whisper", None, "apache-2.0"),
    )
    assert (bundle.speech.type, bundle.llm.type, bundle.parity) == ("q8_0", "Q8_0", None)
    assert bundle.llm.n_ctx == 400
    assert bundle.memory is not None
    assert bundle.memory > bundle.size


@pytest.mark.torch
@pytest.mark.parametrize("context", ["66", "513"])
def test_a_context_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], context: str
) -> None:
    llasm, whisper = write_tiny_checkpoint(tmp_path)
    there = sorted(tmp_path.iterdir())
    assert main([str(llasm), "--whisper", str(whisper), str(tmp_path / "out"), "--context", context]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"convert: a context of {context} positions: choose one above 66")
    assert told.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == there


@pytest.mark.torch
def test_a_contradiction_about_bos_is_told_and_decided_as_the_reference_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    llasm, whisper = write_tiny_checkpoint(tmp_path)
    (llasm / "special_tokens_map.json").write_text('{"bos_token": "</s>"}')
    (llasm / "tokenizer_config.json").write_text('{"bos_token": "<s>"}')
    assert main([str(llasm), "--whisper", str(whisper), str(tmp_path / "out"), "--no-parity"]) == 0
    assert capsys.readouterr().err.startswith("convert: note: bos is '</s>'")
    tokens = Bundle.load(tmp_path / "out").tokens
    assert (tokens.bos, tokens.eos) == (2, 2)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("memory", "line"),
    [
        (1_000_000, r"that needs 1\.\d MB of memory, there are 1\.0 MB; python -m"),
        (None, "does not say how much"),
    ],
)
def test_without_the_memory_for_the_original_nothing_is_compared(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    memory: int | None,
    line: str,
) -> None:
    monkeypatch.setattr("convert.__main__.free_memory", lambda: memory)
    llasm, whisper = write_tiny_checkpoint(tmp_path)
    assert main([str(llasm), "--whisper", str(whisper), str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert re.search(line, told[1])
    assert Bundle.load(tmp_path / "out").parity is None


@pytest.mark.torch
def test_a_comparison_that_fails_says_that_the_bundle_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*places: Path) -> None:
        raise ConvertError("the original needs transformers")

    monkeypatch.setattr("convert.parity.report", fail)
    llasm, whisper = write_tiny_checkpoint(tmp_path)
    assert main([str(llasm), "--whisper", str(whisper), str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[1].startswith("convert: comparing it")
    assert told[2].endswith("out is written, but was not compared: the original needs transformers")
    Bundle.load(tmp_path / "out").verify()
