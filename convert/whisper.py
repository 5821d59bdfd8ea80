"""Whisper's weights -> ``speech.bin``, a whisper.cpp model whose logits are the decoder's hidden states.

whisper.cpp's API returns logits only: ``token_embedding @ hidden``. So the file carries an *identity
vocabulary*: rows ``0..d-1`` of the embedding are the identity matrix and row ``d`` is the embedding of
``<|startoftranscript|>``. A decoder that is fed token ``d`` answers with its hidden state (after the final
layer norm) as the first ``d`` logits.

File format (whisper.cpp, ``models/convert-h5-to-ggml.py``): magic, 11 int32 hyperparameters, mel filters,
words of the vocabulary (none in speech.bin), then tensors: number of dimensions, length of the name, type,
dimensions innermost first, name, data.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.tensors import Array, Tensor, Tensors, row_blocks, to_f16
from edge_llasm.speech.mel import mel_filters

SpeechType = Literal["f16", "q8_0", "q5_1"]
SPEECH_TYPES: tuple[SpeechType, ...] = ("f16", "q8_0", "q5_1")

MAGIC = 0x67676D6C  # "ggml"
FTYPES = {"f16": 1, "q8_0": 2007, "q5_1": 2009}  # ggml_ftype, the quantization version 2 as thousands
TYPE_F32, TYPE_F16 = 0, 1  # ggml_type
QUANT_BLOCK = 32  # weights that share a scale
FFN_FACTOR = 4  # whisper.cpp knows no other ratio of the feed-forward width to d

# Hugging Face's names of a block's parts -> whisper.cpp's.
_ATTENTION = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "out"}
_BLOCK = {"fc1": "mlp.0", "fc2": "mlp.2", "final_layer_norm": "mlp_ln", "self_attn_layer_norm": "attn_ln"}
_BLOCK |= {f"self_attn.{theirs}": f"attn.{ours}" for theirs, ours in _ATTENTION.items()}
_CROSS = {"encoder_attn_layer_norm": "cross_attn_ln"}
_CROSS |= {f"encoder_attn.{theirs}": f"cross_attn.{ours}" for theirs, ours in _ATTENTION.items()}
_NO_BIAS = ("attn.key", "cross_attn.key")  # Whisper's key projections have none


@dataclass(frozen=True)
class WhisperShape:
    """The numbers of a Whisper ``config.json`` that its weights do not show."""

    d: int
    """Width of a hidden state."""
    encoder_layers: int
    encoder_heads: int
    decoder_layers: int
    decoder_heads: int
    n_audio_ctx: int
    """Encoder positions, 20 ms each."""
    n_text_ctx: int
    """Decoder positions: as many queries as can be asked."""
    n_mels: int
    start_token: int
    """Row of the decoder's embedding that is ``<|startoftranscript|>``."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "WhisperShape":
        """Read a Hugging Face ``WhisperConfig`` as a mapping.

        Raises ConvertError for a missing number and for what whisper.cpp computes differently.
        """
        try:
            shape = cls(
                d=int(config["d_model"]),
                encoder_layers=int(config["encoder_layers"]),
                encoder_heads=int(config["encoder_attention_heads"]),
                decoder_layers=int(config["decoder_layers"]),
                decoder_heads=int(config["decoder_attention_heads"]),
                n_audio_ctx=int(config["max_source_positions"]),
                n_text_ctx=int(config["max_target_positions"]),
                n_mels=int(config["num_mel_bins"]),
                start_token=int(config["decoder_start_token_id"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConvertError(f"Whisper's config.json has no usable {error}: take its own file") from error
        for side in ("encoder", "decoder"):
            width = config.get(f"{side}_ffn_dim", FFN_FACTOR * shape.d)
            if width != FFN_FACTOR * shape.d:
                raise ConvertError(
                    f"whisper.cpp needs a {side} feed-forward width of 4 x {shape.d}, this model has {width}"
                )
        if config.get("activation_function", "gelu") != "gelu" or config.get("scale_embedding", False):
            raise ConvertError("whisper.cpp computes gelu and unscaled embeddings only; this Whisper differs")
        if shape.d % shape.encoder_heads or shape.d % shape.decoder_heads:
            raise ConvertError(f"Whisper's width {shape.d} is not a multiple of its number of heads")
        return shape


def tensor_names(shape: WhisperShape) -> Iterator[tuple[str, str]]:
    """Yield (whisper.cpp's name, Hugging Face's name) of every tensor but the token embedding."""
    for conv in ("conv1", "conv2"):
        for part in ("weight", "bias"):
            yield f"encoder.{conv}.{part}", f"encoder.{conv}.{part}"
    for side, layers, norm in (
        ("encoder", shape.encoder_layers, "ln_post"),
        ("decoder", shape.decoder_layers, "ln"),
    ):
        yield f"{side}.positional_embedding", f"{side}.embed_positions.weight"
        for part in ("weight", "bias"):
            yield f"{side}.{norm}.{part}", f"{side}.layer_norm.{part}"
        block = _BLOCK if side == "encoder" else _BLOCK | _CROSS
        for layer in range(layers):
            for theirs, ours in block.items():
                for part in ("weight",) if ours in _NO_BIAS else ("weight", "bias"):
                    yield f"{side}.blocks.{layer}.{ours}.{part}", f"{side}.layers.{layer}.{theirs}.{part}"


def expected_shape(name: str, shape: WhisperShape) -> tuple[int, ...]:
    """What the tensor that Hugging Face calls ``name`` must measure."""
    d = shape.d
    if "embed_positions" in name:
        return (shape.n_audio_ctx if name.startswith("encoder") else shape.n_text_ctx, d)
    if name.endswith("bias") or "layer_norm" in name:
        return (FFN_FACTOR * d,) if "fc1" in name else (d,)
    if "conv" in name:
        return (d, shape.n_mels if "conv1" in name else d, 3)
    if "fc1" in name:
        return (FFN_FACTOR * d, d)
    return (d, FFN_FACTOR * d) if "fc2" in name else (d, d)


def write_speech(path: Path, shape: WhisperShape, tensors: Tensors, speech_type: SpeechType = "f16") -> None:
    """Write ``path``; ``tensors`` has the names of ``WhisperModel`` (with or without ``model.`` in front).

    Raises ConvertError for a missing tensor, a wrong shape, or numbers beyond float16's range.
    """
    write_whisper(path, shape, _identity_vocabulary(shape, tensors), (), tensors, speech_type)


def write_whisper(
    path: Path,
    shape: WhisperShape,
    embedding: Tensor,
    words: Sequence[bytes],
    tensors: Tensors,
    speech_type: SpeechType,
) -> None:
    """Write ``path`` with any vocabulary: its ``embedding`` (n_vocab, d), and its first ``words``.

    Raises what ``write_speech`` raises.
    """
    if speech_type not in SPEECH_TYPES:
        raise ConvertError(f"unknown speech type {speech_type!r}: choose one of {', '.join(SPEECH_TYPES)}")
    if speech_type != "f16" and shape.d % QUANT_BLOCK:
        raise ConvertError(
            f"{speech_type} needs a width that is a multiple of {QUANT_BLOCK}, not {shape.d}: use f16"
        )
    with path.open("wb") as file:
        _write_header(file, shape, embedding.shape[0], FTYPES[speech_type])
        file.write(struct.pack("<i", len(words)))
        for word in words:
            file.write(struct.pack("<i", len(word)) + word)
        _write_tensor(file, "decoder.token_embedding.weight", embedding, speech_type)
        for ours, theirs in tensor_names(shape):
            data, expected = read_tensor(tensors, theirs), expected_shape(theirs, shape)
            if data.shape != expected:  # would abort the process that loads the file
                raise ConvertError(
                    f"Whisper's tensor {theirs} is {data.shape}, its config.json says {expected}"
                )
            _write_tensor(file, ours, data, speech_type)


def _write_header(file: BinaryIO, shape: WhisperShape, n_vocab: int, ftype: int) -> None:
    audio = (shape.n_audio_ctx, shape.d, shape.encoder_heads, shape.encoder_layers)
    text = (shape.n_text_ctx, shape.d, shape.decoder_heads, shape.decoder_layers)
    file.write(struct.pack("<I11i", MAGIC, n_vocab, *audio, *text, shape.n_mels, ftype))
    filters = mel_filters(shape.n_mels)  # (n_mels, 201)
    file.write(struct.pack("<2i", *filters.shape) + filters.astype("<f4").tobytes())


def _identity_vocabulary(shape: WhisperShape, tensors: Tensors) -> Array:
    """Its words are not needed: nothing is ever spelled."""
    start = start_embedding(shape, tensors)[None]
    return np.concatenate([np.eye(shape.d, dtype=np.float32), start])  # (d + 1, d)


def start_embedding(shape: WhisperShape, tensors: Tensors) -> NDArray[np.float32]:
    """``<|startoftranscript|>``, (d,) f32. Raises ConvertError."""
    embedding, row = read_tensor(tensors, "decoder.embed_tokens.weight"), shape.start_token  # (n_vocab, d)
    if embedding.shape[1:] != (shape.d,) or not 0 <= row < embedding.shape[0]:
        raise ConvertError(
            f"decoder.embed_tokens.weight is {embedding.shape}: no row {row} of width {shape.d}"
        )
    return np.asarray(embedding[row : row + 1][0], np.float32)


def read_tensor(tensors: Tensors, name: str) -> Tensor:
    """By the name that it has in ``WhisperModel``. Raises ConvertError."""
    for prefix in ("", "model."):
        if prefix + name in tensors:
            return tensors[prefix + name]
    raise ConvertError(f"the Whisper weights have no tensor {name}: is the folder complete?")


def _write_tensor(file: BinaryIO, name: str, data: Tensor, speech_type: SpeechType) -> None:
    from gguf import GGMLQuantizationType, quants

    shape = data.shape
    if "conv" in name and name.endswith("bias"):
        shape = (*shape, 1)  # added to (d, n_frames)
    kind = TYPE_F16  # convolutions are f16 in every file: ggml has no other kernel for them
    if len(data.shape) == 1 or "positional" in name:
        kind = TYPE_F32
    elif speech_type != "f16" and len(data.shape) == 2:
        kind = GGMLQuantizationType[speech_type.upper()]
    encoded = name.encode()
    file.write(struct.pack("<3i", len(shape), len(encoded), kind))
    file.write(struct.pack(f"<{len(shape)}i", *reversed(shape)) + encoded)
    for block in row_blocks(data):
        if kind == TYPE_F16:
            file.write(to_f16(name, block).tobytes())
        else:
            file.write(quants.quantize(block.astype("<f4"), GGMLQuantizationType(kind)).tobytes())
