"""What this machine can do at best: two matrix products, and reading what no cache holds.

Hearing is made of matrix products, in 8 bits or in floats; writing an answer is reading the weights once a token.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_llasm.bench.onnx_product import write_product
from edge_llasm.bench.turns import in_turn
from edge_llasm.cores import physical_cores
from edge_llasm.onnx_session import open_session

__all__ = ["Limits", "measure_limits"]

SIDE = 1024
"""Rows and columns of the matrices"""
READ = 256 << 20
"""Bytes: several times what a cache holds"""
ROUNDS = 15


@dataclass(frozen=True)
class Limits:
    """Measured, not looked up: other programs take their share."""

    cores: int
    """physical ones that this process may use"""
    float32: float
    """operations a second, in a matrix product by numpy's BLAS"""
    int8: float
    """the same of 8-bit integers, by onnxruntime"""
    read: float
    """bytes a second, in a dot product of a vector that no cache holds, by numpy's BLAS"""
    load: float
    """threads that wanted a core in the minute before, on average"""

    @property
    def busy(self) -> bool:
        """Whether others left no core free: then only rows of one run can be compared, and no limit is one."""
        return self.load > self.cores


def measure_limits() -> Limits:
    """The best of ROUNDS; about a second on an idle machine. Raises EngineError without onnxruntime."""
    load = os.getloadavg()[0]
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIDE, SIDE), np.float32) for _ in range(2))
    long = np.ones(READ // 4, np.float32)
    bytes_ = rng.integers(0, 256, (SIDE, SIDE), np.uint8)
    with tempfile.TemporaryDirectory(prefix="edge-llasm-") as folder:
        file = Path(folder) / "product.onnx"
        write_product(file, rng.integers(-128, 128, (SIDE, SIDE), np.int8))
        session = open_session(file, physical_cores())
    found = in_turn(
        {
            "float32": lambda: a @ b,
            "int8": lambda: session.run(None, {"a": bytes_}),
            "read": lambda: np.dot(long, long),
        },
        ROUNDS,
    )
    float32, int8, read = (min(found[name].times) for name in ("float32", "int8", "read"))
    return Limits(physical_cores(), 2 * SIDE**3 / float32, 2 * SIDE**3 / int8, READ / read, load)
