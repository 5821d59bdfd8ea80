"""nano's own checkpoint, converted with half-precision parts, computes what PyTorch computes."""

from pathlib import Path

import pytest

from convert.__main__ import main as convert
from convert.engines import Engines
from convert.parity import compare, faults, row
from edge_llasm.audio import load_audio
from edge_llasm.bundle import Bundle

pytestmark = pytest.mark.torch

NANO = Path("models/nano")
CLIPS = ("000.ogg", "017.ogg", "042.ogg", "101.ogg")
ANSWER_TOKENS = 12  # every answer is at least about as long; what follows its end is nobody's


def test_f16_parts_hear_and_answer_as_pytorch_does(tmp_path: Path) -> None:
    import torch

    from convert.reference import Reference

    torch.set_num_threads(1)
    checkpoint, whisper, out = (
        NANO / "checkpoint" / "llasm",
        NANO / "checkpoint" / "whisper",
        tmp_path / "nano",
    )
    types = ["--quantize", "f16", "--speech-type", "f16"]
    assert convert([str(checkpoint), "--whisper", str(whisper), str(out), *types]) == 0
    engines = Engines(Bundle.load(out))
    clips = [(name, load_audio(NANO / "heldout" / name)) for name in CLIPS]
    for result in compare(engines, Reference(checkpoint, whisper), clips, ANSWER_TOKENS):
        assert not faults(result, exact=True), row(result, exact=True)
        assert result.features.cosine >= 0.9995
    engines.close()
