"""The speech tower -> ``speech.onnx``: encoder and decoder, read by all queries in one pass, as onnxruntime's graph.

``mel (n_mels, n_frames) f32 -> states (n_queries, d) f32`` for any even number of frames: the window is as long as
what is put in. The queries are constants, as every clip is asked the same. The numbers lie in ``speech.weights``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convert.adapter import IR_VERSION
from convert.speech_weights import (
    BLOCK,
    CONVOLUTIONS,
    POSITIONS,
    QUERIES,
    Entry,
    OnnxType,
    in_blocks,
    layout,
)
from convert.tower import LAST_NORMS, Block, Linear, blocks
from convert.whisper import WhisperShape

OPSET = 17
ORT = "com.microsoft"
"""onnxruntime's own operators: since 1.23 it has them all on every processor"""
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
        value = self._cross_attention(block, value, heard)
        return self._feed_forward(block, value)

    def _own_attention(self, block: Block, value: str, n_heads: int, *, causal: bool) -> str:
        d = self._shape.d
        qkv = self._linear(block.qkv, self._norm(value, block.norms[0]))
        parts = self._split(qkv, 3 * [d])
        return self._add(
            value, self._linear(block.out, self._attention(block.out.name, parts, n_heads, causal))
        )

    def _cross_attention(self, block: Block, value: str, heard: str) -> str:
        asking, there, out = block.cross
        query = self._linear(asking, self._norm(value, block.norms[1]))
        parts = [query, *self._split(self._linear(there, heard), 2 * [self._shape.d])]
        found = self._attention(out.name, parts, self._shape.decoder_heads, causal=False)
        return self._add(value, self._linear(out, found))

    def _feed_forward(self, block: Block, value: str) -> str:
        wide = self._linear(block.fc1, self._norm(value, block.norms[-1]))
        return self._add(value, self._linear(block.fc2, self._gelu(wide, f"{wide}.gelu")))

    def _attention(self, name: str, parts: Sequence[str], n_heads: int, causal: bool) -> str:
        """Queries, keys and values (n, d) each -> (n of the queries, d)."""
        axis = self._ints("axis_0", [0])
        batch = [self._node("Unsqueeze", [part, axis], f"{part}.batch") for part in parts]
        found = self._node(
            "MultiHeadAttention",
            batch,
            f"{name}.attention",
            ORT,
            num_heads=n_heads,
            unidirectional=int(causal),
        )
        return self._node("Squeeze", [found, axis], f"{name}.found")

    def _linear(self, linear: Linear, value: str) -> str:
        weight, bias, name = f"{linear.name}.weight", f"{linear.name}.bias", f"{linear.name}.output"
        if self._kind == "f32":
            return self._node("Gemm", [value, weight, bias], name)
        scale = f"{linear.name}.scale"
        if in_blocks(linear, self._kind):
            sizes = {"K": linear.n_in, "N": linear.n_out, "bits": 8, "block_size": BLOCK}
            parts = [value, weight, scale, "", "", bias]
            return self._node("MatMulNBits", parts, name, ORT, accuracy_level=IN_INT8, **sizes)
        return self._node("DynamicQuantizeMatMul", [value, weight, scale, "", bias], name, ORT)

    def _split(self, value: str, sizes: list[int]) -> list[str]:
        names = [f"{value}.{i}" for i in range(len(sizes))]
        self._nodes("Split", [value, self._ints(f"split_{len(sizes)}", sizes)], names, axis=1)
        return names

    def _norm(self, value: str, name: str, output: str = "") -> str:
        parts = [value, f"{name}.weight", f"{name}.bias"]
        return self._node("LayerNormalization", parts, output or f"{name}.output", axis=-1, epsilon=EPSILON)

    def _gelu(self, value: str, name: str) -> str:
        return self._node("Gelu", [value], name, ORT)

    def _add(self, value: str, change: str) -> str:
        return self._node("Add", [value, change], f"{change}.sum")

    def _ints(self, name: str, values: list[int]) -> str:
        from onnx import numpy_helper

        if name not in [constant.name for constant in self.constants]:
            self.constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
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

    kinds = {"<f4": TensorProto.FLOAT, "|i1": TensorProto.INT8, "|u1": TensorProto.UINT8}
    tensor = TensorProto(
        name=entry.name, dims=entry.dims, data_type=kinds[entry.dtype], data_location=TensorProto.EXTERNAL
    )
    for key, value in {"location": weights, "offset": entry.offset, "length": entry.size}.items():
        tensor.external_data.append(StringStringEntryProto(key=key, value=str(value)))
    return tensor
