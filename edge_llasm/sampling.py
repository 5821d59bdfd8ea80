"""How the next token is chosen, and how long an answer may get."""

import math
from dataclasses import dataclass

from edge_llasm.repetition import RepetitionGuard

__all__ = ["Sampling"]

MAX_SEED = 2**32 - 2
"""llama.cpp reads 2**32 - 1 as "choose one"."""


@dataclass(frozen=True)
class Sampling:
    """Options of one answer. Raises ValueError for a value out of range."""

    temperature: float = 0.0
    """0 takes the likeliest token; 1 samples from the model's own distribution"""
    top_p: float = 0.95
    """share of the probability kept, likeliest tokens first; 1 keeps all"""
    min_p: float = 0.05
    """tokens below this share of the likeliest one's probability are dropped; 0 keeps all"""
    seed: int | None = None
    """None chooses one; the same seed gives the same answer on the same machine"""
    max_tokens: int = 256
    """longest answer, tokens"""
    guard: RepetitionGuard | None = RepetitionGuard()
    """against endless repetition; None leaves the model alone"""
    grammar: str | None = None
    """what the answer must look like, in llama.cpp's GBNF; None: anything"""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and 0 <= self.temperature <= 10):
            raise ValueError(f"temperature must be from 0 to 10, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p must be from 0 to 1, not {self.min_p}")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"seed must be from 0 to {MAX_SEED}, not {self.seed}")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, not {self.max_tokens}")
