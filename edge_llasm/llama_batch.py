"""A llama_batch: positions that llama.cpp reads at once, as token ids or as embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Batch"]


class Batch:
    """A llama_batch of token ids (n_embd 0) or of embeddings, with numpy views of its arrays."""

    def __init__(self, lib: Any, size: int, n_embd: int) -> None:
        self.batch = lib.llama_batch_init(size, n_embd, 1)
        if n_embd:
            self.embeddings = np.ctypeslib.as_array(self.batch.embd, (size, n_embd))
        else:
            self.tokens = np.ctypeslib.as_array(self.batch.token, (size,))
        self._positions = np.ctypeslib.as_array(self.batch.pos, (size,))
        self._wanted = np.ctypeslib.as_array(self.batch.logits, (size,))
        for i in range(size):
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = 0

    def at(self, position: int, n: int) -> Any:
        """The first n entries, at `position`…, with logits for the last."""
        if n == 1:  # a token of an answer, where microseconds count
            self._positions[0], self._wanted[0] = position, 1
        else:
            self._positions[:n] = np.arange(position, position + n)
            self._wanted[:n] = 0
            self._wanted[n - 1] = 1
        self.batch.n_tokens = n
        return self.batch

    def free(self, lib: Any) -> None:
        lib.llama_batch_free(self.batch)
