"""The weights of a LLaMA or one of its relatives, and a vocabulary -> ``llm.gguf``."""

import ctypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from convert.errors import ConvertError
from convert.family import LLAMA, Family, family_of
from convert.rope import Rope
from convert.tensors import Array, Tensors, row_blocks, to_f16
from convert.vocabulary import Vocabulary
from edge_llasm.llama import NFC_KEY
from edge_llasm.llama_library import load_library, log

PLAIN_TYPES = ("f32", "f16", "bf16")
# Those of llama.cpp's that need no importance matrix.
_K_TYPES = ("Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q3_K_M", "Q2_K")
QUANTIZED_TYPES = ("Q8_0", *_K_TYPES, "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS")
LLM_TYPES = (*PLAIN_TYPES, *QUANTIZED_TYPES)

QUANTIZER_BYTES = 1 << 25
"""What llama.cpp's quantizer may hold of a tensor at once."""

EMBEDDING, HEAD, NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"


@dataclass(frozen=True)
class LlamaShape:
    """The numbers of a LLaMA's ``config.json``, or of a relative's."""

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
    tied: bool
    """Whether the output layer is the embedding."""
    rope: Rope = Rope()
    family: Family = LLAMA

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "LlamaShape":
        """Read a Hugging Face ``LlamaConfig`` (or a relative's) as a mapping, of old or new transformers.

        Raises ConvertError for a missing number, an unknown architecture, and for variants of a known one that are
        not written here.
        """
        family = family_of(config)
        biased = config.get("mlp_bias") or (config.get("attention_bias") and not family.biased)
        if biased or config.get("hidden_act", "silu") != "silu":
            raise ConvertError("this LLaMA has biases or another activation than silu: not supported")
        windowed = config.get("use_sliding_window", family.model_type == "mistral")
        if config.get("sliding_window") is not None and windowed:
            raise ConvertError("this model looks back no further than a sliding window: not supported")
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
                tied=bool(config.get("tie_word_embeddings", False)),
                rope=Rope.from_config(config),
                family=family,
            )
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ConvertError(f"the checkpoint's config.json has no usable {error}") from error
        return shape


def tensor_shapes(shape: LlamaShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield (Hugging Face's name, shape) of every tensor of the language model, in the order of the file."""
    widths = {"q": shape.n_heads * shape.head_dim} | dict.fromkeys("kv", shape.n_kv_heads * shape.head_dim)
    n_embd, n_ffn, family = shape.n_embd, shape.n_ffn, shape.family
    yield EMBEDDING, (shape.n_vocab, n_embd)
    for layer in range(shape.n_layers):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (n_embd,)
        for part, width in widths.items():
            yield f"{prefix}self_attn.{part}_proj.weight", (width, n_embd)
            if family.biased:
                yield f"{prefix}self_attn.{part}_proj.bias", (width,)
            if family.normed and part in "qk":
                yield f"{prefix}self_attn.{part}_norm.weight", (shape.head_dim,)
        yield prefix + "self_attn.o_proj.weight", (n_embd, widths["q"])
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
    """Write ``path`` as any of :data:`LLM_TYPES`, the quantized ones by llama.cpp's own quantizer from f16.

    Tensors are read and written some rows at a time. Raises ConvertError for a missing tensor, a wrong shape, or
    numbers beyond float16's range.
    """
    if llm_type not in LLM_TYPES:
        raise ConvertError(f"unknown LLM type {llm_type!r}: choose one of {', '.join(LLM_TYPES)}")
    if llm_type in PLAIN_TYPES:
        _write_plain(path, shape, tensors, vocabulary, name, llm_type)
        return
    plain = path.with_name(path.name + ".f16")
    try:
        _write_plain(plain, shape, tensors, vocabulary, name, "f16")
        quantize(plain, path, llm_type)
    finally:
        plain.unlink(missing_ok=True)


def quantize(source: Path, target: Path, llm_type: str) -> None:
    """Quantize a GGUF by llama.cpp; raises ConvertError when it fails."""
    lib = load_library()
    params = lib.llama_model_quantize_default_params()
    params.ftype = getattr(lib, f"LLAMA_FTYPE_MOSTLY_{llm_type}")
    params.max_buf_size = QUANTIZER_BYTES
    log.clear()
    if lib.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)) != 0:
        raise ConvertError(f"llama.cpp could not quantize {source.name} to {llm_type}: {log.last_error()}")


