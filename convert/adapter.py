"""The adapter, one ``Linear(d -> n_embd)``, -> ``adapter.onnx``."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError

OPSET = 17
IR_VERSION = 8  # what opset 17 came with: any onnxruntime since 1.12 reads it
INPUT, OUTPUT = "features", "embeddings"


def write_adapter(path: Path, weight: NDArray[Any], bias: NDArray[Any] | None) -> None:
    """Write ``features (n, d) f32 -> embeddings (n, n_embd) f32`` for any n.

    ``weight`` is ``(n_embd, d)`` and ``bias`` ``(n_embd,)``, as in ``torch.nn.Linear``. Raises ConvertError
    for other shapes and for numbers that are not finite.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
        shape = None if bias is None else bias.shape
        raise ConvertError(f"the adapter's weight {weight.shape} and bias {shape} are not one Linear layer")
    n_embd, d = weight.shape
    bias = np.zeros(n_embd, np.float32) if bias is None else bias
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ConvertError("the adapter has numbers that are not finite: the checkpoint is damaged")
    graph = helper.make_graph(
        [helper.make_node("Gemm", [INPUT, "weight", "bias"], [OUTPUT], name="linear", transB=1)],
        "adapter",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", d])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", n_embd])],
        [
            numpy_helper.from_array(np.ascontiguousarray(weight, np.float32), "weight"),
            numpy_helper.from_array(np.ascontiguousarray(bias, np.float32), "bias"),
        ],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="edge-llasm")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    onnx.save_model(model, str(path))
