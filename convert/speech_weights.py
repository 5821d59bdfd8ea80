"""speech.weights: the numbers of speech.onnx, which ONNX calls external data.

Where each of them lies follows from the tower's shape alone, so that the graph is written without them, and they
one tensor at a time: neither ever needs the memory of a whole model, nor meets protobuf's limit of 2 GB. The runtime
maps the file for as long as it packs the numbers for its processor.

f16 and f32 compute in floats. q8_0 rounds weights, and their inputs when it computes, in blocks of 32, as whisper.cpp's
type of that name does. int8 rounds by rows: an output's weights by one scale, and each position of an input by its own.
Its products are far faster than those of blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.tensors import Tensors
from convert.tower import linears, norms
from convert.whisper import WhisperShape, expected_shape, read_tensor, start_embedding

OnnxType = Literal["int8", "q8_0", "f16", "f32"]
ONNX_TYPES: tuple[OnnxType, ...] = ("int8", "q8_0", "f16", "f32")
FLOATS: dict[str, str] = {"f16": "<f2", "f32": "<f4"}
"""Of which the weights are numbers, in numpy's names"""

ALIGNMENT = 64
"""Bytes: where a tensor may begin, for the processor's widest loads"""
PEAK, ZERO = 127, 128
"""The largest number after rounding, and what stands for 0 where it has no sign"""
BLOCK = 32
"""Weights that share a scale in q8_0"""
QUERIES, POSITIONS = "decoder.queries", "encoder.embed_positions.weight"
CONVOLUTIONS = tuple(f"encoder.{conv}.{part}" for conv in ("conv1", "conv2") for part in ("weight", "bias"))


@dataclass(frozen=True)
class Entry:
    """A tensor in the file."""

    name: str
    dims: tuple[int, ...]
    dtype: str
    """numpy's: <f4, <f2, |i1 or |u1"""
    offset: int = 0
    """bytes"""

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.dims) * np.dtype(self.dtype).itemsize


def layout(shape: WhisperShape, n_queries: int, kind: OnnxType) -> list[Entry]:
    """All tensors of the file in their order."""
    entries = list(_entries(shape, n_queries, kind))
    ends = accumulate(_aligned(entry.size) for entry in entries)
    return [
        Entry(entry.name, entry.dims, entry.dtype, end - _aligned(entry.size))
        for entry, end in zip(entries, ends, strict=True)
    ]


def weights_bytes(shape: WhisperShape, n_queries: int, kind: OnnxType) -> int:
    """Of the file."""
    return sum(_aligned(entry.size) for entry in layout(shape, n_queries, kind))


def write_weights(
    path: Path, shape: WhisperShape, n_queries: int, tensors: Tensors, kind: OnnxType = "q8_0"
) -> None:
    """Write the file; ``tensors`` has the names of ``WhisperModel`` (with or without ``model.`` in front).

    Raises ConvertError for a missing tensor, a wrong shape, or numbers that are not finite.
    """
    if kind not in ONNX_TYPES:
        raise ConvertError(f"unknown type {kind!r} of speech.onnx: choose one of {', '.join(ONNX_TYPES)}")
    if kind == "q8_0" and shape.d % BLOCK:
        raise ConvertError(f"{kind} needs a width that is a multiple of {BLOCK}, not {shape.d}: use f16")
    with path.open("wb") as file:
        arrays = _arrays(shape, n_queries, tensors, kind)
        for entry, data in zip(layout(shape, n_queries, kind), arrays, strict=True):
            file.write(np.ascontiguousarray(data, entry.dtype).tobytes())
            file.write(bytes(_aligned(entry.size) - entry.size))


def quantize(weight: NDArray[np.float32]) -> tuple[NDArray[np.generic], NDArray[np.float32]]:
    """(n_out, n_in) f32 -> (n_in, n_out) i8 and a scale (n_out,) f32 for each output, symmetric around 0."""
    rounded, scale = _round(weight)
    return rounded.astype(np.int8).T, scale[:, 0]


def quantize_blocks(weight: NDArray[np.float32]) -> tuple[NDArray[np.generic], NDArray[np.float32]]:
    """(n_out, n_in) f32 -> (n_out, n_blocks, BLOCK) u8 around ZERO and a scale (n_out, n_blocks) f32."""
    rounded, scale = _round(weight.reshape(len(weight), -1, BLOCK))
    return (rounded + ZERO).astype(np.uint8), scale[..., 0]


def _round(weight: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """To whole numbers up to PEAK times a scale, one for each row of the last axis."""
    scale = np.abs(weight).max(axis=-1, keepdims=True) / np.float32(PEAK)
    scale = np.maximum(scale, np.finfo(np.float32).tiny)  # a row of zeros stays one
    return np.rint(weight / scale), scale


def _entries(shape: WhisperShape, n_queries: int, kind: OnnxType) -> Iterator[Entry]:
    for name in (*CONVOLUTIONS, POSITIONS):
        yield Entry(name, expected_shape(name, shape), "<f4")
    yield Entry(QUERIES, (n_queries, shape.d), "<f4")
    for norm in norms(shape):
        yield Entry(f"{norm}.weight", (shape.d,), "<f4")
        yield Entry(f"{norm}.bias", (shape.d,), "<f4")
    for linear in linears(shape):
        n_in, n_out = linear.n_in, linear.n_out
        if kind in FLOATS:
            yield Entry(f"{linear.name}.weight", (n_in, n_out), FLOATS[kind])
        elif kind == "q8_0":
            yield Entry(f"{linear.name}.weight", (n_out, n_in // BLOCK, BLOCK), "|u1")
            yield Entry(f"{linear.name}.scale", (n_out, n_in // BLOCK), "<f4")
        else:
            yield Entry(f"{linear.name}.weight", (n_in, n_out), "|i1")
            yield Entry(f"{linear.name}.scale", (n_out,), "<f4")
        if linear.has_bias:
            yield Entry(f"{linear.name}.bias", (n_out,), "<f4")


def _arrays(
    shape: WhisperShape, n_queries: int, tensors: Tensors, kind: OnnxType
) -> Iterator[NDArray[np.generic]]:
    """The numbers of the same tensors in the same order."""
    for name in (*CONVOLUTIONS, POSITIONS):
        yield _read(tensors, name, shape)
    positions = _read(tensors, "decoder.embed_positions.weight", shape)[:n_queries]
    yield positions + start_embedding(shape, tensors)
    for norm in norms(shape):
        yield _read(tensors, f"{norm}.weight", shape)
        yield _read(tensors, f"{norm}.bias", shape)
    for linear in linears(shape):
        weight = _read(tensors, f"{linear.name}.weight", shape)
        if kind in FLOATS:
            yield weight.T
        else:
            yield from quantize_blocks(weight) if kind == "q8_0" else quantize(weight)
        if linear.has_bias:
            yield _read(tensors, f"{linear.name}.bias", shape)


def _read(tensors: Tensors, name: str, shape: WhisperShape) -> NDArray[np.float32]:
    data, expected = read_tensor(tensors, name), expected_shape(name, shape)
    if data.shape != expected:
        raise ConvertError(f"Whisper's tensor {name} is {data.shape}, its config.json says {expected}")
    values = data[:].astype(np.float32)
    if not np.isfinite(values).all():
        raise ConvertError(f"Whisper's tensor {name} has numbers that are not finite: the folder is damaged")
    return values


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
