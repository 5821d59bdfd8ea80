"""The graph by which the runtime finds out how a processor multiplies 8-bit numbers (edge_llasm/speech/eight_bits.py).

python -m convert.eight_bits     # write it again
"""

import numpy as np

from convert.adapter import IR_VERSION
from convert.speech_onnx import OPSET, ORT
from convert.speech_weights import PEAK, ZERO
from edge_llasm.speech.eight_bits import COLUMNS, DEPTH, GRAPH


def graph_bytes() -> bytes:
    """u8 (n, DEPTH) around ZERO times a matrix of PEAKs -> f32 (n, COLUMNS), as speech.onnx multiplies."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "peaks": np.full((DEPTH, COLUMNS), PEAK, np.int8),
        "one": np.array(1, np.float32),
        "ones": np.ones(COLUMNS, np.float32),
        "zero": np.array(ZERO, np.uint8),
    }
    node = helper.make_node(
        "MatMulIntegerToFloat", ["rows", "peaks", "one", "ones", "zero"], ["sums"], domain=ORT
    )
    graph = helper.make_graph(
        [node],
        "eight_bits",
        [helper.make_tensor_value_info("rows", TensorProto.UINT8, ["n", DEPTH])],
        [helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["n", COLUMNS])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ORT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="edge-llasm")
    model.ir_version = IR_VERSION
    return bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    GRAPH.write_bytes(graph_bytes())
