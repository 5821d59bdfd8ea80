"""What a loaded bundle takes."""

from convert.llm import LlamaShape
from convert.whisper import WhisperShape

F16, F32 = 2, 4  # bytes
PROGRAM = 180_000_000
"""Bytes of Python, numpy, onnxruntime, silero-vad and both engines before any model: 117 MB were measured on Linux with
the tiny model of the tests (1 MB of files); half as much again is for other systems' builds of the same libraries."""
LLM_BATCH = 128
"""Positions that llama.cpp computes at once on a CPU, as edge_llasm.llama_load sets it"""
KV_BLOCK = 256
"""whisper.cpp rounds the positions of its caches up to a multiple of this"""


def needed_at_load(whisper: WhisperShape, llama: LlamaShape, n_ctx: int, file_bytes: int) -> int:
    """Bytes: the files, the language model's cache in f16 for all its ``n_ctx`` positions, and what is computed with.

    The latter is counted, not guessed: whisper.cpp's caches (its own, the encoder's and one layer to pad in) and
    its largest layer (the attention of a full window, twice: before and after the softmax), llama.cpp's widest
    layer for one batch, and PROGRAM. Pages of a mapped file that llama.cpp has repacked for the processor do not
    count: the system takes them back.
    """
    cache = 2 * llama.n_layers * n_ctx * llama.n_kv_heads * llama.head_dim * F16
    heard, queries = _padded(whisper.n_audio_ctx), _padded(whisper.n_text_ctx)
    positions = heard * (whisper.decoder_layers + 1) + queries * whisper.decoder_layers
    hearing = 2 * positions * whisper.d * F16
    hearing += 2 * whisper.encoder_heads * whisper.n_audio_ctx**2 * F32
    hearing += 8 * whisper.n_audio_ctx * whisper.d * F32
    width = 2 * llama.n_ffn + 6 * llama.n_embd + llama.n_heads * n_ctx
    thinking = LLM_BATCH * width * F32 + 2 * llama.n_vocab * F32
    return file_bytes + cache + hearing + thinking + PROGRAM


def _padded(positions: int) -> int:
    return -(-positions // KV_BLOCK) * KV_BLOCK
