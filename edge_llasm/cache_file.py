"""A KV cache on disk, so that another process goes on from it without reading its prompt again.

A line of JSON (what the cache is of, and a hash of the rest), then the state as llama.cpp wrote it. A file that is not
exactly what was written, or of other content, is not given to llama.cpp.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_llasm.segments import Embeddings, Segment

__all__ = ["CacheFile"]

State = npt.NDArray[np.uint8]  # (n_bytes,)
ABANDONED_S = 600.0
"""A draft that nobody has touched for so long belongs to a process that was killed"""


@dataclass(frozen=True)
class CacheFile:
    """Where the cache of some segments is, if it is there. Several processes may read and write it."""

    path: Path
    origin: str
    """what the cache depends on beside the segments"""
    segments: Sequence[Segment]

    def write(self, state: State) -> None:
        """Raises OSError; then the file is what it was."""
        head = {"of": self._content(), "state": _hash(state)}
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as out:
                out.write(json.dumps(head).encode() + b"\n")
                out.write(state.data)
            draft.replace(self.path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        for other in self.path.parent.glob(f"{self.path.name}.*.part"):
            if time.time() - other.stat().st_mtime > ABANDONED_S:
                other.unlink(missing_ok=True)

    def read(self) -> State | None:
        """The state of exactly these segments, (n_bytes,); None where there is none, or a broken one."""
        try:
            with self.path.open("rb") as source:
                head = json.loads(source.readline(1000))
                if head["of"] != self._content():
                    return None
                state = np.fromfile(source, np.uint8)
                return state if head["state"] == _hash(state) else None
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def _content(self) -> str:
        """The same for the same positions, however they are cut into segments."""
        units: list[str] = []
        for segment in self.segments:
            units += [segment.key] if isinstance(segment, Embeddings) else map(str, segment.ids)
        return blake2b(" ".join([self.origin, *units]).encode(), digest_size=16).hexdigest()


def _hash(state: State) -> str:
    return blake2b(state.data, digest_size=16).hexdigest()
