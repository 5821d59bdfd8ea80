import shutil
from pathlib import Path

import pytest

from convert.llm import LlamaShape
from convert.random_checkpoint import checkpoint_bytes, llasm_config, tower_config
from convert.rivals import files
from convert.rivals.files import DTYPE, SIZES, main
from convert.whisper import WhisperShape
from edge_llasm.bundle import Bundle
from tests.tiny import write_tiny_checkpoint

WRITTEN = ("checkpoint", "bundle", "whisper-cascade.bin", "whisper-cascade-q8_0.bin", "mmproj.gguf")


def test_the_laptop_is_tinyllama_with_whisper_small() -> None:
    size = SIZES["laptop"]
    llama = LlamaShape.from_config(llasm_config(size, DTYPE))
    assert (llama.n_embd, llama.n_layers, llama.n_ffn, llama.n_heads, llama.n_kv_heads) == (
        2048,
        22,
        5632,
        32,
        4,
    )
    whisper = WhisperShape.from_config(tower_config(size, DTYPE))
    assert (whisper.d, whisper.encoder_layers, whisper.decoder_layers, whisper.encoder_heads) == (
        768,
        12,
        12,
        12,
    )
    assert 2.6e9 < checkpoint_bytes(size, DTYPE) < 2.8e9


@pytest.mark.torch
def test_all_that_a_comparison_wants_is_written(tiny_size: Path) -> None:
    bundle = Bundle.load(tiny_size / "bundle")
    bundle.verify()
    assert (bundle.llm.type, bundle.speech.type, bundle.speech.onnx) == ("Q4_K_M", "f16", "int8")
    assert not bundle.speech.trim_window
    assert sorted(path.name for path in (tiny_size / "rival").iterdir()) == [
        "llasm", "mmproj.gguf", "whisper", "whisper-cascade-q8_0.bin", "whisper-cascade.bin",
    ]  # fmt: skip


@pytest.mark.torch
def test_a_second_run_writes_only_what_is_missing_and_the_same(
    tiny_size: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(tiny_size, out)
    lost, half = out / "rival" / "mmproj.gguf", out / "rival" / ".mmproj.gguf.part"
    before = lost.read_bytes()
    lost.unlink()
    half.write_bytes(before[:1000])
    assert main([str(out), "--size", "tiny"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(WRITTEN)
    assert [line.endswith("is there") for line in lines] == [True, True, True, True, False]
    assert lost.read_bytes() == before
    assert not half.exists()
    (out / "rival" / "whisper" / "config.json").unlink()  # the checkpoint was not finished
    weights = out / "rival" / "whisper" / "model.safetensors"
    before = weights.read_bytes()
    assert main([str(out), "--size", "tiny"]) == 0
    assert weights.read_bytes() == before


@pytest.mark.torch
def test_a_real_checkpoint_is_linked_and_the_rest_written_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny_checkpoint(tmp_path / "checkpoint")
    out = tmp_path / "out"
    assert main([str(out), "--like", str(tmp_path / "checkpoint")]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(WRITTEN[2:])
    assert (out / "rival" / "llasm").resolve() == tmp_path / "checkpoint" / "llasm"
    assert not (out / "bundle").exists()
    assert main([str(out), "--like", str(tmp_path / "checkpoint")]) == 0


@pytest.mark.parametrize(
    ("held", "complaint"),
    [("size.json", "holds files of another size"), ("thesis.txt", "holds something else")],
)
def test_a_folder_of_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], held: str, complaint: str
) -> None:
    (tmp_path / held).write_text("{}")
    assert main([str(tmp_path), "--size", "tiny"]) == 1
    told = capsys.readouterr().err
    assert complaint in told
    assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [held]


def test_a_disk_without_room_is_found_out_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    assert main([str(tmp_path / "out"), "--size", "laptop"]) == 1
    assert "all of it needs" in capsys.readouterr().err
    assert not (tmp_path / "out" / "rival").exists()


def test_a_checkpoint_that_is_missing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "out"), "--like", str(tmp_path / "nowhere")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("convert.rivals.files: ")
    assert told.count("\n") == 1


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m convert.rivals.files /tmp/laptop --size laptop" in capsys.readouterr().out
    assert files.__doc__ is not None
