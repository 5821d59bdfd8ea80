"""A language model of some 400 kB that says what it is told: each token has one successor.

A LLaMA whose layers add nothing: the output row of a token is the sum of the embeddings of those before it,
so the likeliest next token is the successor of the last one, by a wide margin. Greedy, it repeats the circles
of its successors for ever, as a real model does that has fallen into a loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from convert import llm
from convert.vocabulary import Vocabulary
from tests.tiny import ADDED, LLAMA, write_vocabulary

END = "</s> "
NEWLINE = "<0x0A>"
SHAPE = replace(LLAMA, n_embd=256, n_heads=4, head_dim=64, n_kv_heads=4, n_ffn=32, n_layers=1, n_ctx=2048)
MARGIN = 10.0
"""logits between the successor and the rest, about"""


@dataclass(frozen=True)
class Chain:
    """Where the file is, and its ids."""

    path: Path
    texts: tuple[str, ...]

    def ids(self, *pieces: str) -> tuple[int, ...]:
        """Token ids by the vocabulary's own spelling of the pieces."""
        return tuple(self.texts.index(piece) for piece in pieces)


def write_chain(path: Path, paths: Sequence[Sequence[str]]) -> Chain:
    """Write a model that goes along each of `paths`; a path that ends in its first piece is a circle."""
    vocabulary_file = path.with_suffix(".model")
    write_vocabulary(vocabulary_file)
    vocabulary = Vocabulary.load(vocabulary_file, ADDED, SHAPE.n_vocab)
    chain = Chain(path, vocabulary.texts)
    rng = np.random.default_rng(0)
    tensors = {name: np.zeros(dims, np.float32) for name, dims in llm.tensor_shapes(SHAPE)}
    embedding = rng.standard_normal((SHAPE.n_vocab, SHAPE.n_embd), np.float32)
    embedding /= np.sqrt((embedding**2).mean(axis=1, keepdims=True))
    tensors[llm.EMBEDDING] = embedding
    tensors[llm.NORM] += 1
    successors: dict[int, int] = {}
    for pieces in paths:
        ids = chain.ids(*pieces)
        for token, following in zip(ids, ids[1:], strict=False):
            if successors.setdefault(token, following) != following:
                raise ValueError(f"{vocabulary.texts[token]} has two successors")
            tensors[llm.HEAD][following] += embedding[token] * (MARGIN / SHAPE.n_embd)
    llm.write_llm(path, SHAPE, tensors, vocabulary, name="chain")
    return chain
