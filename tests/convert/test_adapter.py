from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from convert.adapter import INPUT, write_adapter
from convert.errors import ConvertError

RNG = np.random.default_rng(1)
WEIGHT = RNG.standard_normal((5, 3), np.float32)
BIAS = RNG.standard_normal(5, np.float32)


def run(path: Path, features: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {INPUT: features})[0])


@pytest.mark.parametrize("n", [1, 64])
def test_it_is_the_linear_layer_for_any_number_of_rows(tmp_path: Path, n: int) -> None:
    write_adapter(tmp_path / "adapter.onnx", WEIGHT, BIAS)
    features = RNG.standard_normal((n, 3), np.float32)
    expected = features @ WEIGHT.T + BIAS
    np.testing.assert_allclose(run(tmp_path / "adapter.onnx", features), expected, rtol=1e-5, atol=1e-6)


def test_half_precision_weights_and_no_bias_do(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapter.onnx", WEIGHT.astype(np.float16), None)
    features = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(run(tmp_path / "adapter.onnx", features), WEIGHT.T.astype(np.float16))


def test_layers_that_are_not_linear_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="not one Linear"):
        write_adapter(tmp_path / "adapter.onnx", WEIGHT, BIAS[:4])


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="not finite"):
        write_adapter(tmp_path / "adapter.onnx", WEIGHT * np.nan, BIAS)
