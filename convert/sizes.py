"""How many bytes the parts of a bundle will have, from their shapes alone."""

from math import prod

from convert.llm import EMBEDDING, HEAD, LlamaShape, tensor_shapes
from convert.speech_weights import OnnxType, layout
from convert.vocabulary import Vocabulary
from convert.whisper import WhisperShape, expected_shape, tensor_names

F32_BITS = 32
SPEECH_BITS = {"f16": 16.0, "q5_1": 6.0, "q8_0": 8.5}
# Bits per weight of a 7B LLaMA's layers, as llama.cpp's quantizer mixes the types.
LLM_BITS = {
    "f32": 32.0, "f16": 16.0, "bf16": 16.0, "Q8_0": 8.5, "Q6_K": 6.57, "Q5_K_M": 5.7, "Q5_K_S": 5.55,
    "Q5_1": 6.0, "Q5_0": 5.5, "Q4_K_M": 4.9, "Q4_K_S": 4.6, "Q4_1": 5.0, "Q4_0": 4.55, "IQ4_NL": 4.55,
    "IQ4_XS": 4.35, "Q3_K_M": 3.95, "Q2_K": 3.2,
}  # fmt: skip
_MOST_BITS = (
    8.5  # of the embedding and the output layer, which the quantizer spares, where it quantizes at all
)
_NAME_BYTES, _PIECE_BYTES = 64, 40  # about what a tensor's and a piece's description take
# A tensor's and its nodes' share of a graph.
_ONNX_TENSOR_BYTES: dict[OnnxType, int] = {"int8": 670, "q8_0": 300, "f16": 380, "f32": 320}


def speech_bytes(shape: WhisperShape, speech_type: str) -> int:
    """Of speech.bin."""
    bits = SPEECH_BITS[speech_type]
    total = _tensor((shape.d + 1, shape.d), bits)
    for _, name in tensor_names(shape):
        # Convolutions stay f16, what is added stays f32.
        matrix_bits = 16.0 if "conv" in name else F32_BITS if "embed_positions" in name else bits
        total += _tensor(expected_shape(name, shape), matrix_bits)
    return total


def graph_bytes(shape: WhisperShape, n_queries: int, onnx_type: OnnxType) -> int:
    """Of speech.onnx, whose numbers lie in speech.weights."""
    return _ONNX_TENSOR_BYTES[onnx_type] * len(layout(shape, n_queries, onnx_type))


def adapter_bytes(n_embd: int, d: int) -> int:
    """Of adapter.onnx: one Linear in float32."""
    return 4 * (n_embd * d + n_embd) + _NAME_BYTES * 8


def llm_bytes(shape: LlamaShape, vocabulary: Vocabulary, llm_type: str) -> int:
    """Of llm.gguf, rather too much than too little."""
    bits = LLM_BITS.get(llm_type, _MOST_BITS)
    spared = bits if bits >= _MOST_BITS else _MOST_BITS
    total = _PIECE_BYTES * len(vocabulary.texts)
    for name, dims in tensor_shapes(shape):
        total += _tensor(dims, spared if name in (EMBEDDING, HEAD) else bits)
    return total


def float32_bytes(whisper: WhisperShape, llama: LlamaShape) -> int:
    """Of both models in PyTorch: what the comparison with the original needs, besides some working space."""
    towers = [expected_shape(name, whisper) for _, name in tensor_names(whisper)]
    return 4 * sum(prod(dims) for dims in [*towers, *(dims for _, dims in tensor_shapes(llama))])


def _tensor(dims: tuple[int, ...], bits: float) -> int:
    return int(prod(dims) * (bits if len(dims) > 1 else F32_BITS) / 8) + _NAME_BYTES
