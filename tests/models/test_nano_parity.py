"""nano's own checkpoint, converted, computes what PyTorch computes."""

from pathlib import Path

import pytest

from convert.__main__ import main as convert
from edge_llasm.bundle import Bundle

pytestmark = pytest.mark.torch

CHECKPOINT = Path("models/nano/checkpoint")


@pytest.mark.parametrize(("speech_type", "llm_type", "least"), [("f16", "f16", 1.0), ("q8_0", "Q8_0", 0.99)])
def test_a_conversion_keeps_its_bounds(
    tmp_path: Path, speech_type: str, llm_type: str, least: float, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    torch.set_num_threads(1)  # its threads and ggml's get into each other's way
    places = [str(CHECKPOINT / "llasm"), "--whisper", str(CHECKPOINT / "whisper"), str(tmp_path / "nano")]
    assert convert([*places, "--quantize", llm_type, "--speech-type", speech_type]) == 0
    shown = capsys.readouterr().err
    parity = Bundle.load(tmp_path / "nano").parity
    assert parity is not None
    assert parity.faults == (), shown
    assert "\n".join(parity.lines()) in shown
    assert parity.positions == 3 * 64
    assert parity.agreement >= least
    if speech_type == "f16":
        assert parity.features.max_abs <= 2e-2
        assert parity.features.cosine >= 0.9995
