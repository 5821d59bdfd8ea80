"""Notices an answer that goes round in circles, the defect of LLaSM's public demo.

A token is stale when the `span` tokens up to and with it were all said, in this order, at least `repeats`
times before in the same answer. The score goes up by one with each stale token and down by a half with
each fresh one; at `limit` the answer is running away. So a circle of p tokens is caught after about
repeats * p + span + limit tokens, and a circle with slips in it a little later, while rows that differ in a
number, a block said twice or thrice, or "no no no" never get there.
"""

from collections import Counter, deque
from dataclasses import dataclass

__all__ = ["RepetitionDetector", "RepetitionGuard"]

FORGET = 0.5
"""What a fresh token takes from the score."""


@dataclass(frozen=True)
class RepetitionGuard:
    """How endless repetition is prevented (DRY sampling) and ended (the detector)."""

    dry_multiplier: float = 0.8
    """strength of the DRY penalty on logits; 0 switches it off"""
    dry_base: float = 1.75
    """growth of the penalty with each further repeated token"""
    dry_allowed_length: int = 48
    """tokens that may be repeated in a row within one line before DRY acts; code and lists stay below"""
    span: int = 12
    """tokens that must recur in order before one counts as stale"""
    repeats: int = 3
    """earlier occurrences before one counts as stale"""
    limit: int = 96
    """stale tokens, less half the fresh ones between them, that end the answer"""

    def __post_init__(self) -> None:
        if self.dry_multiplier < 0 or self.dry_base < 1:
            raise ValueError("dry_multiplier must be at least 0 and dry_base at least 1")
        if min(self.dry_allowed_length, self.span, self.repeats, self.limit) < 1:
            raise ValueError("dry_allowed_length, span, repeats and limit must be at least 1")


class RepetitionDetector:
    """Watches the tokens of one answer; constant time per token."""

    def __init__(self, guard: RepetitionGuard) -> None:
        self._guard = guard
        self._last: deque[int] = deque(maxlen=guard.span)
        self._said: Counter[tuple[int, ...]] = Counter()
        self._score = 0.0

    def add(self, token: int) -> bool:
        """Take the next token; True when the answer is running away."""
        self._last.append(token)
        if len(self._last) < self._guard.span:
            return False
        words = tuple(self._last)
        stale = self._said[words] >= self._guard.repeats
        self._said[words] += 1
        self._score = self._score + 1 if stale else max(0.0, self._score - FORGET)
        return self._score >= self._guard.limit
