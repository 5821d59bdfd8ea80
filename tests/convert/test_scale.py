import json
import re
from pathlib import Path

import pytest

from convert.llm import LlamaShape
from convert.random_checkpoint import (
    RELEASED,
    llasm_config,
    shapes_of,
    tower_config,
    tower_shapes_of,
    write_checkpoint,
)
from convert.scale import main
from convert.whisper import WhisperShape

TINIEST = "0.01"


def test_at_full_scale_the_sizes_are_the_released_ones() -> None:
    config, tower = llasm_config(RELEASED, "float32"), tower_config(RELEASED, "float32")
    llama, whisper = LlamaShape.from_config(config), WhisperShape.from_config(tower)
    assert (llama.n_embd, llama.n_ffn, llama.n_layers, llama.n_heads) == (4096, 11008, 32, 32)
    assert (llama.n_vocab, llama.n_ctx, config["mm_hidden_size"]) == (32003, 2048, 1280)
    assert (whisper.d, whisper.encoder_layers, whisper.decoder_layers, whisper.encoder_heads) == (
        1280,
        32,
        32,
        20,
    )
    shapes = shapes_of(config)
    assert shapes["model.layers.31.mlp.down_proj.weight"] == (4096, 11008)
    assert shapes["model.mm_projector.weight"] == (4096, 1280)
    assert tower_shapes_of(tower)["model.decoder.embed_tokens.weight"] == (51865, 1280)


def test_the_dial_turns_both_models_down() -> None:
    size = RELEASED.scaled(0.25)
    llama = LlamaShape.from_config(llasm_config(size, "float16"))
    whisper = WhisperShape.from_config(tower_config(size, "float16"))
    assert (llama.n_embd, llama.n_ffn, llama.n_layers, llama.n_vocab) == (1024, 2816, 8, 32003)
    assert (whisper.d, whisper.encoder_layers) == (320, 8)


def test_the_plan_says_what_the_bundle_will_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere"), "--plan"]) == 0
    *files, both = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in files] == [
        "speech.bin", "adapter.onnx", "llm.gguf", "speech.onnx", "speech.weights",
    ]  # fmt: skip
    assert re.fullmatch(r"all of it +\d\.\d GB, \d\.\d GB of memory", both)
    assert main([str(tmp_path / "nowhere"), "--plan", "--quantize", "f16", "--speech-onnx", "none"]) == 0
    assert re.search(r"all of it +1\d\.\d GB", capsys.readouterr().out)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.torch
@pytest.mark.slow
def test_the_tiniest_is_written_converted_and_asked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--scale", TINIEST, "--dtype", "float16"]) == 0
    shown = capfd.readouterr()
    lines = shown.out.splitlines()
    heads = [
        "checkpoint",
        "conversion",
        "time",
        "speech.bin",
        "speech.onnx",
        "speech.weights",
        "adapter.onnx",
        "llm.gguf",
    ]
    heads += ["ask", "answer"]
    assert [line.split()[0] for line in lines] == heads
    assert re.search(r"conversion +\d+ s, peak memory \d+\.\d MB", lines[1])
    assert "reading and writing" in shown.err
    index = json.loads((tmp_path / "llasm/pytorch_model.bin.index.json").read_text())
    assert len(set(index["weight_map"].values())) == 3
    before = (tmp_path / "llasm/config.json").stat().st_mtime_ns
    write_checkpoint(tmp_path, RELEASED.scaled(float(TINIEST)), "float16")
    assert (tmp_path / "llasm/config.json").stat().st_mtime_ns == before
    assert main([str(tmp_path), "--scale", TINIEST]) == 1
    assert "exists already" in capfd.readouterr().err
