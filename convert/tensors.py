"""Tensors that are read row by row, so that no more of a checkpoint than one tensor is ever in memory."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError

Array = NDArray[Any]

BLOCK = 1 << 20
"""Numbers converted at a time: 4 MB in float32, enough to forget what a block costs."""


class Tensor(Protocol):
    """A numpy array, or one that is still in its file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As in the checkpoint; (rows, columns) of a matrix."""
        ...

    def __getitem__(self, rows: slice, /) -> Array:
        """Some of the rows, float16 or float32; ``[:]`` is the whole tensor."""
        ...


Tensors = Mapping[str, Tensor]


def row_blocks(tensor: Tensor, unit: int = 1) -> Iterator[Array]:
    """Yield all rows from the first to the last, about BLOCK numbers at once and whole multiples of ``unit``."""
    wanted = BLOCK // max(1, prod(tensor.shape[1:]))
    step = max(unit, wanted // unit * unit)
    for start in range(0, tensor.shape[0], step):
        yield tensor[start : start + step]


def to_f16(name: str, data: Array) -> NDArray[np.float16]:
    """Round to float16; ConvertError where a weight would become infinite."""
    with np.errstate(over="ignore"):
        half = data.astype("<f2")
    if not np.isfinite(half).all():
        raise ConvertError(
            f"tensor {name} has numbers that float16 cannot hold: choose bf16 or f32, or the checkpoint is damaged"
        )
    return half
