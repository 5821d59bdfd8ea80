"""Tokens and embeddings in, pieces of text out: the answer loop.

prompt (token ids | embeddings) -> what the cache already holds is skipped -> the rest is fed, batch by batch
-> sample a token -> text that is safe to show -> feed the token -> sample …
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edge_llasm.cache_file import CacheFile
from edge_llasm.errors import Busy, EngineError
from edge_llasm.kv_cache import KvCache, Reading
from edge_llasm.llama import Llama
from edge_llasm.llama_setup import DEFAULTS, Setup
from edge_llasm.repetition import RepetitionDetector
from edge_llasm.sampling import Sampling
from edge_llasm.segments import Segment, Tokens
from edge_llasm.text_stream import TextStream

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Self

__all__ = ["FinishReason", "Llm", "Piece", "Sampling"]

FinishReason = Literal["stop", "length", "repetition", "cancelled"]
"""stop: the model ended its answer, or a stop string was met. length: max_tokens, or the context is full.
repetition: the answer went round in circles. cancelled: `cancel` was set."""


@dataclass(frozen=True)
class Piece:
    """The next part of an answer. The last piece, and only this, has a finish reason."""

    text: str
    """whole characters; empty at most in the last piece"""
    n_tokens: int
    """generated so far, without the stop token"""
    finish_reason: FinishReason | None
    prompt_tokens: int
    """positions of the whole prompt, embeddings included"""
    cached_tokens: int
    """positions of the prompt that the KV cache held already"""
    prefill_ms: float
    """time to feed the rest of the prompt, milliseconds"""


class Llm:
    """A language model with one KV cache. One answer at a time: a second one meanwhile gets Busy."""

    def __init__(self, llama: Llama) -> None:
        self._llama = llama
        self._cache = KvCache(llama)
        self.shelf = self._cache.shelf
        """copies of the cache for other chats; without room there are none"""
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        n_ctx: int,
        device: str = "auto",
        setup: Setup = DEFAULTS,
        verbose: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Self:
        """Load a GGUF file with a context of `n_ctx` tokens; `device` is auto, cpu, metal or cuda.

        `progress` gets 0 to 1; what it raises, and Ctrl-C, stop the loading.
        Raises BundleError, DeviceError, EngineError.
        """
        llama = Llama.open(path, n_ctx=n_ctx, device=device, setup=setup, verbose=verbose, progress=progress)
        return cls(llama)

    @property
    def n_embd(self) -> int:
        """Width of an embedding, floats."""
        return self._llama.n_embd

    @property
    def n_vocab(self) -> int:
        """Tokens in the vocabulary."""
        return self._llama.n_vocab

    @property
    def n_ctx(self) -> int:
        """Context, tokens: the prompt and the answer together."""
        return self._llama.n_ctx

    @property
    def device(self) -> str:
        """What it runs on: cpu, metal or cuda."""
        return self._llama.device

    @property
    def setup(self) -> Setup:
        """How it was loaded."""
        return self._llama.setup

    def tokenize(self, text: str) -> list[int]:
        """Text -> token ids, without BOS; the names of special tokens in the text are plain text."""
        return self._llama.tokenize(text)

    def prepare(self, segments: Sequence[Segment], *, cancel: threading.Event | None = None) -> bool:
        """Read a prompt, so that `generate` begins at once when it is given the same; False when cancelled.

        Raises what `generate` raises.
        """
        with self._alone():
            self._cache.hold(segments, cancel, draft=True)
            if cancel is not None and cancel.is_set():
                return False
            self._cache.keep_head(lose_rest=False)
            return True

    def generate(
        self,
        segments: Sequence[Segment],
        options: Sampling,
        *,
        stop_tokens: Collection[int] = (),
        stop: Sequence[str] = (),
        cancel: threading.Event | None = None,
        passing: bool = False,
    ) -> Generator[Piece, None, None]:
        """Answer the prompt. Closing the generator early is fine, the cache stays right.

        An answer ends at the vocabulary's own end tokens and at `stop_tokens`, before a string of `stop`, and
        when `cancel` is set (looked at before each token and each batch of the prompt). `passing`: no prompt
        will go on from this one, its cache is not worth a copy.
        Raises PromptTooLong, GrammarError, EngineError (embeddings that do not fit, a native failure), Busy,
        ValueError.
        """
        with self._alone():
            read = self._cache.hold(segments, cancel, draft=passing)
            if cancel is not None and cancel.is_set():
                yield _piece(read, "", 0, "cancelled")
                return
            text = TextStream(stop, strip_space=self._llama.adds_space)
            yield from self._answer(read, options, frozenset(stop_tokens), text, cancel)

    def save(self, file: CacheFile) -> bool:
        """Write the cache of a prompt's head for `restore`; False, and no file, where reading it again is faster.

        Raises OSError and what `generate` raises.
        """
        with self._alone():
            return self._cache.write(file)

    def restore(self, file: CacheFile) -> bool:
        """Go on from what `save` wrote for the same; False where there is nothing of use."""
        with self._alone():
            return self._cache.read(file)

    def begin_with(self, file: CacheFile) -> None:
        """The head of most first prompts, which is read from this file from now on, and written where it is missing.

        That is done by `prepare` for just the head, or when the model is closed: no answer waits for it.
        """
        self._cache.begin_with(file)

    def close(self) -> None:
        """Free the model. Closing twice is fine; Busy while an answer is half read."""
        with self._alone():
            room, self.shelf.room = self.shelf.room, 0  # nobody asks any more: what is lost is not put away
            self.shelf.clear()
            self._cache.keep_head(lose_rest=True)
            self.shelf.room = room
            self._cache.forget()
            self._llama.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(blocking=False):
            raise Busy("this language model is in the middle of an answer: read it to its end or close it")
        try:
            yield
        except EngineError:
            self._cache.forget()
            raise
        finally:
            self._lock.release()

    def _answer(
        self,
        read: Reading,
        options: Sampling,
        stop_tokens: frozenset[int],
        stream: TextStream,
        cancel: threading.Event | None,
    ) -> Generator[Piece, None, None]:
        llama = self._llama
        detector = RepetitionDetector(options.guard) if options.guard is not None else None
        n = 0
        with closing(llama.sampler(options)) as sampler:
            while True:
                reason: FinishReason | None = None
                text = ""
                token = sampler.sample()
                if token in stop_tokens or llama.is_end(token):
                    reason = "stop"
                else:
                    n += 1
                    text = stream.feed(llama.piece(token))
                    if stream.stopped:
                        reason = "stop"
                    elif detector is not None and detector.add(token):
                        reason = "repetition"
                    elif n >= options.max_tokens or self._cache.n >= self.n_ctx:
                        reason = "length"
                if reason is not None:
                    yield _piece(read, text + stream.flush(), n, reason)
                    return
                if text:
                    yield _piece(read, text, n, None)
                if not self._cache.feed((Tokens((token,)),), cancel) or (
                    cancel is not None and cancel.is_set()
                ):
                    yield _piece(read, stream.flush(), n, "cancelled")
                    return


def _piece(read: Reading, text: str, n_tokens: int, reason: FinishReason | None) -> Piece:
    return Piece(text, n_tokens, reason, read.n, read.cached, read.ms)