def _write_plain(
    path: Path, shape: LlamaShape, tensors: Tensors, vocabulary: Vocabulary, name: str, llm_type: str
) -> None:
    import gguf

    check_tensors(shape, tensors)
    matrices, vectors = gguf.GGMLQuantizationType[llm_type.upper()], gguf.GGMLQuantizationType.F32
    arch = gguf.MODEL_ARCH[shape.family.architecture.upper()]
    names = gguf.get_tensor_name_map(arch, shape.n_layers)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    try:
        _add_metadata(writer, shape, vocabulary, name)
        ftype = {"f32": "ALL_F32"}.get(llm_type, f"MOSTLY_{llm_type.upper()}")
        writer.add_file_type(gguf.LlamaFileType[ftype])

        def declare(ours: str, dims: tuple[int, ...]) -> None:
            kind = matrices if len(dims) > 1 else vectors
            _, size = gguf.GGML_QUANT_SIZES[kind]
            writer.add_tensor_info(ours, dims, np.dtype(np.float32), size * prod(dims), raw_dtype=kind)

        scaling = shape.rope.scaling
        if scaling is not None:
            factors = scaling.factors(shape.head_dim, shape.rope.base)
            declare(gguf.TENSOR_NAMES[gguf.MODEL_TENSOR.ROPE_FREQS] + ".weight", factors.shape)
        for theirs, dims in tensor_shapes(shape):
            declare(names.get_name(theirs, try_suffixes=(".weight", ".bias")), dims)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if scaling is not None:
            writer.write_tensor_data(factors)
        (file,) = writer.fout
        for theirs, dims in tensor_shapes(shape):
            writer.write_padding(file, file.tell())
            kind = llm_type if len(dims) > 1 else "f32"
            rotated = shape.family.interleaved and ("q_proj" in theirs or "k_proj" in theirs)
            for block in row_blocks(tensors[theirs], shape.head_dim if rotated else 1):
                rows = interleave_heads(block, shape.head_dim) if rotated else block
                file.write(_stored(theirs, rows, kind).tobytes())
        writer.write_padding(file, file.tell())
    finally:
        writer.close()


def check_tensors(shape: LlamaShape, tensors: Tensors) -> None:
    """Raise ConvertError for a tensor of the language model that is missing or has another shape."""
    for name, dims in tensor_shapes(shape):
        if name not in tensors:
            raise ConvertError(f"the checkpoint has no tensor {name}: is it complete?")
        if tensors[name].shape != dims:
            raise ConvertError(f"tensor {name} is {tensors[name].shape}, config.json says {dims}")


def interleave_heads(weight: Array, head_dim: int) -> Array:
    """Reorder each head's rows: Hugging Face rotates the halves against each other, llama.cpp neighbours."""
    n_rows, width = weight.shape
    halves = weight.reshape(n_rows // head_dim, 2, head_dim // 2, width)
    return halves.swapaxes(1, 2).reshape(n_rows, width)


def _stored(name: str, data: Array, kind: str) -> Array:
    """The numbers as they stand in the file."""
    if kind == "f16":
        return to_f16(name, data)
    if kind == "bf16":
        from gguf import GGMLQuantizationType, quants

        return np.asarray(quants.quantize(data.astype(np.float32), GGMLQuantizationType.BF16))
    return data.astype("<f4")


def _add_metadata(writer: Any, shape: LlamaShape, vocabulary: Vocabulary, name: str) -> None:
    if len(vocabulary.texts) != shape.n_vocab:
        raise ConvertError(f"the vocabulary has {len(vocabulary.texts)} rows, the embedding {shape.n_vocab}")
    writer.add_name(name)
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
    writer.add_rope_freq_base(shape.rope.base)
    writer.add_vocab_size(shape.n_vocab)
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.texts)
    writer.add_token_types(vocabulary.types)
    if vocabulary.scores:
        writer.add_token_scores(vocabulary.scores)
    if vocabulary.merges:
        writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(vocabulary.bos)
    writer.add_eos_token_id(vocabulary.eos)
    if vocabulary.unk is not None:
        writer.add_unk_token_id(vocabulary.unk)
    writer.add_add_bos_token(False)  # the prompt's own code places it
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(vocabulary.add_space_prefix)
    writer.add_bool(NFC_KEY, vocabulary.nfc)
