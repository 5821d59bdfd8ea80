"""Reading binary headers without trusting them: every length is checked against the file before its use."""

from __future__ import annotations

import mmap
import struct
from math import prod
from pathlib import Path
from types import TracebackType

from edge_llasm.errors import BundleError

MAX_TEXT_BYTES = 1 << 24

GGML_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("f32", 1, 4),
    1: ("f16", 1, 2),
    2: ("q4_0", 32, 18),
    3: ("q4_1", 32, 20),
    6: ("q5_0", 32, 22),
    7: ("q5_1", 32, 24),
    8: ("q8_0", 32, 34),
    9: ("q8_1", 32, 36),
    10: ("q2_k", 256, 84),
    11: ("q3_k", 256, 110),
    12: ("q4_k", 256, 144),
    13: ("q5_k", 256, 176),
    14: ("q6_k", 256, 210),
    15: ("q8_k", 256, 292),
    16: ("iq2_xxs", 256, 66),
    17: ("iq2_xs", 256, 74),
    18: ("iq3_xxs", 256, 98),
    19: ("iq1_s", 256, 50),
    20: ("iq4_nl", 32, 18),
    21: ("iq3_s", 256, 110),
    22: ("iq2_s", 256, 82),
    23: ("iq4_xs", 256, 136),
    24: ("i8", 1, 1),
    25: ("i16", 1, 2),
    26: ("i32", 1, 4),
    27: ("i64", 1, 8),
    28: ("f64", 1, 8),
    29: ("iq1_m", 256, 56),
    30: ("bf16", 1, 2),
    34: ("tq1_0", 256, 54),
    35: ("tq2_0", 256, 66),
    39: ("mxfp4", 32, 17),
}
"""ggml_type -> name, elements in a block, bytes of a block (ggml.h and ggml-common.h of llama.cpp)."""


class Reader:
    """A file read front to back; running past its end is a BundleError, not a short read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.stream = path.open("rb")
            self.size = path.stat().st_size
        except OSError as error:
            raise BundleError(f"{path} cannot be read ({error.strerror}); install the model again") from error

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stream.close()

    def fail(self, what: str) -> BundleError:
        return BundleError(f"{self.path} {what}; convert the model again")

    @property
    def position(self) -> int:
        return self.stream.tell()

    @property
    def left(self) -> int:
        return self.size - self.stream.tell()

    def take(self, n_bytes: int) -> bytes:
        if not 0 <= n_bytes <= self.left:
            raise self.fail("ends in the middle of its header")
        return self.stream.read(n_bytes)

    def skip(self, n_bytes: int) -> None:
        if not 0 <= n_bytes <= self.left:
            raise self.fail("ends in the middle of its data")
        self.stream.seek(n_bytes, 1)

    def skip_texts(self, n: int) -> None:
        """`n` texts, each behind its length of 8 bytes: a vocabulary of 128,000 in a blink."""
        length, at = struct.Struct("<Q"), self.position
        with mmap.mmap(self.stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for _ in range(n):
                if at > self.size - length.size:
                    raise self.fail("ends in the middle of its header")
                at += length.size + length.unpack_from(data, at)[0]
        self.skip(at - self.position)

    def integers(self, code: str, n: int = 1) -> tuple[int, ...]:
        """`n` little-endian integers of struct's `code`."""
        size = struct.calcsize("<" + code)
        if n > self.left // size:
            raise self.fail("ends in the middle of its header")
        return struct.unpack(f"<{n}{code}", self.take(n * size))

    def integer(self, code: str) -> int:
        return self.integers(code)[0]

    def text(self, n_bytes: int) -> str:
        if n_bytes > MAX_TEXT_BYTES:
            raise self.fail("has a name of absurd length in its header")
        return self.take(n_bytes).decode("utf-8", "replace")


def tensor_bytes(reader: Reader, name: str, dims: tuple[int, ...], kind: int) -> int:
    """Bytes of a ggml tensor; its rows must be whole blocks. Raises BundleError."""
    if kind not in GGML_TYPES:
        raise reader.fail(f"holds the tensor {name!r} of the unknown type {kind}")
    _, block, size = GGML_TYPES[kind]
    if not dims or min(dims) < 1 or dims[0] % block:
        raise reader.fail(f"holds the tensor {name!r} of the impossible shape {dims}")
    return prod(dims) // block * size
