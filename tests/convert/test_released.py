"""Both released layouts, from the folder to the answer."""

from pathlib import Path

import pytest

from convert.bundle import write_bundle
from convert.checkpoint import load_parts
from convert.compare import compare, expect
from convert.engines import Engines
from convert.reference import Reference
from edge_llasm.bundle import Bundle
from tests.convert.test_parity import CLIPS
from tests.released import BAICHUAN, CLLAMA2, LAYOUTS, write_released

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("safetensors", [False, True], ids=["pickled", "safetensors"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_released_layout_answers_as_pytorch_does(tmp_path: Path, name: str, safetensors: bool) -> None:
    import torch

    torch.set_num_threads(1)
    layout = LAYOUTS[name]
    folders = write_released(tmp_path, layout, safetensors=safetensors)
    weights = sorted(path.name for path in folders[0].iterdir() if "-of-" in path.name)
    stem, suffix = ("model", "safetensors") if safetensors else ("pytorch_model", "bin")
    assert weights == [f"{stem}-0000{shard}-of-00003.{suffix}" for shard in (1, 2, 3)]

    template = {CLLAMA2: "llama2-llasm", BAICHUAN: "vicuna-llasm"}[layout]
    parts = load_parts(*folders, overrides={"template": template})
    write_bundle(parts, tmp_path / "out", onnx_type="f16")  # rounding parts where two tokens are alike
    bundle = Bundle.load(tmp_path / "out")
    tokens = bundle.tokens
    assert (tokens.au_patch, tokens.au_start, tokens.au_end) == (
        (32_000, 32_001, 32_002) if layout == CLLAMA2 else (64_001, 64_002, 64_003)
    )
    assert (tokens.bos, tokens.eos) == ((2, 2) if layout == CLLAMA2 else (1, 2))
    assert [note.split(":")[0] for note in parts.notes] == (["bos is '</s>'"] if layout == CLLAMA2 else [])
    engines = Engines(bundle)
    parity = compare(engines, expect(Reference(*folders), bundle, CLIPS[1:2], 16))
    assert parity.faults == (), parity.lines()
    engines.close()
