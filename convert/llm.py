"""LLaMA weights and a SentencePiece vocabulary -> ``llm.gguf``."""

import ctypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.vocabulary import Vocabulary
from convert.whisper import to_f16
from edge_llasm.llama_library import load_library, log

Array = NDArray[Any]
Tensors = Mapping[str, Array]

PLAIN_TYPES = ("f32", "f16")
# Those of llama.cpp's that need no importance matrix.
_K_TYPES = ("Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q3_K_M", "Q2_K")
QUANTIZED_TYPES = ("Q8_0", *_K_TYPES, "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS")
LLM_TYPES = (*PLAIN_TYPES, *QUANTIZED_TYPES)

EMBEDDING, HEAD, NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"


@dataclass(frozen=True)
class LlamaShape:
    """The numbers of a LLaMA ``config.json``."""

    n_embd: int
    n_ffn: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    n_vocab: int
    """Rows of the embedding, special tokens included."""
    n_ctx: int
    """Positions, tokens and audio together."""
    rms_eps: float
    rope_base: float
    tied: bool
    """Whether the output layer is the embedding."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "LlamaShape":
        """Read a Hugging Face ``LlamaConfig`` as a mapping, of old or new transformers.

        Raises ConvertError for a missing number and for variants of LLaMA that are not written here.
        """
        rope = config.get("rope_parameters") or {}
        scaling = config.get("rope_scaling") or {}
        kinds = rope.get("rope_type"), scaling.get("rope_type"), scaling.get("type")
        if any(kind not in (None, "default") for kind in kinds):
            raise ConvertError("this LLaMA scales its rotary positions: not supported")
        biased = config.get("attention_bias") or config.get("mlp_bias")
        if biased or config.get("hidden_act", "silu") != "silu":
            raise ConvertError("this LLaMA has biases or another activation than silu: not supported")
        try:
            n_heads = int(config["num_attention_heads"])
            n_embd = int(config["hidden_size"])
            shape = cls(
                n_embd=n_embd,
                n_ffn=int(config["intermediate_size"]),
                n_layers=int(config["num_hidden_layers"]),
                n_heads=n_heads,
                n_kv_heads=int(config.get("num_key_value_heads") or n_heads),
                head_dim=int(config.get("head_dim") or n_embd // n_heads),
                n_vocab=int(config["vocab_size"]),
                n_ctx=int(config["max_position_embeddings"]),
                rms_eps=float(config["rms_norm_eps"]),
                rope_base=float(config.get("rope_theta") or rope.get("rope_theta") or 10_000.0),
                tied=bool(config.get("tie_word_embeddings", False)),
            )
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ConvertError(f"the checkpoint's config.json has no usable {error}") from error
        return shape


def tensor_shapes(shape: LlamaShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield (Hugging Face's name, shape) of every tensor of the language model, in the order of the file."""
    queries, keys = shape.n_heads * shape.head_dim, shape.n_kv_heads * shape.head_dim
    n_embd, n_ffn = shape.n_embd, shape.n_ffn
    yield EMBEDDING, (shape.n_vocab, n_embd)
    for layer in range(shape.n_layers):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (n_embd,)
        yield prefix + "self_attn.q_proj.weight", (queries, n_embd)
        yield prefix + "self_attn.k_proj.weight", (keys, n_embd)
        yield prefix + "self_attn.v_proj.weight", (keys, n_embd)
        yield prefix + "self_attn.o_proj.weight", (n_embd, queries)
        yield prefix + "post_attention_layernorm.weight", (n_embd,)
        yield prefix + "mlp.gate_proj.weight", (n_ffn, n_embd)
        yield prefix + "mlp.up_proj.weight", (n_ffn, n_embd)
        yield prefix + "mlp.down_proj.weight", (n_embd, n_ffn)
    yield NORM, (n_embd,)
    if not shape.tied:
        yield HEAD, (shape.n_vocab, n_embd)


