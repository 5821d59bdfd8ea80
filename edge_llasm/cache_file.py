"""A KV cache on disk, so that a chat goes on in another process without being read again.

A line of JSON (what the cache is of, and a hash of the rest), then the state as llama.cpp wrote it. A file that is not
exactly what was written, or of other content, is not given to llama.cpp.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_llasm.segments import Embeddings, Segment

__all__ = ["read_cache", "write_cache"]

State = npt.NDArray[np.uint8]  # (n_bytes,)


def write_cache(file: Path, origin: str, segments: Sequence[Segment], state: State) -> None:
    """`state` holds `segments`, computed by what `origin` names. Raises OSError; then there is no file."""
    head = {"of": _content(origin, segments), "state": _hash(state)}
    draft = file.with_name(file.name + ".part")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as out:
            out.write(json.dumps(head).encode() + b"\n")
            out.write(state.data)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def read_cache(file: Path, origin: str, segments: Sequence[Segment]) -> State | None:
    """The state of exactly these segments, (n_bytes,); None where there is none, or a broken one."""
    try:
        with file.open("rb") as source:
            head = json.loads(source.readline(1000))
            if head["of"] != _content(origin, segments):
                return None
            state = np.fromfile(source, np.uint8)
            return state if head["state"] == _hash(state) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _hash(state: State) -> str:
    return blake2b(state.data, digest_size=16).hexdigest()


def _content(origin: str, segments: Sequence[Segment]) -> str:
    """The same for the same positions, however they are cut into segments."""
    units: list[str] = []
    for segment in segments:
        units += [segment.key] if isinstance(segment, Embeddings) else map(str, segment.ids)
    return blake2b(" ".join([origin, *units]).encode(), digest_size=16).hexdigest()
