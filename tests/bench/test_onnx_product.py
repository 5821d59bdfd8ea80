from pathlib import Path

import numpy as np
import onnx
import pytest

from edge_llasm.bench.onnx_product import write_product
from edge_llasm.onnx_session import open_session


@pytest.mark.parametrize("shape", [(3, 5), (300, 129)])
def test_the_file_is_an_onnx_model_that_multiplies(tmp_path: Path, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    b = rng.integers(-128, 128, shape, np.int8)
    write_product(tmp_path / "product.onnx", b)
    onnx.checker.check_model(str(tmp_path / "product.onnx"))
    a = rng.integers(0, 128, (4, shape[0]), np.uint8)  # no pair of products over 16 bits, on any processor
    (found,) = open_session(tmp_path / "product.onnx", 1).run(None, {"a": a})
    assert np.array_equal(found, a.astype(np.int32) @ b.astype(np.int32))
