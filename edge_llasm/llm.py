"""Tokens and embeddings in, pieces of text out: the answer loop and the KV cache.

prompt (token ids | embeddings) -> what the cache already holds is skipped -> the rest is fed, batch by batch
-> sample a token -> text that is safe to show -> feed the token -> sample …
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from edge_llasm.cache_file import CacheFile
from edge_llasm.errors import Busy, EngineError, PromptTooLong
from edge_llasm.llama import Llama
from edge_llasm.llama_setup import DEFAULTS, Setup
from edge_llasm.repetition import RepetitionDetector
from edge_llasm.sampling import Sampling
from edge_llasm.segments import Embeddings, Held, Segment, Tokens, common_prefix, length, split
from edge_llasm.shelf import Shelf
from edge_llasm.text_stream import TextStream

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Self

__all__ = ["FinishReason", "Llm", "Piece", "Sampling"]

WORTH_KEEPING = 16
"""Positions: a copy of the cache is made when more than these would have to be fed again"""

DISK = 100 << 20
"""Bytes a second, of a slow disk: what such a one would not be faster for is not even tried"""

PACED = 16
"""Positions read at once that tell the pace"""

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
        self.shelf = Shelf(room=0)
        """copies of the cache for other chats; without room there are none"""
        self._drafted: int | None = None  # of `_held`, what was there before a draft; None: all counts
        self._pace = 0.0  # ms for a position of a prompt
        self._held = Held()  # what the KV cache holds, from position 0
        self._head: CacheFile | None = None
        self._head_is_there: bool | None = None  # None: nobody has looked yet
        self._fed = False  # whether llama.cpp's logits are those after the last cached position
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
            self._drafted = self._prefill(segments, cancel).cached_tokens
            if cancel is not None and cancel.is_set():
                return False
            if self._head is not None and length(self._head.segments) == self._held.n:
                self._keep_head()
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
            state = self._prefill(segments, cancel)
            self._drafted = state.cached_tokens if passing else None
            if cancel is not None and cancel.is_set():
                yield replace(state, finish_reason="cancelled")
                return
            text = TextStream(stop, strip_space=self._llama.adds_space)
            yield from self._answer(state, options, frozenset(stop_tokens), text, cancel)

    def save(self, file: CacheFile) -> bool:
        """Write the cache of a prompt's head for `restore`; False, and no file, where reading it again is faster.

        Raises OSError and what `generate` raises.
        """
        with self._alone():
            self._prefill(file.segments, None)
            return self._write(file)

    def restore(self, file: CacheFile) -> bool:
        """Go on from what `save` wrote for the same; False where there is nothing of use."""
        with self._alone():
            self._check(file.segments)
            return self._read(file)

    def begin_with(self, file: CacheFile) -> None:
        """The head of most first prompts, which is read from this file from now on, and written where it is missing.

        That is done by `prepare` for just the head, or when the model is closed: no answer waits for it.
        """
        self._head, self._head_is_there = file, None

    def prefill_ms(self, n: int) -> float:
        """About how long it takes to read `n` positions, by those that were read last."""
        return n * self._pace

    def close(self) -> None:
        """Free the model. Closing twice is fine; Busy while an answer is half read."""
        with self._alone():
            self._keep_head()
            self._held = Held()
            self.shelf.clear()
            self._llama.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(blocking=False):
            raise Busy("this language model is in the middle of an answer: read it to its end or close it")
        try:
            yield
        except EngineError:
            self._held = Held()  # what stands in the cache may be broken
            raise
        finally:
            self._lock.release()

    def _answer(
        self,
        state: Piece,
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
                    elif n >= options.max_tokens or self._held.n >= self.n_ctx:
                        reason = "length"
                if reason is not None:
                    yield replace(state, n_tokens=n, text=text + stream.flush(), finish_reason=reason)
                    return
                if text:
                    yield replace(state, n_tokens=n, text=text)
                if not self._feed(Tokens((token,)), cancel) or (cancel is not None and cancel.is_set()):
                    yield replace(state, n_tokens=n, text=stream.flush(), finish_reason="cancelled")
                    return

    def _prefill(self, segments: Sequence[Segment], cancel: threading.Event | None) -> Piece:
        """Bring the cache to hold exactly `segments` (less, if cancelled), feeding only what is new."""
        self._check(segments)
        start, n = perf_counter(), length(segments)
        if self._fed and self._held.n == n == common_prefix(self._held.segments, segments):
            return Piece("", 0, None, prompt_tokens=n, cached_tokens=n, prefill_ms=0.0)
        # The last position is fed anew: its logits choose the first token.
        last = segments[-1]
        reusable = n - (len(last) if isinstance(last, Embeddings) else 1)
        known = min(self._switch(segments), reusable)
        self._fed = False
        kept = self._llama.forget(known)  # 0 for an architecture whose memory cannot be shortened
        head, rest = split(segments, kept)
        self._held = Held(head)
        for segment in rest:
            if not self._feed(segment, cancel):
                break
        prefill_ms = 1000 * (perf_counter() - start)
        if n - kept >= PACED:
            self._pace = prefill_ms / (n - kept)
        return Piece("", 0, None, prompt_tokens=n, cached_tokens=kept, prefill_ms=prefill_ms)

    def _switch(self, segments: Sequence[Segment]) -> int:
        """Take the cache that shares the most with the prompt, put away what another chat may need.

        Returns how many positions are shared.
        """
        shared = common_prefix(self._held.segments, segments)
        worth = self._held.n if self._drafted is None else self._drafted
        if worth - shared > WORTH_KEEPING and self.shelf.room:
            self.shelf.put(self._held.segments, self._llama.save())
        other = self.shelf.find(segments, more_than=shared + WORTH_KEEPING)
        if other is None:
            return self._recall_head(segments, shared)
        restored = self._llama.restore(other.state)
        self._held = Held(other.segments if restored else ())
        self._drafted = None
        return common_prefix(self._held.segments, segments)

    def _recall_head(self, segments: Sequence[Segment], shared: int) -> int:
        """Instead of the cache, which shares so many positions with the prompt, take the head if it shares more."""
        file = self._head
        if file is None or self._head_is_there is False or length(file.segments) <= shared + WORTH_KEEPING:
            return shared
        if not self._almost_all(file, segments):
            return shared
        self._head_is_there = self._read(file)
        return common_prefix(self._held.segments, segments)

    def _keep_head(self) -> None:
        """Write the head's file where it is missing and the head was read by now."""
        file = self._head
        if (
            file is None
            or self._head_is_there is not False
            or not self._almost_all(file, self._held.segments)
        ):
            return
        with suppress(OSError, EngineError):  # the next process will read the head again
            self._prefill(file.segments, None)
            self._head_is_there = self._write(file)

    def _almost_all(self, head: CacheFile, segments: Sequence[Segment]) -> bool:
        """Whether the segments begin with the head: its last tokens may be others before speech than before text."""
        return length(head.segments) - common_prefix(head.segments, segments) <= WORTH_KEEPING

    def _write(self, file: CacheFile) -> bool:
        """Write what the cache holds; False, and no file, where reading it again is faster."""
        start, worth = perf_counter(), self.prefill_ms(self._held.n)
        state = self._llama.save()
        if 1000 * state.nbytes / DISK > worth:
            return False
        file.write(state)
        if 1000 * (perf_counter() - start) > worth:
            file.path.unlink(missing_ok=True)
            return False
        return True

    def _read(self, file: CacheFile) -> bool:
        """Take what the file holds; False, and the cache is what it was or empty, where that is of no use."""
        state = file.read()
        if state is None:
            return False
        restored = self._llama.restore(state)
        self._held, self._drafted = Held(file.segments if restored else ()), None
        self._fed = False
        return restored

    def _feed(self, segment: Segment, cancel: threading.Event | None) -> bool:
        """Run the model over the segment, batch by batch; False when cancelled.

        A batch is noted in `_held` only after it was fed. So after an exception the cache may hold
        more than that, which the next prompt's `forget` drops, but never less.
        """
        llama, position = self._llama, self._held.n
        self._fed = False
        for start in range(0, len(segment), llama.n_batch):
            if cancel is not None and cancel.is_set():
                return False
            end = start + llama.n_batch
            if isinstance(segment, Tokens):
                ids = segment.ids[start:end]
                llama.feed_tokens(ids, position + start)
                self._held.add(Tokens(ids))
            else:
                llama.feed_embeddings(segment.values[start:end], position + start)
        if isinstance(segment, Embeddings):
            self._held.add(segment)  # whole or not at all: half a block is never reused
        self._fed = True
        return True

    def _check(self, segments: Sequence[Segment]) -> None:
        """The whole prompt, before the cache is touched."""
        n = length(segments)
        if n == 0 or len(segments[-1]) == 0:
            raise ValueError("the prompt is empty, or its last segment is")
        if n >= self.n_ctx:
            raise PromptTooLong(f"the prompt takes {n} of {self.n_ctx} tokens: ask something shorter")
        for segment in segments:
            self._llama.check(segment.ids if isinstance(segment, Tokens) else segment.values)
