"""No sum of 8-bit products is cut, whatever the processor: it is asked, and given the way that is right on it."""

import numpy as np

from edge_llasm.onnx_session import open_session
from edge_llasm.speech.eight_bits import COLUMNS, DEPTH, GRAPH, LARGEST_SUM, adds_up


def test_the_largest_sum_comes_out_whole() -> None:
    session = open_session(GRAPH, n_threads=1, wide_sums=not adds_up())
    (sums,) = session.run(None, {"rows": np.full((3, DEPTH), 255, np.uint8)})
    assert sums.shape == (3, COLUMNS)
    assert (sums == LARGEST_SUM).all()


def test_the_slower_way_is_right_on_every_processor() -> None:
    session = open_session(GRAPH, n_threads=1, wide_sums=True)
    (sums,) = session.run(None, {"rows": np.full((3, DEPTH), 255, np.uint8)})
    assert (sums == LARGEST_SUM).all()
