"""What the rivals have in common: their options, a chat in the bundle's own form, and an answer's pace."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from edge_llasm.bench.candidate import ANSWER
from edge_llasm.bundle import Bundle
from edge_llasm.cores import physical_cores
from edge_llasm.errors import BundleError, PromptTooLong
from edge_llasm.llama_library import load_library
from edge_llasm.prompt import TEMPLATES, Spoken, render
from edge_llasm.prompt import Turn as ChatTurn
from edge_llasm.segments import Segment, Tokens, length

__all__ = ["Answer", "Chat", "encoder", "open_llama", "parser", "read", "require"]


class Chat:
    """One chat as a prompt that only grows: what was fed, and what was answered, stay token by token."""

    def __init__(self, bundle: Bundle, tokenize: Callable[[str], Sequence[int]], n_ctx: int) -> None:
        self._bundle, self._tokenize, self._n_ctx = bundle, tokenize, n_ctx
        self._template = TEMPLATES[bundle.template]
        self._segments: list[Segment] = []

    def ask(self, question: str | Spoken, *, first: bool) -> list[Segment]:
        """The prompt up to where the answer begins; `first` forgets the chat before. Raises PromptTooLong."""
        tokens, system = self._bundle.tokens, self._bundle.system if first else ""
        turn = render(self._template, [ChatTurn((question,))], system, tokens, self._tokenize)
        before = [] if first else self._segments
        if length(before) + length(turn) + ANSWER > self._n_ctx:
            raise PromptTooLong(
                f"the chat takes more than the model's {self._n_ctx} tokens: ask something shorter"
            )
        self._segments = [*before, *turn]
        return self._segments

    def answered(self, ids: Sequence[int]) -> None:
        """What the next question comes after."""
        tail = self._tokenize(self._template.answer_tail) if self._template.answer_tail else ()
        self._segments = [*self._segments, Tokens((*ids, *tail, self._bundle.tokens.eos))]


@dataclass(frozen=True)
class Answer:
    """ANSWER tokens, whatever they say."""

    ids: tuple[int, ...]
    began: float
    """perf_counter() when the first one was there"""
    tokens_per_second: float
    """after the first one"""


def read(tokens: Iterator[int]) -> Answer:
    """Take an answer out of an endless one."""
    ids = [next(tokens)]
    began = perf_counter()
    ids += islice(tokens, ANSWER - 1)
    return Answer(tuple(ids), began, (len(ids) - 1) / (perf_counter() - began))


def open_llama(bundle: Bundle, threads: int) -> Any:
    """The bundle's language model as llama-cpp-python opens it. Raises EngineError."""
    load_library(False)  # says which version it must be
    llama_cpp = importlib.import_module("llama_cpp")
    return llama_cpp.Llama(
        str(bundle.llm_file),
        n_ctx=bundle.llm.n_ctx,
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )


def encoder(llama: Any) -> Callable[[str], list[int]]:
    """Its tokenizer: text -> ids, no BOS, and no special token out of plain text."""
    return lambda text: list(llama.tokenize(text.encode(), add_bos=False, special=False))


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """The options that every rival has."""
    result = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    result.add_argument("--model", required=True, metavar="BUNDLE_DIR", help="a bundle's folder or its name")
    result.add_argument(
        "--rival",
        type=Path,
        required=True,
        metavar="DIR",
        help="what python -m convert.rivals.files OUT wrote into OUT/rival",
    )
    result.add_argument(
        "--threads",
        type=int,
        default=physical_cores(),
        metavar="N",
        help="of every stage (default: %(default)s, the physical cores)",
    )
    return result


def require(path: Path) -> Path:
    """A file or folder that is there. Raises BundleError."""
    if not path.exists():
        raise BundleError(f"{path} is missing; write it by python -m convert.rivals.files")
    return path
