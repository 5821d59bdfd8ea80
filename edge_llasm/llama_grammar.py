"""Sampling under a grammar: what an answer must look like, in llama.cpp's GBNF.

llama.cpp ends the process when it is made to accept a token that its grammar forbids, which its own loop does when
the grammar admits none at all. So here each step is taken by hand, and every token is asked about before.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_llasm.errors import EngineError, GrammarError

__all__ = ["ROOT", "Grammar", "GrammarChain"]

ROOT = "root"
"""The rule that an answer follows"""
_TOKEN = np.dtype([("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])
"""llama_token_data"""


class Grammar:
    """A grammar, and how far an answer has followed it."""

    def __init__(self, lib: Any, vocab: Any, text: str) -> None:
        """Raises GrammarError."""
        self._lib = lib
        self._sampler = lib.llama_sampler_init_grammar(vocab, text.encode(), ROOT.encode())
        if not self._sampler:
            raise GrammarError("llama.cpp does not understand this grammar: make it simpler")

    def admits(self, token: int) -> bool:
        """Whether the answer may go on with it."""
        one = np.array([(token, 0.0, 0.0)], _TOKEN)
        self.filter(_candidates(self._lib, one))
        return bool(np.isfinite(one["logit"][0]))

    def filter(self, candidates: Any) -> None:
        """Set the logits of forbidden tokens to -infinity."""
        self._lib.llama_sampler_apply(self._sampler, ctypes.byref(candidates))

    def accept(self, token: int) -> None:
        """Go on with a token that is admitted."""
        self._lib.llama_sampler_accept(self._sampler, token)

    def close(self) -> None:
        """Free the native memory."""
        if self._sampler is not None:
            self._lib.llama_sampler_free(self._sampler)
            self._sampler = None


class GrammarChain:
    """A chain of samplers under a grammar."""

    def __init__(self, lib: Any, chain: Any, grammar: Grammar) -> None:
        self._lib, self._chain, self._grammar = lib, chain, grammar

    def sample(self, logits: npt.NDArray[np.float32]) -> int:
        """(n_vocab,) f32 -> the next token.

        The whole vocabulary is held against the grammar only when the token that is chosen without it is
        forbidden: that is slow. Raises EngineError when there is no token that the grammar admits.
        """
        token = self._choose(logits, forbid=False)
        if not self._grammar.admits(token):
            token = self._choose(logits, forbid=True)
        self._lib.llama_sampler_accept(self._chain, token)
        self._grammar.accept(token)
        return token

    def close(self) -> None:
        """Free the grammar; the chain belongs to who made it."""
        self._grammar.close()

    def _choose(self, logits: npt.NDArray[np.float32], forbid: bool) -> int:
        tokens = np.zeros(len(logits), _TOKEN)
        tokens["id"], tokens["logit"] = np.arange(len(logits)), logits
        candidates = _candidates(self._lib, tokens)
        if forbid:
            self._grammar.filter(candidates)
            if not np.isfinite(tokens["logit"]).any():
                raise EngineError(
                    "this model has no token that its answer may go on with: ask for another form"
                )
        self._lib.llama_sampler_apply(self._chain, ctypes.byref(candidates))
        return int(candidates.data[candidates.selected].id)


def _candidates(lib: Any, tokens: npt.NDArray[Any]) -> Any:
    """A llama_token_data_array over an array, which must outlive it."""
    pointer = tokens.ctypes.data_as(ctypes.POINTER(lib.llama_token_data))
    return lib.llama_token_data_array(data=pointer, size=len(tokens), selected=-1, sorted=False)
