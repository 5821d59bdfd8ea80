"""nano computes what PyTorch computes on its published checkpoint."""

import shutil
from pathlib import Path

import pytest

from convert.__main__ import main as convert
from convert.parity import main as compare
from edge_llasm.bundle import Bundle
from edge_llasm.parity import Parity

pytestmark = pytest.mark.torch

NANO = Path("models/nano")
CHECKPOINT = NANO / "checkpoint" / "llasm"
POSITIONS = 64 * len(list((NANO / "demo").glob("*.ogg")))  # greedy tokens of the recordings in nano's demo


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # its threads and ggml's get into each other's way


def parity(folder: Path) -> Parity:
    """What stands in the manifest, whose files are still whole."""
    bundle = Bundle.load(folder)
    bundle.verify()
    assert bundle.parity is not None
    return bundle.parity


def test_half_precision_gives_the_same_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = [str(CHECKPOINT), "--whisper", str(CHECKPOINT.with_name("whisper")), str(tmp_path / "nano")]
    assert convert([*places, "--quantize", "f16", "--speech-type", "f16"]) == 0
    shown, found = capsys.readouterr().err, parity(tmp_path / "nano")
    assert found.faults == (), shown
    assert "\n".join(found.lines()) in shown
    assert found.features.max_abs <= 2e-2
    assert found.features.cosine >= 0.9995
    assert (found.positions, found.agreement, found.first_difference) == (POSITIONS, 1.0, 0)
    assert found.onnx is not None  # in 8 bits, as convert writes it unless told otherwise
    assert found.onnx.features.cosine >= 0.996  # of the worst recording
    assert found.onnx.agreement >= 0.99


@pytest.mark.parametrize(("onnx_type", "most", "least"), [("f32", 1e-4, 0.999999), ("q8_0", 0.3, 0.998)])
def test_the_cpu_s_engine_gives_the_same_features(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], onnx_type: str, most: float, least: float
) -> None:
    places = [str(CHECKPOINT), "--whisper", str(CHECKPOINT.with_name("whisper")), str(tmp_path / "nano")]
    assert convert([*places, "--quantize", "f16", "--speech-onnx", onnx_type]) == 0
    shown, found = capsys.readouterr().err, parity(tmp_path / "nano")
    assert found.faults == (), shown
    assert found.onnx is not None
    assert found.onnx.features.max_abs <= most
    assert found.onnx.features.cosine >= least
    assert found.onnx.agreement >= 0.97


def test_the_bundle_keeps_its_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("bundle.toml", *(file.name for file in Bundle.load(NANO).files)):
        shutil.copy(NANO / name, tmp_path)
    assert compare([str(tmp_path), "--reference", str(CHECKPOINT)]) == 0  # with the Whisper beside it
    shown, found = capsys.readouterr().out, parity(tmp_path)
    assert found.faults == (), shown
    assert found.agreement >= 0.99
    assert found.positions == POSITIONS
    assert found.onnx is not None  # what hears on a CPU is PyTorch, to the last token
    assert found.onnx.features.max_abs <= 1e-4
    assert (found.onnx.agreement, found.onnx.first_difference) == (1.0, 0)
