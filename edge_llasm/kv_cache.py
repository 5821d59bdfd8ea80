"""What a language model has read and still knows: the KV cache, brought to hold a prompt by feeding only what is new.

Copies of it wait in memory for other chats (shelf.py), and on disk for other processes (cache_file.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

from edge_llasm.cache_file import CacheFile
from edge_llasm.errors import EngineError, PromptTooLong
from edge_llasm.llama import Llama
from edge_llasm.segments import Embeddings, Held, Segment, Tokens, batches, common_prefix, length, split
from edge_llasm.shelf import Shelf

__all__ = ["WORTH_KEEPING", "KvCache", "Reading"]

WORTH_KEEPING = 16
"""Positions: a copy of the cache is made when more than these would have to be fed again"""

DISK = 100 << 20
"""Bytes a second, of a slow disk: what such a one would not be faster for is not even tried"""

PACED = 16
"""Positions read at once that tell the pace"""


@dataclass(frozen=True)
class Reading:
    """A prompt was read."""

    n: int
    """positions of all of it"""
    cached: int
    """those of them that the cache held already"""
    ms: float
    """time to feed the rest"""


class KvCache:
    """One sequence of positions. Not thread-safe."""

    def __init__(self, llama: Llama) -> None:
        self._llama = llama
        self.shelf = Shelf(room=0)
        self._held = Held()  # what the KV cache holds, from position 0
        self._fed = False  # whether llama.cpp's logits are those after the last position held
        self._drafted: int | None = None  # positions of it that were there before a draft; None: all counts
        self._pace = 0.0  # ms for a position of a prompt
        self._head: CacheFile | None = None
        self._head_is_there: bool | None = None  # None: nobody has looked yet

    @property
    def n(self) -> int:
        """Positions that it holds."""
        return self._held.n

    def hold(
        self, segments: Sequence[Segment], cancel: threading.Event | None = None, *, draft: bool = False
    ) -> Reading:
        """Hold exactly `segments` (less, if cancelled), feeding only what is new.

        `draft`: no prompt will go on from what is new in it, it is not worth a copy.
        Raises PromptTooLong, EngineError, ValueError.
        """
        self.check(segments)
        start, n = perf_counter(), length(segments)
        if self._fed and self._held.n == n == common_prefix(self._held.segments, segments):
            self._drafted = n if draft else None
            return Reading(n, cached=n, ms=0.0)
        # The last position is fed anew: its logits choose the first token.
        last = segments[-1]
        reusable = n - (len(last) if isinstance(last, Embeddings) else 1)
        known = min(self._switch(segments), reusable)
        self._fed = False
        kept = self._llama.forget(known)  # 0 for an architecture whose memory cannot be shortened
        head, rest = split(segments, kept)
        self._held = Held(head)
        self.feed(rest, cancel)
        ms = 1000 * (perf_counter() - start)
        if n - kept >= PACED:
            self._pace = ms / (n - kept)
        self._drafted = kept if draft else None
        return Reading(n, cached=kept, ms=ms)

    def feed(self, segments: Sequence[Segment], cancel: threading.Event | None = None) -> bool:
        """Run the model over the segments, batch by batch; False when cancelled.

        A batch is noted in `_held` only after it was fed. So after an exception the cache may hold
        more than that, which the next prompt's `forget` drops, but never less.
        """
        llama, position = self._llama, self._held.n
        self._fed = False
        for batch in batches(segments, llama.n_batch):
            if cancel is not None and cancel.is_set():
                return False
            position += llama.feed([part.content for part in batch], position)
            for part in batch:
                if isinstance(part.segment, Tokens):
                    self._held.add(Tokens(part.segment.ids[part.start : part.end]))
                elif part.end == len(part.segment):
                    self._held.add(part.segment)  # whole or not at all: half a block is never reused
        self._fed = True
        return True

    def check(self, segments: Sequence[Segment]) -> None:
        """The whole prompt, before the cache is touched. Raises what `hold` raises."""
        n = length(segments)
        if n == 0 or len(segments[-1]) == 0:
            raise ValueError("the prompt is empty, or its last segment is")
        if n >= self._llama.n_ctx:
            raise PromptTooLong(f"the prompt takes {n} of {self._llama.n_ctx} tokens: ask something shorter")
        for segment in segments:
            self._llama.check(segment.ids if isinstance(segment, Tokens) else segment.values)

    def forget(self) -> None:
        """Hold nothing: what stands in the cache may be broken."""
        self._held = Held()

    def read_ms(self, n: int) -> float:
        """About how long it takes to read `n` positions, by those that were read last."""
        return n * self._pace

    def write(self, file: CacheFile) -> bool:
        """Hold what the file is of, and write it; False, and no file, where reading it again is faster.

        Raises OSError and what `hold` raises.
        """
        self.hold(file.segments)
        start, worth = perf_counter(), self.read_ms(self._held.n)
        state = self._llama.save()
        if 1000 * state.nbytes / DISK > worth:
            return False
        file.write(state)
        if 1000 * (perf_counter() - start) > worth:
            file.path.unlink(missing_ok=True)
            return False
        return True

    def read(self, file: CacheFile) -> bool:
        """Hold what the file is of; False, and the cache is what it was or empty, where there is nothing of use."""
        self.check(file.segments)
        state = file.read()
        if state is None:
            return False
        restored = self._llama.restore(state)
        self._held, self._drafted = Held(file.segments if restored else ()), None
        self._fed = False
        return restored

    def begin_with(self, file: CacheFile) -> None:
        """The head of most first prompts, which is read from this file where it is there."""
        self._head, self._head_is_there = file, None

    def keep_head(self, *, lose_rest: bool) -> None:
        """Write the head's file where it is missing and the head was read by now.

        What is held after the head is lost by that; without `lose_rest` it is done only where there is nothing.
        """
        file = self._head
        if file is None or self._head_is_there is not False:
            return
        if not self._almost_all(file, self._held.segments):
            return
        if not lose_rest and self._held.n > length(file.segments):
            return
        with suppress(OSError, EngineError):  # the next process will read the head again
            self._head_is_there = self.write(file)

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
        self._head_is_there = self.read(file)
        return common_prefix(self._held.segments, segments)

    def _almost_all(self, head: CacheFile, segments: Sequence[Segment]) -> bool:
        """Whether the segments begin with the head: its last tokens may be others before speech than before text."""
        return length(head.segments) - common_prefix(head.segments, segments) <= WORTH_KEEPING
