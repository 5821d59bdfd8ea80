"""The speech tower -> ``speech.onnx``: encoder and decoder, read by all queries in one pass, as onnxruntime's graph.

``mel (n_mels, n_frames) f32 -> states (n_queries, d) f32`` for any even number of frames: the window is as long as
what is put in. The queries are constants, as every clip is asked the same. The numbers lie in ``speech.weights``.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.adapter import IR_VERSION
from convert.speech_weights import (
    BLOCK,
    CONVOLUTIONS,
    FLOATS,
    PEAK,
    POSITIONS,
    QUERIES,
    ZERO,
    Entry,
    OnnxType,
    layout,
)
from convert.tower import LAST_NORMS, Attention, Block, Linear, blocks
from convert.whisper import WhisperShape

OPSET = 17
ORT = "com.microsoft"
"""onnxruntime's own operators: since 1.23 it has them all on every processor"""
FLOAT = 1
"""ONNX's number of float32"""
IN_INT8 = 4
"""MatMulNBits' accuracy_level that rounds its input too"""
EPSILON = 1e-5
"""of the layer norms"""
INPUT, OUTPUT = "mel", "states"


def write_graph(path: Path, shape: WhisperShape, n_queries: int, kind: OnnxType, weights: str) -> None:
    """Write ``path`` for a tower whose numbers lie in the file called ``weights`` beside it."""
    import onnx
    from onnx import TensorProto, helper

    tower = _Tower(shape, n_queries, kind)
    tower.hear()
    graph = helper.make_graph(
        tower.nodes,
        "speech",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [shape.n_mels, "n_frames"])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [n_queries, shape.d])],
        [*(_external(entry, weights) for entry in layout(shape, n_queries, kind)), *tower.constants],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ORT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="edge-llasm")
    model.ir_version = IR_VERSION
    onnx.save_model(model, str(path))


