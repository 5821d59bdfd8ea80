"""Where the KV caches of other chats wait while one is answered, so that each goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_llasm.segments import Segment, common_prefix, length

__all__ = ["Shelf", "Shelved"]


@dataclass(frozen=True, eq=False)
class Shelved:
    """A KV cache that was put away."""

    segments: tuple[Segment, ...]
    """what it holds, from position 0"""
    state: npt.NDArray[np.uint8]
    """(n_bytes,) as llama.cpp wrote it"""


class Shelf:
    """KV caches within `room` bytes; the one that was used longest ago goes first. Not thread-safe."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._caches: list[Shelved] = []  # the last used is the last

    @property
    def used(self) -> int:
        """Bytes."""
        return sum(cache.state.nbytes for cache in self._caches)

    def __len__(self) -> int:
        return len(self._caches)

    def put(self, segments: Sequence[Segment], state: npt.NDArray[np.uint8]) -> None:
        """Keep a cache, instead of those that it is a continuation of."""
        if state.nbytes > self.room:
            return
        n = {id(cache): length(cache.segments) for cache in self._caches}
        self._caches = [c for c in self._caches if common_prefix(c.segments, segments) < n[id(c)]]
        self._caches.append(Shelved(tuple(segments), state))
        while self.used > self.room:
            del self._caches[0]

    def find(self, segments: Sequence[Segment], more_than: int) -> Shelved | None:
        """The cache that shares the most positions with a prompt, if these are more than `more_than`."""
        best = None
        for cache in self._caches:
            shared = common_prefix(cache.segments, segments)
            if shared > more_than:
                best, more_than = cache, shared
        if best is not None:
            self._caches.remove(best)
            self._caches.append(best)
        return best

    def clear(self) -> None:
        self._caches = []
