"""What a prompt is made of: runs of token ids, and embeddings that stand in the place of tokens."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

__all__ = ["Embeddings", "Held", "Part", "Segment", "Tokens", "batches", "common_prefix", "length", "split"]


@dataclass(frozen=True)
class Tokens:
    """A run of token ids."""

    ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors that stand in the prompt in the place of tokens; equal when their content is equal.

    Raises ValueError when `values` is not a finite (n, n_embd) array with n >= 1.
    """

    values: npt.NDArray[np.float32]
    """(n, n_embd) f32, contiguous and read-only"""
    key: str = field(init=False)
    """content hash, hexadecimal: what the KV cache compares"""

    def __post_init__(self) -> None:
        # An own copy: nobody can change it after the hash.
        values = np.array(self.values, dtype=np.float32, order="C")
        if values.ndim != 2 or 0 in values.shape:
            raise ValueError(f"embeddings must have shape (n, n_embd), not {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError("embeddings must be finite numbers")
        values.flags.writeable = False
        object.__setattr__(self, "values", values)
        digest = blake2b(values.tobytes(), digest_size=16, salt=str(values.shape[1]).encode())
        object.__setattr__(self, "key", digest.hexdigest())

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Embeddings) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


Segment = Tokens | Embeddings


class Held:
    """Segments that grow by one token at a time: their length is kept, counting them anew would cost more each time."""

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        self.segments = list(segments)
        self.n = length(self.segments)
        """positions"""

    def add(self, segment: Segment) -> None:
        self.segments.append(segment)
        self.n += len(segment)


def length(segments: Sequence[Segment]) -> int:
    """Positions that the segments take in the context."""
    return sum(len(segment) for segment in segments)


def common_prefix(a: Sequence[Segment], b: Sequence[Segment]) -> int:
    """Positions at the beginning that hold the same tokens and the same embeddings in `a` and `b`.

    How tokens are spread over segments does not matter. Embeddings count whole or not at all.
    """
    n = 0
    for x, y in zip(_units(a), _units(b), strict=False):
        if x != y:
            break
        n += len(x) if isinstance(x, Embeddings) else 1
    return n


def split(segments: Sequence[Segment], n: int) -> tuple[list[Segment], list[Segment]]:
    """The first `n` positions, and the rest. Raises ValueError when `n` falls inside embeddings."""
    head: list[Segment] = []
    for i, segment in enumerate(segments):
        if len(segment) > n:
            if n == 0:
                return head, list(segments[i:])
            if isinstance(segment, Embeddings):
                raise ValueError("embeddings cannot be split")
            return [*head, Tokens(segment.ids[:n])], [Tokens(segment.ids[n:]), *segments[i + 1 :]]
        head.append(segment)
        n -= len(segment)
    return head, []


@dataclass(frozen=True)
class Part:
    """Positions of one segment."""

    segment: Segment
    start: int
    end: int
    """behind the last of them"""

    @property
    def content(self) -> tuple[int, ...] | npt.NDArray[np.float32]:
        """Token ids, or (n, n_embd) f32."""
        whole = self.segment.ids if isinstance(self.segment, Tokens) else self.segment.values
        return whole[self.start : self.end]


def batches(segments: Iterable[Segment], size: int) -> Iterator[list[Part]]:
    """All positions in their order, `size` at a time; the last batch may hold less."""
    batch: list[Part] = []
    room = size
    for segment in segments:
        start = 0
        while start < len(segment):
            end = min(len(segment), start + room)
            batch.append(Part(segment, start, end))
            room -= end - start
            start = end
            if room == 0:
                yield batch
                batch, room = [], size
    if batch:
        yield batch


def _units(segments: Sequence[Segment]) -> list[int | Embeddings]:
    units: list[int | Embeddings] = []
    for segment in segments:
        units.extend(segment.ids if isinstance(segment, Tokens) else (segment,))
    return units