def write_llm(
    path: Path,
    shape: LlamaShape,
    tensors: Tensors,
    vocabulary: Vocabulary,
    *,
    name: str,
    llm_type: str = "f16",
) -> None:
    """Write ``path`` as f16, f32, or any of :data:`LLM_TYPES` through llama.cpp's own quantizer.

    Tensors are read and written one at a time. Raises ConvertError for a missing tensor or a wrong shape.
    """
    if llm_type not in LLM_TYPES:
        raise ConvertError(f"unknown LLM type {llm_type!r}: choose one of {', '.join(LLM_TYPES)}")
    if llm_type in PLAIN_TYPES:
        _write_plain(path, shape, tensors, vocabulary, name, half=llm_type == "f16")
        return
    plain = path.with_name(path.name + ".f16")
    try:
        _write_plain(plain, shape, tensors, vocabulary, name, half=True)
        quantize(plain, path, llm_type)
    finally:
        plain.unlink(missing_ok=True)


def quantize(source: Path, target: Path, llm_type: str) -> None:
    """Quantize a GGUF by llama.cpp; raises ConvertError when it fails."""
    lib = load_library()
    params = lib.llama_model_quantize_default_params()
    params.ftype = getattr(lib, f"LLAMA_FTYPE_MOSTLY_{llm_type}")
    log.clear()
    if lib.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)) != 0:
        raise ConvertError(f"llama.cpp could not quantize {source.name} to {llm_type}: {log.last_error()}")


def _write_plain(
    path: Path, shape: LlamaShape, tensors: Tensors, vocabulary: Vocabulary, name: str, *, half: bool
) -> None:
    import gguf

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, shape.n_layers)
    writer = gguf.GGUFWriter(path, "llama")
    try:
        _add_metadata(writer, shape, vocabulary, name, half)
        for theirs, dims in tensor_shapes(shape):
            if theirs not in tensors:
                raise ConvertError(f"the checkpoint has no tensor {theirs}: is it complete?")
            dtype = np.dtype(np.float16 if half and len(dims) > 1 else np.float32)
            ours = names.get_name(theirs, try_suffixes=(".weight",))
            writer.add_tensor_info(ours, dims, dtype, dtype.itemsize * int(np.prod(dims)))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for theirs, dims in tensor_shapes(shape):
            data = tensors[theirs]
            if data.shape != dims:
                raise ConvertError(f"tensor {theirs} is {data.shape}, config.json says {dims}")
            if "q_proj" in theirs or "k_proj" in theirs:
                data = interleave_heads(data, shape.n_heads if "q_proj" in theirs else shape.n_kv_heads)
            data = to_f16(theirs, data) if half and len(dims) > 1 else data.astype(np.float32)
            writer.write_tensor_data(np.ascontiguousarray(data))
    finally:
        writer.close()


def interleave_heads(weight: Array, n_heads: int) -> Array:
    """Reorder each head's rows: Hugging Face rotates the halves against each other, llama.cpp neighbours."""
    n_rows, width = weight.shape
    halves = weight.reshape(n_heads, 2, n_rows // n_heads // 2, width)
    return halves.swapaxes(1, 2).reshape(n_rows, width)


def _add_metadata(writer: Any, shape: LlamaShape, vocabulary: Vocabulary, name: str, half: bool) -> None:
    import gguf

    if len(vocabulary.texts) != shape.n_vocab:
        raise ConvertError(f"the vocabulary has {len(vocabulary.texts)} rows, the embedding {shape.n_vocab}")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if half else gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(shape.n_ctx)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layers)
    writer.add_feed_forward_length(shape.n_ffn)
    writer.add_head_count(shape.n_heads)
    writer.add_head_count_kv(shape.n_kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(shape.rms_eps)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.n_vocab)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary.texts)
    writer.add_token_scores(vocabulary.scores)
    writer.add_token_types(vocabulary.types)
    writer.add_bos_token_id(vocabulary.bos)
    writer.add_eos_token_id(vocabulary.eos)
    writer.add_unk_token_id(vocabulary.unk)
    writer.add_add_bos_token(False)  # the prompt's own code places it
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(vocabulary.add_space_prefix)
