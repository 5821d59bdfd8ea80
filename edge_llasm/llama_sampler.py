"""How llama.cpp chooses the tokens of an answer: a chain of its samplers, made from our options."""

from __future__ import annotations

import ctypes
import math
import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_llasm.errors import EngineError
from edge_llasm.llama_grammar import Grammar, GrammarChain
from edge_llasm.sampling import MAX_SEED, Sampling

__all__ = ["Sampler", "Samplers"]

Logits = Callable[[], npt.NDArray[np.float32]]
"""Of the last fed position, (n_vocab,) f32"""


class Samplers:
    """Makes one for each answer of a context; what takes long to build is built once."""

    def __init__(self, lib: Any, vocab: Any, context: Any, n_ctx: int) -> None:
        self._lib, self._vocab, self._context, self._n_ctx = lib, vocab, context, n_ctx
        self._dry: dict[tuple[float, float, int], Any] = {}

    def new(self, options: Sampling, logits: Logits) -> Sampler:
        """Raises GrammarError."""
        lib = self._lib
        grammar = None if options.grammar is None else Grammar(lib, self._vocab, options.grammar)
        params = lib.llama_sampler_chain_default_params()
        params.no_perf = True
        chain = lib.llama_sampler_chain_init(params)
        if options.guard is not None and options.guard.dry_multiplier > 0:
            guard = options.guard
            key = (guard.dry_multiplier, guard.dry_base, guard.dry_allowed_length)
            if key not in self._dry:  # building one walks over the whole vocabulary, cloning does not
                self._dry[key] = self._new_dry(*key)
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_clone(self._dry[key]))
        if options.temperature == 0:
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_greedy())
        else:
            seed = secrets.randbelow(MAX_SEED + 1) if options.seed is None else options.seed
            # min-p first: it needs no order, and what it leaves is sorted in no time; top-p would sort the vocabulary.
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_min_p(options.min_p, 1))
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_p(options.top_p, 1))
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_temp(options.temperature))
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(seed))
        under = None if grammar is None else GrammarChain(lib, chain, grammar)
        return Sampler(lib, chain, self._context, logits, under)

    def close(self) -> None:
        """Free the native memory; a sampler that was made frees its own."""
        for dry in self._dry.values():
            self._lib.llama_sampler_free(dry)
        self._dry = {}

    def _new_dry(self, multiplier: float, base: float, allowed_length: int) -> Any:
        # A new line starts afresh, so that lists and code may repeat whole lines.
        breakers = (ctypes.c_char_p * 1)(b"\n")
        pointer = ctypes.cast(breakers, ctypes.POINTER(ctypes.c_char_p))
        return self._lib.llama_sampler_init_dry(
            self._vocab, multiplier, base, allowed_length, self._n_ctx, pointer, 1
        )


class Sampler:
    """Chooses the tokens of one answer."""

    def __init__(
        self, lib: Any, chain: Any, context: Any, logits: Logits, under: GrammarChain | None = None
    ) -> None:
        self._lib, self._chain, self._context = lib, chain, context
        self._logits, self._under = logits, under

    def sample(self) -> int:
        """The next token, by the logits of the last fed position. Raises EngineError."""
        logits = self._logits()
        if not math.isfinite(logits[logits.argmax()]):  # a NaN anywhere counts as the largest
            raise EngineError("the language model computed NaN or infinity: its file or its input is broken")
        if self._under is not None:
            return self._under.sample(logits)
        token = int(self._lib.llama_sampler_sample(self._chain, self._context, -1))
        if not 0 <= token < len(logits):
            raise EngineError(f"llama.cpp chose the impossible token {token}: please report it")
        return token

    def close(self) -> None:
        """Free the native memory."""
        if self._chain is not None:
            if self._under is not None:
                self._under.close()
            self._lib.llama_sampler_free(self._chain)
            self._chain = None
