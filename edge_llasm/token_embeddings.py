"""Embeddings of tokens, read from the model's own file, so that tokens and speech are read in one batch.

A llama_batch holds either token ids or embeddings. Fed by themselves, the few tokens around a piece of speech cost far
more than their share, as every batch reads all weights once. So they are looked up here, as llama.cpp does itself
(llama-graph.cpp, build_inp_embd), and go with the speech.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_llasm.binary import GGML_TYPES
from edge_llasm.errors import EngineError
from edge_llasm.gguf_file import GgufHeader
from edge_llasm.llama_library import ggml_function

__all__ = ["TokenEmbeddings"]

Decode = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""Rows as the file has them, (n, n_bytes), -> (n, n_embd) f32"""

PLAIN = frozenset({"llama", "qwen2", "qwen3"})
"""Architectures whose first layer gets a token's embedding as it is; others scale it, or add to it"""


class TokenEmbeddings:
    """A mapped matrix of them."""

    def __init__(self, rows: npt.NDArray[np.uint8], decode: Decode) -> None:
        self._rows = rows
        self._decode = decode

    @classmethod
    def open(cls, path: Path, header: GgufHeader) -> TokenEmbeddings | None:
        """Map those of a file that `read_gguf` has passed; None where they are not simply rows of a matrix.

        Raises EngineError.
        """
        decode = _decoder(header)
        if header.architecture not in PLAIN or decode is None:
            return None
        _, block, size = GGML_TYPES[header.embedding_type]
        shape = header.n_vocab, header.n_embd // block * size
        try:
            return cls(np.memmap(path, np.uint8, "r", header.embedding_offset, shape), decode)
        except OSError as error:
            raise EngineError(f"{path} cannot be mapped ({error.strerror}); close other programs") from error

    def of(self, ids: Sequence[int]) -> npt.NDArray[np.float32]:
        """(n,) ids of the vocabulary -> (n, n_embd) f32."""
        return self._decode(self._rows[np.asarray(ids, np.intp)])


def _decoder(header: GgufHeader) -> Decode | None:
    """None for a type that this llama.cpp lets nobody decode."""
    name, _, _ = GGML_TYPES[header.embedding_type]
    if name in ("f32", "f16"):
        dtype = np.dtype(f"<{name.replace('f32', 'f4').replace('f16', 'f2')}")
        return lambda rows: rows.view(dtype).astype(np.float32)
    if name == "bf16":  # the upper half of an f32
        return lambda rows: (rows.view("<u2").astype(np.uint32) << 16).view(np.float32)
    name = name.replace("_k", "_K")
    function = ggml_function(f"dequantize_row_{name}")  # ggml-quants.h: (blocks, floats, number of floats)
    if function is None:
        return None
    function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64), None

    def decode(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        floats = np.empty((len(rows), header.n_embd), np.float32)
        function(rows.ctypes.data, floats.ctypes.data, floats.size)
        return floats

    return decode
