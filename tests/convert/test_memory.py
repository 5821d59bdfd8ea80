"""How much memory a conversion takes beyond what the libraries take by themselves."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convert.llm import LlamaShape, tensor_shapes
from tests.tiny import write_shards

pytestmark = [
    pytest.mark.torch,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc"),
]

SHAPE = LlamaShape(
    n_embd=1024,
    n_ffn=12_288,  # 50 MB
    n_layers=2,
    n_heads=8,
    n_kv_heads=8,
    head_dim=128,
    n_vocab=16_384,  # 67 MB
    n_ctx=512,
    rms_eps=1e-5,
    tied=False,
)
LARGEST = max(4 * int(np.prod(dims)) for _, dims in tensor_shapes(SHAPE))
"""bytes, in float32"""

CHILD = """
import sys
from pathlib import Path
import gguf, torch
from convert.checkpoint import Checkpoint
from convert.llm import write_llm
from convert.vocabulary import NORMAL, Vocabulary
from edge_llasm.llama_library import load_library
from tests.convert.test_memory import SHAPE

def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))

folder, llm_type = Path(sys.argv[1]), sys.argv[2]
load_library()
texts = tuple(f"token {row}" for row in range(SHAPE.n_vocab))
vocabulary = Vocabulary(texts, (NORMAL,) * SHAPE.n_vocab, 1, 2, 3, 4, 5, scores=(0.0,) * SHAPE.n_vocab)
tensors = Checkpoint(folder)
before = status("VmRSS:")
write_llm(folder / "llm.gguf", SHAPE, tensors, vocabulary, name="large", llm_type=llm_type)
print(status("VmHWM:") - before)
"""


@pytest.fixture(scope="module", params=["pickled", "safetensors"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten large tensors in four files, 0.5 GB."""
    path = tmp_path_factory.mktemp(request.param)
    tensors = {name: np.full(dims, 0.01, np.float32) for name, dims in tensor_shapes(SHAPE)}
    write_shards(path, tensors, 4, safetensors=request.param == "safetensors")
    return path


@pytest.mark.parametrize("llm_type", ["f16", "bf16", "Q8_0"])
def test_the_peak_is_one_tensor_and_a_half(folder: Path, llm_type: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), llm_type], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) <= 1.5 * LARGEST, f"{int(child.stdout) / LARGEST:.2f} of the largest tensor"
