"""Whether this processor adds up products of 8-bit numbers without losing any.

With VNNI, and on ARM, it does. Older x86 processors add two products in 16 bits, which are too few for the largest
ones: the sum is cut, and nobody is told. onnxruntime has a slower way for them (session.x64quantprecision in its
onnxruntime_session_options_config_keys.h) and would take it everywhere, so the processor is asked first.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from edge_llasm.onnx_session import open_session

__all__ = ["COLUMNS", "DEPTH", "GRAPH", "adds_up"]

GRAPH = Path(__file__).with_name("eight_bits.onnx")
"""Written by convert/eight_bits.py"""
DEPTH, COLUMNS = 64, 32
"""Of its matrix: large enough for the products that a model is made of"""
LARGEST_SUM = 127 * (255 - 128) * DEPTH
"""Of products of its weights and the largest input around 128"""


@cache
def adds_up() -> bool:
    """Ask the processor, once. Raises BundleError, EngineError."""
    session = open_session(GRAPH, n_threads=1)
    (sums,) = session.run(None, {session.get_inputs()[0].name: np.full((4, DEPTH), 255, np.uint8)})
    return bool((sums == LARGEST_SUM).all())
