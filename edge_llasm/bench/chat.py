"""A rival's chat: a prompt in the bundle's own form, which only grows, and an answer with its pace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter

from edge_llasm.bench.candidate import ANSWER
from edge_llasm.bundle import Bundle
from edge_llasm.errors import PromptTooLong
from edge_llasm.prompt import TEMPLATES, Spoken, Turn, render
from edge_llasm.segments import Segment, Tokens, length

__all__ = ["Answer", "Chat", "read"]


class Chat:
    """What was fed and what was answered stay token by token, so that a KV cache can go on from there."""

    def __init__(self, bundle: Bundle, tokenize: Callable[[str], Sequence[int]]) -> None:
        self._bundle, self._tokenize = bundle, tokenize
        self._template = TEMPLATES[bundle.template]
        self._segments: list[Segment] = []

    def ask(self, question: str | Spoken, *, first: bool) -> list[Segment]:
        """The prompt up to where the answer begins; `first` forgets the chat before. Raises PromptTooLong."""
        bundle, n_ctx = self._bundle, self._bundle.llm.n_ctx
        system = bundle.system if first else ""
        turn = render(self._template, [Turn((question,))], system, bundle.tokens, self._tokenize)
        prompt = turn if first else [*self._segments, *turn]
        if length(prompt) + ANSWER > n_ctx:
            raise PromptTooLong(
                f"the chat takes {length(prompt)} of the model's {n_ctx} tokens: ask something shorter"
            )
        self._segments = prompt
        return prompt

    def answered(self, ids: Sequence[int]) -> None:
        """What the next question comes after."""
        tail = self._template.answer_tail
        end = (*(self._tokenize(tail) if tail else ()), self._bundle.tokens.eos)
        self._segments = [*self._segments, Tokens((*ids, *end))]


@dataclass(frozen=True)
class Answer:
    """ANSWER tokens, whatever they say."""

    ids: tuple[int, ...]
    began: float
    """perf_counter() when the first one was there"""
    tokens_per_second: float
    """after the first one"""


def read(tokens: Iterator[int]) -> Answer:
    """The beginning of an answer that has no end; what comes before its first token is done when that is asked for."""
    ids = [next(tokens)]
    began = perf_counter()
    ids += islice(tokens, ANSWER - 1)
    return Answer(tuple(ids), began, (len(ids) - 1) / (perf_counter() - began))
