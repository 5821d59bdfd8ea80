"""What this machine can do at best, by two small programs: a matrix product, and a copy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_llasm.bench.turns import in_turn
from edge_llasm.cores import physical_cores

__all__ = ["Limits", "measure_limits"]

SIDE = 1024
"""Rows and columns of the matrices"""
COPIED = 64 << 20
"""Bytes: more than a cache holds"""
ROUNDS = 5


@dataclass(frozen=True)
class Limits:
    """Measured, not looked up: other programs take their share."""

    cores: int
    """physical ones that this process may use"""
    flops: float
    """float32 operations a second, in a matrix product by numpy's BLAS"""
    bandwidth: float
    """bytes a second, read and written, in a copy"""


def measure_limits() -> Limits:
    """Takes less than a second on an idle machine."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIDE, SIDE), np.float32) for _ in range(2))
    source = np.zeros(COPIED, np.uint8)
    target = np.ones_like(source)
    found = in_turn({"product": lambda: a @ b, "copy": lambda: np.copyto(target, source)}, ROUNDS)
    product, copy = (min(found[name].seconds) for name in ("product", "copy"))
    return Limits(physical_cores(), 2 * SIDE**3 / product, 2 * COPIED / copy)
