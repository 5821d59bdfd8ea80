"""What rivals hear with, beside the tiny bundle: the same kind of random weights, with Whisper's own window."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from convert.rivals.mmproj import write_mmproj
from convert.rivals.towers import TEXT_POSITIONS, WINDOW, write_transcriber
from edge_llasm.bench.cascade import FILES as TRANSCRIBERS
from edge_llasm.bench.mtmd import FILE as MMPROJ
from tests.tiny import LLAMA, WHISPER, whisper_tensors


def write_rival_files(folder: Path) -> Path:
    """Write them into ``folder`` and return it."""
    shape = replace(WHISPER, n_audio_ctx=WINDOW, n_text_ctx=TEXT_POSITIONS)
    tensors = whisper_tensors(np.random.default_rng(0), shape)
    write_transcriber(folder / TRANSCRIBERS["f16"], shape, tensors, "f16")
    write_transcriber(folder / TRANSCRIBERS["q8_0"], shape, tensors, "q8_0")
    write_mmproj(folder / MMPROJ, shape, tensors, LLAMA.n_embd)
    return folder