class _Tower:
    """The graph's nodes while they are written down; the methods take and give names of values."""

    def __init__(self, shape: WhisperShape, n_queries: int, kind: OnnxType) -> None:
        self._shape = shape
        self._n_queries = n_queries
        self._kind = kind
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._rounded: dict[str, tuple[str, str]] = {}

    def hear(self) -> None:
        """From the spectrogram to the states."""
        heard = self._encoder(INPUT)
        value = QUERIES
        for block in blocks(self._shape, "decoder"):
            value = self._decoder_block(block, value, heard)
        self._norm(value, LAST_NORMS["decoder"], OUTPUT)

    def _encoder(self, mel: str) -> str:
        """(n_mels, n_frames) -> (n, d), n = n_frames / 2."""
        value = self._node("Unsqueeze", [mel, self._ints("axis_0", [0])], "mel_batch")
        for i, conv in enumerate(("conv1", "conv2")):
            names = [name for name in CONVOLUTIONS if conv in name]
            value = self._node("Conv", [value, *names], conv, pads=[1, 1], strides=[i + 1], kernel_shape=[3])
            value = self._gelu(value, f"{conv}.gelu")
        value = self._node("Squeeze", [value, self._ints("axis_0", [0])], "conv")  # (d, n)
        value = self._node("Transpose", [value], "conv.rows", perm=[1, 0])  # (n, d)
        n = self._node("Shape", [value], "n_positions", start=0, end=1)
        bounds = [self._ints("from_0", [0]), n, self._ints("axis_0", [0])]
        positions = self._node("Slice", [POSITIONS, *bounds], "positions")
        value = self._node("Add", [value, positions], "encoder.input")
        for block in blocks(self._shape, "encoder"):
            value = self._own_attention(block, value, self._shape.encoder_heads, causal=False)
            value = self._feed_forward(block, value)
        return self._norm(value, LAST_NORMS["encoder"], "heard")

    def _decoder_block(self, block: Block, value: str, heard: str) -> str:
        value = self._own_attention(block, value, self._shape.decoder_heads, causal=True)
        if block.cross is not None:
            asking = self._norm(value, block.norms[1])
            found = self._attention(block.cross, asking, heard, self._shape.decoder_heads)
            value = self._add(value, found)
        return self._feed_forward(block, value)

    def _own_attention(self, block: Block, value: str, n_heads: int, *, causal: bool) -> str:
        normed = self._norm(value, block.norms[0])
        return self._add(value, self._attention(block.own, normed, normed, n_heads, causal))

    def _feed_forward(self, block: Block, value: str) -> str:
        normed, name = self._norm(value, block.norms[-1]), f"{block.fc1.name}.output.gelu"
        if self._kind == "int8":
            # onnxruntime joins a sum and Gelu by itself, but what it joins comes after all else that could be computed:
            # the keys and values of all layers, which would stay in memory.
            parts = [self._product(block.fc1, normed), f"{block.fc1.name}.bias"]
            wide = self._node("BiasGelu", parts, name, ORT)
        else:
            wide = self._gelu(self._linear(block.fc1, normed), name)
        return self._add(value, self._linear(block.fc2, wide))

    def _attention(
        self, linears: Attention, asking: str, there: str, n_heads: int, causal: bool = False
    ) -> str:
        """``asking`` (n, d) looks at ``there`` (m, d) -> (n, d)."""
        axis, name = self._ints("axis_0", [0]), linears.out.name
        parts = [
            self._linear(linears.query, asking),
            self._linear(linears.key, there),
            self._linear(linears.value, there),
        ]
        batch = [self._node("Unsqueeze", [part, axis], f"{part}.batch") for part in parts]
        kind = {"num_heads": n_heads, "unidirectional": int(causal)}
        found = self._node("MultiHeadAttention", batch, f"{name}.attention", ORT, **kind)
        return self._linear(linears.out, self._node("Squeeze", [found, axis], f"{name}.found"))

    def _linear(self, linear: Linear, value: str) -> str:
        weight, name = f"{linear.name}.weight", f"{linear.name}.output"
        bias = [f"{linear.name}.bias"] if linear.has_bias else []
        if self._kind in FLOATS:
            if self._kind == "f16":  # onnxruntime does it once, when it loads the graph
                weight = self._node("Cast", [weight], f"{weight}.f32", to=FLOAT)
            return self._node("Gemm", [value, weight, *bias], name)
        if self._kind == "q8_0":
            sizes = {"K": linear.n_in, "N": linear.n_out, "bits": 8, "block_size": BLOCK}
            parts = [value, weight, f"{linear.name}.scale", *(["", "", *bias] if bias else [])]
            return self._node("MatMulNBits", parts, name, ORT, accuracy_level=IN_INT8, **sizes)
        product = self._product(linear, value)
        return self._node("Add", [product, *bias], name) if bias else product

    def _product(self, linear: Linear, value: str) -> str:
        """x W^T of numbers that are rounded by rows."""
        rounded, of_rows = self._round(value)
        weight, scale = f"{linear.name}.weight", f"{linear.name}.scale"
        parts = [rounded, weight, self._float("one", 1.0), scale, self._zero()]
        product = self._node("MatMulIntegerToFloat", parts, f"{linear.name}.rounded", ORT)
        return self._node("Mul", [product, of_rows], f"{linear.name}.product")

    def _round(self, value: str) -> tuple[str, str]:
        """(n, d) -> u8 around ZERO, and what one of them is worth in each row (n, 1).

        It is what MatMulIntegerToFloat cannot do itself: it knows one scale for all rows.
        """
        if value in self._rounded:
            return self._rounded[value]
        most = self._node("ReduceMax", [value], f"{value}.max", axes=[-1])
        least = self._node("ReduceMin", [value], f"{value}.min", axes=[-1])
        tiny = self._float("tiny", float(np.finfo(np.float32).tiny) * PEAK)  # a row of zeros stays one
        peak = self._node("Max", [most, self._node("Neg", [least], f"{value}.depth"), tiny], f"{value}.peak")
        scale = self._node("Div", [peak, self._float("peak", PEAK)], f"{value}.scale")
        of_rows = self._node("Squeeze", [scale, self._ints("axis_1", [1])], f"{value}.row_scale")
        n_rows = self._node("Shape", [of_rows], f"{value}.n_rows")
        zeros = self._node("Expand", [self._zero(), n_rows], f"{value}.zeros")
        rounded = self._node("QuantizeLinear", [value, of_rows, zeros], f"{value}.u8", axis=0)
        self._rounded[value] = rounded, scale
        return rounded, scale

    def _norm(self, value: str, name: str, output: str = "") -> str:
        parts = [value, f"{name}.weight", f"{name}.bias"]
        return self._node("LayerNormalization", parts, output or f"{name}.output", axis=-1, epsilon=EPSILON)

    def _gelu(self, value: str, name: str) -> str:
        return self._node("Gelu", [value], name, ORT)

    def _add(self, value: str, change: str) -> str:
        return self._node("Add", [value, change], f"{change}.sum")

    def _ints(self, name: str, values: list[int]) -> str:
        return self._constant(name, np.array(values, np.int64))

    def _float(self, name: str, value: float) -> str:
        return self._constant(name, np.array(value, np.float32))

    def _zero(self) -> str:
        return self._constant("zero", np.array(ZERO, np.uint8))

    def _constant(self, name: str, value: NDArray[np.generic]) -> str:
        from onnx import numpy_helper

        if name not in [constant.name for constant in self.constants]:
            self.constants.append(numpy_helper.from_array(value, name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        self._nodes(kind, inputs, [output], domain, **attributes)
        return output

    def _nodes(
        self, kind: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: Any
    ) -> None:
        from onnx import helper

        self.nodes.append(
            helper.make_node(kind, inputs, outputs, name=outputs[0], domain=domain, **attributes)
        )


def _external(entry: Entry, weights: str) -> Any:
    from onnx import StringStringEntryProto, TensorProto

    kinds = {
        "<f4": TensorProto.FLOAT,
        "<f2": TensorProto.FLOAT16,
        "|i1": TensorProto.INT8,
        "|u1": TensorProto.UINT8,
    }
    tensor = TensorProto(
        name=entry.name, dims=entry.dims, data_type=kinds[entry.dtype], data_location=TensorProto.EXTERNAL
    )
    for key, value in {"location": weights, "offset": entry.offset, "length": entry.size}.items():
        tensor.external_data.append(StringStringEntryProto(key=key, value=str(value)))
    return tensor
