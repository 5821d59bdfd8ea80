"""An encoder for llama.cpp's libmtmd as Ultravox has one: Whisper's, and a projector of random weights.

Ten positions in a row become one, which two layers turn into an embedding of the LLM: 30 s are 150 of them. Ultravox
itself stacks eight (187 for 30 s), but there the llama.cpp of llama-cpp-python 0.3.36 ends the process: 1500 positions
are no multiple of eight, and it counts 188 rows where it expects 187.
Format: conversion/ultravox.py of llama.cpp, tools/mtmd/clip.cpp reads it.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from convert.sizes import speech_bytes
from convert.tensors import Tensor, Tensors, row_blocks, to_f16
from convert.whisper import FFN_FACTOR, WhisperShape, expected_shape, read_tensor, tensor_names

STACK = 10
"""Positions that become one"""
HIDDEN_FACTOR = 2
"""Width of the projector's hidden layer over the LLM's, of which one half gates the other"""
EPS = 1e-5
"""Of the encoder's layer norms"""


def write_mmproj(path: Path, shape: WhisperShape, tensors: Tensors, n_embd: int) -> None:
    """Write ``path`` in float16; ``n_embd`` is the LLM's width. Raises ConvertError."""
    import gguf

    types, parts = gguf.GGMLQuantizationType, list(_parts(shape, tensors, n_embd))
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.MMPROJ])
    try:
        _add_metadata(writer, shape, n_embd)
        for name, dims, _ in parts:
            kind = types.F16 if _is_matrix(name, dims) else types.F32
            n_bytes = gguf.GGML_QUANT_SIZES[kind][1] * prod(dims)
            writer.add_tensor_info(name, dims, np.dtype(np.float32), n_bytes, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        (file,) = writer.fout
        for name, dims, tensor in parts:
            writer.write_padding(file, file.tell())
            for block in row_blocks(tensor):
                rows = to_f16(name, block) if _is_matrix(name, dims) else block.astype("<f4")
                file.write(rows.tobytes())
        writer.write_padding(file, file.tell())
    finally:
        writer.close()


def mmproj_bytes(shape: WhisperShape, n_embd: int) -> int:
    """Of such a file, rather too much than too little."""
    hidden = HIDDEN_FACTOR * n_embd
    return speech_bytes(shape, "f16") + 2 * hidden * (STACK * shape.d + n_embd)


def _parts(
    shape: WhisperShape, tensors: Tensors, n_embd: int
) -> Iterator[tuple[str, tuple[int, ...], Tensor]]:
    """llama.cpp's name, shape in the file, and numbers."""
    import gguf

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MMPROJ, shape.encoder_layers)
    for _, theirs in tensor_names(shape):
        side, _, rest = theirs.partition(".")
        if side != "encoder":
            continue
        # conv1 and conv2 count like layers, and only with the second one of them does the map know it.
        ours = (
            f"a.conv1d.{rest[4:]}"
            if "conv" in rest
            else names.get_name(f"audio_tower.{rest}", (".weight", ".bias"))
        )
        dims = expected_shape(theirs, shape)
        yield (
            ours,
            (*dims, 1) if ours.startswith("a.conv") and len(dims) == 1 else dims,
            read_tensor(tensors, theirs),
        )
    stacked, hidden = STACK * shape.d, HIDDEN_FACTOR * n_embd
    for name, dims in (
        ("mm.a.norm_pre.weight", (stacked,)),
        ("mm.a.mlp.1.weight", (hidden, stacked)),
        ("mm.a.norm_mid.weight", (hidden // 2,)),
        ("mm.a.mlp.2.weight", (n_embd, hidden // 2)),
    ):
        rng = np.random.default_rng(crc32(name.encode()))
        yield name, dims, rng.standard_normal(dims, np.float32) * np.float32(dims[-1] ** -0.5)


def _is_matrix(name: str, dims: tuple[int, ...]) -> bool:
    """What is added or scales stays float32; so do the positions."""
    return len(dims) > 1 and name.endswith("weight") and "position" not in name


def _add_metadata(writer: Any, shape: WhisperShape, n_embd: int) -> None:
    import gguf

    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_clip_has_audio_encoder(True)
    writer.add_clip_has_vision_encoder(False)
    writer.add_clip_projector_type(gguf.VisionProjectorType.ULTRAVOX)
    writer.add_audio_projection_dim(n_embd)
    writer.add_audio_embedding_length(shape.d)
    writer.add_audio_feed_forward_length(FFN_FACTOR * shape.d)
    writer.add_audio_block_count(shape.encoder_layers)
    writer.add_audio_head_count(shape.encoder_heads)
    writer.add_audio_attention_layernorm_eps(EPS)
    writer.add_audio_num_mel_bins(shape.n_mels)
    writer.add_audio_stack_factor(STACK)
