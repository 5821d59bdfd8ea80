"""What a conversion cannot do without: reading and writing the bytes, and llama.cpp's quantizer."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from convert.workplace import one_line

BLOCK = 1 << 22
"""Bytes that are read and written at a time"""
MOST = 1.3
"""Times as long as that is what a conversion may take"""


@dataclass(frozen=True)
class Split:
    """A conversion's time, as `Job.summary` tells it."""

    total: float
    """s"""
    quantizing: float
    """s of it"""

    @classmethod
    def read(cls, told: str) -> "Split":
        """Out of what `python -m convert` writes on standard error."""
        total = re.search(r"convert: ([\d.]+) s: ", told)
        quantizing = re.search(r"quantizing ([\d.]+) s", told)
        return cls(*(float(found[1]) if found else 0.0 for found in (total, quantizing)))

    def line(self, alone: float) -> str:
        """For a reader, beside the s that reading and writing alone took."""
        least = alone + self.quantizing
        return (
            f"{self.total / least:.2f} times what the bytes ({alone:.1f} s to read and write) and llama.cpp's "
            f"quantizer ({self.quantizing:.1f} s) take alone; at most {MOST} is wanted"
        )


def read_and_write(sources: Iterable[Path], sizes: Iterable[int], draft: Path) -> float:
    """Read all of the files and write as many bytes as `sizes` say, in one file each; s. Raises ConvertError."""
    start = perf_counter()
    buffer = bytearray(os.urandom(BLOCK))
    with one_line(f"cannot write {draft}"):
        for source in sources:
            with source.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
        for size in sizes:
            with draft.open("wb", buffering=0) as file:
                for written in range(0, size, BLOCK):
                    file.write(memoryview(buffer)[: size - written])
                os.fsync(file.fileno())
            draft.unlink()
    return perf_counter() - start
