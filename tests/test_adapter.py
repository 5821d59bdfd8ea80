"""The adapter is one graph of one input and one output, whatever is inside."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_llasm.adapter import Adapter
from edge_llasm.errors import BundleError, DeviceError, EngineError


def write_linear(
    path: Path, weight: np.ndarray, bias: np.ndarray, kind: int = TensorProto.FLOAT, batch: str | int = "n"
) -> Path:
    d, n_embd = weight.shape
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["states", "weight", "bias"], ["embeddings"])],
        "adapter",
        [helper.make_tensor_value_info("states", kind, [batch, d])],
        [helper.make_tensor_value_info("embeddings", kind, [batch, n_embd])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def test_it_computes_what_the_graph_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((8, 5)).astype(np.float32), rng.standard_normal(5).astype(np.float32)
    with Adapter.open(write_linear(tmp_path / "adapter.onnx", weight, bias)) as adapter:
        assert (adapter.d, adapter.n_embd, adapter.device) == (8, 5, "cpu")
        for n in (1, 3, 64):
            states = rng.standard_normal((n, 8)).astype(np.float32)
            np.testing.assert_allclose(adapter.embed(states), states @ weight + bias, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(
                adapter.embed(np.asfortranarray(states)), states @ weight + bias, rtol=1e-5, atol=1e-5
            )


def test_states_of_another_width_are_refused(tmp_path: Path) -> None:
    with Adapter.open(
        write_linear(tmp_path / "a.onnx", np.eye(4, dtype=np.float32), np.zeros(4, np.float32))
    ) as adapter:
        with pytest.raises(ValueError, match=r"\(n, 4\)"):
            adapter.embed(np.zeros((2, 5), np.float32))
        with pytest.raises(EngineError, match="not finite"):
            adapter.embed(np.full((2, 4), np.inf, np.float32))
    with pytest.raises(EngineError, match="closed"):
        adapter.embed(np.zeros((2, 4), np.float32))


def test_files_that_are_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="missing"):
        Adapter.open(tmp_path / "adapter.onnx")
    (tmp_path / "adapter.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match="cannot be opened") as caught:
        Adapter.open(tmp_path / "adapter.onnx")
    assert "\n" not in str(caught.value)
    double = write_linear(tmp_path / "double.onnx", np.eye(4), np.zeros(4), TensorProto.DOUBLE)
    with pytest.raises(BundleError, match="float32"):
        Adapter.open(double)


def test_a_device_that_does_not_exist(tmp_path: Path) -> None:
    path = write_linear(tmp_path / "adapter.onnx", np.eye(4, dtype=np.float32), np.zeros(4, np.float32))
    with pytest.raises(DeviceError, match="auto, cpu, metal, cuda"):
        Adapter.open(path, "tpu")
