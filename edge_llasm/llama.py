"""Calls into llama.cpp: its C API through llama-cpp-python, every argument checked.

A failed check inside llama.cpp ends the whole process, so sizes, id ranges and positions are checked here,
before the call. Source: llama.h of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge_llasm.devices import llm_device
from edge_llasm.errors import EngineError
from edge_llasm.gguf_file import PLAIN_TYPES, read_gguf
from edge_llasm.llama_batch import Batch
from edge_llasm.llama_library import load_library, log
from edge_llasm.llama_load import letting_go, load_model, new_context
from edge_llasm.llama_sampler import Sampler, Samplers
from edge_llasm.llama_setup import DEFAULTS, Setup
from edge_llasm.sampling import Sampling
from edge_llasm.token_embeddings import TokenEmbeddings

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Self

__all__ = ["Llama"]

NFC_KEY = "edge_llasm.tokenizer.nfc"
"""In the file: whether text is brought into Unicode's form NFC before it is encoded, which llama.cpp does not do."""
MISFIT = "the parts of the model do not fit each other"


class Llama:
    """A model and one context of it: a single sequence at positions 0 to n_ctx - 1."""

    def __init__(
        self,
        lib: Any,
        model: Any,
        context: Any,
        token_embeddings: TokenEmbeddings | None,
        *,
        device: str,
        n_ctx: int,
        setup: Setup,
    ) -> None:
        self._lib = lib
        self._model = model
        self._context = context
        self._vocab = lib.llama_model_get_vocab(model)
        self._memory = lib.llama_get_memory(context)
        self._samplers = Samplers(lib, self._vocab, context, n_ctx)
        self._pieces: dict[int, bytes] = {}  # of the tokens that were written already
        self._logits: tuple[int, npt.NDArray[np.float32]] | None = None  # an address, and the array there
        self._nfc = self._says(NFC_KEY)
        self.device = device
        self.n_ctx = n_ctx
        """positions"""
        self.setup = setup
        self.n_batch = int(lib.llama_n_batch(context))
        """positions fed at once, at most"""
        self.n_embd = int(lib.llama_model_n_embd(model))
        """width of an embedding, floats"""
        self.n_vocab = int(lib.llama_vocab_n_tokens(self._vocab))
        self._tokens = Batch(lib, self.n_batch, 0)
        self._embeddings = Batch(lib, self.n_batch, self.n_embd)
        self._token_embeddings = token_embeddings
        first = self.tokenize("a")[:1]
        self.adds_space = bool(first) and self.piece(first[0]).startswith(b" ")
        """whether the vocabulary puts a space before every encoded string"""

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        n_ctx: int,
        device: str = "auto",
        setup: Setup = DEFAULTS,
        verbose: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Self:
        """Load a GGUF file; `progress` gets 0 to 1. What `progress` raises, and Ctrl-C, stop the loading.

        Raises BundleError (missing or broken file), DeviceError, EngineError, ValueError.
        """
        if n_ctx < 1:
            raise ValueError(f"n_ctx must be at least 1, not {n_ctx}")
        header = read_gguf(Path(path))  # llama.cpp must not see a broken file
        lib = load_library(verbose)
        device = llm_device(device).device
        if device != "cpu" or (setup.repack == "on" and header.file_type not in PLAIN_TYPES):
            progress = letting_go(Path(path), progress)
        model = load_model(lib, path, device, setup, progress)
        try:
            token_embeddings = TokenEmbeddings.open(Path(path), header)
            context = new_context(lib, model, n_ctx, device, setup)
        except BaseException:
            lib.llama_model_free(model)
            raise
        return cls(lib, model, context, token_embeddings, device=device, n_ctx=n_ctx, setup=setup)

    def tokenize(self, text: str) -> list[int]:
        """Text -> token ids, without BOS; the names of special tokens in the text are plain text."""
        self._alive()
        if self._nfc:
            text = unicodedata.normalize("NFC", text)
        data = text.encode("utf-8", "replace")
        if not data:
            return []
        size = len(data) + 8
        for _ in range(2):
            ids = (ctypes.c_int32 * size)()
            n = int(self._lib.llama_tokenize(self._vocab, data, len(data), ids, size, False, False))
            if n >= 0:
                return list(ids[:n])
            size = -n
        raise EngineError("llama.cpp cannot tokenize this text: please report it")

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for, maybe a part of a UTF-8 character; none for a control token."""
        if (known := self._pieces.get(token)) is not None:
            return known
        self._alive()
        self.check((token,))
        size = 64
        for _ in range(2):
            data = ctypes.create_string_buffer(size)
            n = int(self._lib.llama_token_to_piece(self._vocab, token, data, size, 0, False))
            if n >= 0:
                return self._pieces.setdefault(token, data.raw[:n])
            size = -n
        raise EngineError(f"llama.cpp has no text for token {token}: please report it")

    def is_end(self, token: int) -> bool:
        """Whether the vocabulary itself says that this token ends an answer."""
        return bool(self._lib.llama_vocab_is_eog(self._vocab, token))

    def forget(self, position: int) -> int:
        """Drop everything from `position` on. Returns how many positions are left: `position`, or 0."""
        self._alive()
        if position > 0 and self._lib.llama_memory_seq_rm(self._memory, 0, position, -1):
            return position
        self._lib.llama_memory_clear(self._memory, False)
        return 0

    def save(self) -> npt.NDArray[np.uint8]:
        """A copy of what is fed so far, (n_bytes,), for `restore`."""
        self._alive()
        state = np.empty(int(self._lib.llama_state_seq_get_size(self._context, 0)), np.uint8)
        written = int(self._lib.llama_state_seq_get_data(self._context, _bytes(state), state.nbytes, 0))
        if written != state.nbytes:
            raise EngineError("llama.cpp cannot copy its cache: please report it")
        return state

    def restore(self, state: npt.NDArray[np.uint8]) -> bool:
        """Go on from what `save` returned; False, and everything is forgotten, when there is no room for it."""
        self._alive()
        self._lib.llama_memory_clear(self._memory, False)
        if self._lib.llama_state_seq_set_data(self._context, _bytes(state), state.nbytes, 0):
            return True
        self._lib.llama_memory_clear(self._memory, False)
        return False

    def set_threads(self, n_threads: int, n_threads_batch: int) -> None:
        """For single tokens and for batches from now on, instead of what it was opened with."""
        self._alive()
        if min(n_threads, n_threads_batch) < 1:
            raise ValueError(f"a model runs on at least 1 thread, not {n_threads} and {n_threads_batch}")
        self._lib.llama_set_n_threads(self._context, n_threads, n_threads_batch)

    def feed(self, contents: Sequence[tuple[int, ...] | npt.NDArray[np.float32]], position: int) -> int:
        """Run the model over token ids and embeddings, at most n_batch positions, in as few batches as it can.

        Returns how many positions that were.
        """
        n, table = 0, self._token_embeddings
        if table is not None and len(contents) > 1:
            for content in contents:
                self.check(content)
            contents = [
                np.concatenate([table.of(one) if isinstance(one, tuple) else one for one in contents])
            ]
        for content in contents:
            if isinstance(content, tuple):
                self.feed_tokens(content, position + n)
            else:
                self.feed_embeddings(content, position + n)
            n += len(content)
        return n

    def feed_tokens(self, ids: Sequence[int], position: int) -> None:
        """Run the model over at most n_batch tokens at `position`…; the last one's logits can be sampled."""
        self.check(ids)
        self._check_batch(len(ids), position)
        self._tokens.tokens[: len(ids)] = ids
        self._decode(self._tokens, len(ids), position)

    def feed_embeddings(self, values: npt.NDArray[np.float32], position: int) -> None:
        """Like `feed_tokens` for (n, n_embd) f32, finite, n <= n_batch."""
        self.check(values)
        self._check_batch(len(values), position)
        self._embeddings.embeddings[: len(values)] = values
        self._decode(self._embeddings, len(values), position)

    def sampler(self, options: Sampling) -> Sampler:
        """A fresh sampler for one answer. Raises GrammarError."""
        self._alive()
        return self._samplers.new(options, self.logits)

    def logits(self) -> npt.NDArray[np.float32]:
        """A view of the last fed position's (n_vocab,) f32 logits, valid until the next call."""
        self._alive()
        pointer = self._lib.llama_get_logits_ith(self._context, -1)
        if not pointer:
            raise EngineError("llama.cpp gave no logits: please report it")
        address = ctypes.addressof(pointer.contents)
        if self._logits is None or self._logits[0] != address:  # llama.cpp may move them
            self._logits = address, np.ctypeslib.as_array(pointer, (self.n_vocab,))
        return self._logits[1]

    def check(self, values: Sequence[int] | npt.NDArray[np.float32]) -> None:
        """Refuse token ids, or (n, n_embd) f32 embeddings, that this model cannot take.

        Raises EngineError.
        """
        if not isinstance(values, np.ndarray):
            if any(not 0 <= token < self.n_vocab for token in values):
                raise EngineError(
                    f"this language model takes token ids from 0 to {self.n_vocab - 1}: {MISFIT}"
                )
        elif values.ndim != 2 or values.shape[1] != self.n_embd or values.dtype != np.float32:
            raise EngineError(
                f"this language model takes (n, {self.n_embd}) float32 embeddings, "
                f"not {values.shape} {values.dtype}: {MISFIT}"
            )
        elif not np.isfinite(values).all():
            raise EngineError("the embeddings hold NaN or infinity: the speech part of the model is broken")

    def close(self) -> None:
        """Free the native memory. Closing twice is fine."""
        if self._context is None:
            return
        self._samplers.close()
        self._tokens.free(self._lib)
        self._embeddings.free(self._lib)
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)
        self._logits, self._token_embeddings, self._context, self._model = None, None, None, None

    def _says(self, key: str) -> bool:
        """A yes or no of the file's own; no when it is silent."""
        value = ctypes.create_string_buffer(8)
        n = self._lib.llama_model_meta_val_str(self._model, key.encode(), value, len(value))
        return n > 0 and value.value == b"true"

    def _decode(self, batch: Batch, n: int, position: int) -> None:
        self._alive()
        status = int(self._lib.llama_decode(self._context, batch.at(position, n)))
        if status != 0:
            raise EngineError(f"llama.cpp could not run the model (status {status}): {log.last_error()}")

    def _alive(self) -> None:
        if self._context is None:
            raise EngineError("this language model is closed: load it again")

    def _check_batch(self, n: int, position: int) -> None:
        if not 1 <= n <= self.n_batch:
            raise ValueError(f"a batch holds 1 to {self.n_batch} positions, not {n}")
        if position < 0 or position + n > self.n_ctx:
            raise ValueError(f"{n} positions from {position} on are not inside 0 to {self.n_ctx - 1}")


def _bytes(state: npt.NDArray[np.uint8]) -> Any:
    return state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
