"""speech.bin: a whisper.cpp ggml file whose vocabulary is the identity matrix.

whisper.cpp gives logits only, never hidden states; with rows 0..d-1 of the token embedding the identity and row
d the start-of-transcript embedding, its logits *are* the hidden state. Layout: magic, 11 int32, mel filters,
vocabulary, then tensors to the end of the file (whisper.cpp, whisper_model_load).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_llasm.binary import GGML_TYPES, Reader, tensor_bytes

MAGIC = 0x67676D6C
N_FFT_BINS = 201
"""400-point transform: the only one that whisper.cpp's spectrogram computes"""
F32, F16 = 0, 1
MATRIX_TYPES = {1: 1, 2: 2, 3: 3, 7: 8, 8: 6, 9: 7}
"""ftype, without its quantization version -> ggml type of the matrices: f16, q4_0, q4_1, q8_0, q5_0, q5_1.
f32 (0) is left out: its convolutions fail an assert inside ggml."""


@dataclass(frozen=True)
class WhisperHeader:
    """The 11 hyper-parameters, in the file's order."""

    n_vocab: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int
    n_mels: int
    ftype: int


def read_whisper(path: Path) -> WhisperHeader:
    """Check the whole structure of the file, short of the numbers in its tensors. Raises BundleError."""
    with Reader(path) as reader:
        if reader.size < 4 or reader.integer("I") != MAGIC:
            raise reader.fail("is not a whisper.cpp model")
        header = WhisperHeader(*reader.integers("i", 11))
        _check_header(reader, header)
        n_mels, n_bins = reader.integers("i", 2)
        if (n_mels, n_bins) != (header.n_mels, N_FFT_BINS):
            raise reader.fail(
                f"has mel filters of shape ({n_mels}, {n_bins}), not ({header.n_mels}, {N_FFT_BINS})"
            )
        reader.skip(n_mels * n_bins * 4)
        n_words = reader.integer("i")
        if not 0 <= n_words <= header.n_vocab:
            raise reader.fail(f"lists {n_words} words of a vocabulary of {header.n_vocab}")
        for _ in range(n_words):
            reader.skip(reader.integer("I"))
        wanted = dict(expected_tensors(header))
        while reader.left:
            name = _check_tensor(reader, header, wanted)
            del wanted[name]
        if wanted:
            raise reader.fail(f"lacks {len(wanted)} tensors, such as {next(iter(wanted))!r}")
        return header


def _check_header(reader: Reader, header: WhisperHeader) -> None:
    limits = {"n_vocab": 1 << 20, "n_audio_ctx": 1 << 16, "n_text_ctx": 1 << 16, "n_mels": 1024}
    for field, value in vars(header).items():
        if field != "ftype" and not 1 <= value <= limits.get(field, 1 << 14):
            raise reader.fail(f"has {field} = {value} in its header")
    if header.ftype % 1000 not in MATRIX_TYPES:
        raise reader.fail(f"has the unknown number format {header.ftype}")
    if header.n_audio_state % header.n_audio_head or header.n_text_state % header.n_text_head:
        raise reader.fail("has a width that its attention heads do not divide")
    if header.n_audio_state != header.n_text_state:
        raise reader.fail("has an encoder and a decoder of different widths")
    if header.n_vocab != header.n_text_state + 1:
        raise reader.fail(
            f"has a vocabulary of {header.n_vocab}, not the {header.n_text_state + 1} rows that give states"
        )


def _check_tensor(
    reader: Reader, header: WhisperHeader, wanted: dict[str, tuple[tuple[int, ...], set[int]]]
) -> str:
    n_dims, n_name, kind = reader.integers("i", 3)
    if not 1 <= n_dims <= 4 or not 1 <= n_name <= 256:
        raise reader.fail("has garbage between its tensors")
    dims = reader.integers("i", n_dims)
    name = reader.text(n_name)
    if name not in wanted:
        raise reader.fail(f"holds the unexpected or repeated tensor {name!r}")
    shape, kinds = wanted[name]
    if _squeezed(dims) != _squeezed(shape):
        raise reader.fail(f"holds the tensor {name!r} of shape {dims}, not {shape}")
    if kind not in kinds:
        # A convolution of another type than the ftype implies fails an assert in ggml and ends the process.
        found = GGML_TYPES.get(kind, (str(kind), 0, 0))[0]
        raise reader.fail(f"holds the tensor {name!r} as {found}, which whisper.cpp cannot load")
    reader.skip(tensor_bytes(reader, name, dims, kind))
    return name


def _squeezed(dims: tuple[int, ...]) -> tuple[int, ...]:
    """Trailing ones say nothing in ggml's order (fastest dimension first)."""
    while len(dims) > 1 and dims[-1] == 1:
        dims = dims[:-1]
    return dims


def expected_tensors(header: WhisperHeader) -> Iterator[tuple[str, tuple[tuple[int, ...], set[int]]]]:
    """Name -> (dims in ggml's order, types that load) of every tensor of a model of this size."""
    d, wide = header.n_audio_state, 4 * header.n_audio_state
    matrix, vector, kernel = {MATRIX_TYPES[header.ftype % 1000]}, {F32}, {F16}
    yield "encoder.positional_embedding", ((d, header.n_audio_ctx), vector)
    yield "encoder.conv1.weight", ((3, header.n_mels, d), kernel)
    yield "encoder.conv1.bias", ((1, d), vector)
    yield "encoder.conv2.weight", ((3, d, d), kernel)
    yield "encoder.conv2.bias", ((1, d), vector)
    yield "encoder.ln_post.weight", ((d,), vector)
    yield "encoder.ln_post.bias", ((d,), vector)
    yield "decoder.positional_embedding", ((d, header.n_text_ctx), vector)
    yield "decoder.token_embedding.weight", ((d, header.n_vocab), matrix)
    yield "decoder.ln.weight", ((d,), vector)
    yield "decoder.ln.bias", ((d,), vector)
    layers = [f"encoder.blocks.{i}" for i in range(header.n_audio_layer)]
    layers += [f"decoder.blocks.{i}" for i in range(header.n_text_layer)]
    for layer in layers:
        for attention in ("attn", "cross_attn") if layer.startswith("decoder") else ("attn",):
            yield f"{layer}.{attention}_ln.weight", ((d,), vector)
            yield f"{layer}.{attention}_ln.bias", ((d,), vector)
            for part in ("query", "key", "value", "out"):
                yield f"{layer}.{attention}.{part}.weight", ((d, d), matrix)
                if part != "key":
                    yield f"{layer}.{attention}.{part}.bias", ((d,), vector)
        yield f"{layer}.mlp_ln.weight", ((d,), vector)
        yield f"{layer}.mlp_ln.bias", ((d,), vector)
        yield f"{layer}.mlp.0.weight", ((d, wide), matrix)
        yield f"{layer}.mlp.0.bias", ((wide,), vector)
        yield f"{layer}.mlp.2.weight", ((wide, d), matrix)
        yield f"{layer}.mlp.2.bias", ((d,), vector)
