"""llm.gguf: the few facts of a GGUF file that the rest of the bundle must agree with.

Layout: magic, version, counts, key-value pairs, tensor descriptions, padding, data (ggml's docs/gguf.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_llasm.binary import Reader, tensor_bytes

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
EMBEDDING, OUTPUT = "token_embd.weight", "output.weight"
F16 = 2  # bytes
PLAIN_TYPES = frozenset({0, 1, 32})
"""llama.cpp's ftypes of which no weight is quantized: f32, f16, bf16"""
MAX_ITEMS = 1 << 20
"""More keys or tensors than any model has"""

_INTEGERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 10: "Q", 11: "q"}
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TEXT, _ARRAY = 8, 9


@dataclass(frozen=True)
class GgufHeader:
    """What the file says about itself."""

    architecture: str
    n_embd: int
    """width of an embedding"""
    n_vocab: int
    """tokens in the vocabulary"""
    n_ctx_train: int
    """longest context of its training, tokens"""
    file_type: int
    """llama.cpp's ftype, -1 if not given"""
    bytes_per_token: int
    """of weights that the model reads for each token: all but the embeddings, of which that is one row, unless
    they are the output's weights too"""
    cache_per_position: int
    """bytes that one position takes in a KV cache of 16-bit floats"""
    embedding_type: int
    """ggml's number of the type that tokens' embeddings have"""
    embedding_offset: int
    """where they begin, bytes from the start of the file"""


def read_gguf(path: Path) -> GgufHeader:
    """Check the structure of the file and that its tensors lie inside it. Raises BundleError."""
    with Reader(path) as reader:
        if reader.size < 4 or reader.take(4) != MAGIC:
            raise reader.fail("is not a GGUF model")
        version = reader.integer("I")
        if version not in VERSIONS:
            raise reader.fail(f"is a GGUF file of version {version}, supported are {VERSIONS}")
        n_tensors, n_keys = reader.integers("Q", 2)
        if not 1 <= n_tensors <= MAX_ITEMS or n_keys > MAX_ITEMS:
            raise reader.fail("has a broken header")
        values = dict(_key_value(reader) for _ in range(n_keys))
        alignment = values.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 8 or alignment & (alignment - 1):
            raise reader.fail(f"has the impossible alignment {alignment}")
        tensors = {tensor.name: tensor for tensor in _tensors(reader, n_tensors)}
        start = -(-reader.position // alignment) * alignment
        if any(start + tensor.offset + tensor.size > reader.size for tensor in tensors.values()):
            raise reader.fail("is truncated: its tensors reach past its end")
        return _header(reader, values, tensors, start)


def _header(
    reader: Reader, values: dict[str, int | str | None], tensors: dict[str, _Tensor], start: int
) -> GgufHeader:
    def integer(key: str, default: int | None = None) -> int:
        value = values.get(key, default)
        if not isinstance(value, int):
            raise reader.fail(f"does not say its {key}")
        return value

    architecture = values.get("general.architecture")
    if not isinstance(architecture, str):
        raise reader.fail("does not say its architecture")
    n_embd, n_vocab = integer(f"{architecture}.embedding_length"), integer("tokenizer.ggml.tokens")
    embedding = tensors.get(EMBEDDING)
    if embedding is None or embedding.dims != (n_embd, n_vocab):
        found = embedding and embedding.dims
        raise reader.fail(f"has token embeddings of shape {found}, its header says {(n_embd, n_vocab)}")
    read = sum(tensor.size for tensor in tensors.values())
    n_heads = max(1, integer(f"{architecture}.attention.head_count", 1))
    width = sum(
        integer(f"{architecture}.attention.{part}_length", n_embd // n_heads) for part in ("key", "value")
    )
    kept = integer(f"{architecture}.attention.head_count_kv", n_heads) * width
    return GgufHeader(
        architecture,
        n_embd,
        n_vocab,
        integer(f"{architecture}.context_length"),
        integer("general.file_type", -1),
        read - (embedding.size if OUTPUT in tensors else 0),
        integer(f"{architecture}.block_count", 0) * kept * F16,
        embedding.kind,
        start + embedding.offset,
    )


def _key_value(reader: Reader) -> tuple[str, int | str | None]:
    """A key with its integer or text; the length of an array; None for what nobody here asks for."""
    key = reader.text(reader.integer("Q"))
    kind = reader.integer("I")
    if kind in _INTEGERS:
        return key, reader.integer(_INTEGERS[kind])
    if kind == _TEXT:
        return key, reader.text(reader.integer("Q"))
    if kind != _ARRAY:
        reader.skip(_size(reader, kind))
        return key, None
    item, length = reader.integer("I"), reader.integer("Q")
    if item == _TEXT:
        if length > reader.left // 8:
            raise reader.fail("ends in the middle of its header")
        reader.skip_texts(length)
    else:
        reader.skip(_size(reader, item) * length)
    return key, length


def _size(reader: Reader, kind: int) -> int:
    if kind not in _SIZES:
        raise reader.fail(f"has a value of the unknown type {kind} in its header")
    return _SIZES[kind]


@dataclass(frozen=True)
class _Tensor:
    name: str
    dims: tuple[int, ...]
    kind: int
    offset: int
    """bytes from the start of the data"""
    size: int
    """bytes"""


def _tensors(reader: Reader, count: int) -> Iterator[_Tensor]:
    for _ in range(count):
        name = reader.text(reader.integer("Q"))
        n_dims = reader.integer("I")
        if not 1 <= n_dims <= 4:
            raise reader.fail(f"holds the tensor {name!r} of {n_dims} dimensions")
        dims = reader.integers("Q", n_dims)
        kind, offset = reader.integer("I"), reader.integer("Q")
        yield _Tensor(name, dims, kind, offset, tensor_bytes(reader, name, dims, kind))
