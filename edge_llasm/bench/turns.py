"""Candidates measured in turn: whatever else the machine does meanwhile, it does to all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter
from typing import TypeVar

__all__ = ["Measured", "in_turn"]


Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Measured:
    """How long something took, each time."""

    times: tuple[float, ...]
    """in one unit; in_turn's are seconds"""

    @property
    def median(self) -> float:
        return median(self.times)

    @property
    def spread(self) -> float:
        """Half of the way between the quartiles, as a share of the median; 0.0 for a single time."""
        if len(self.times) < 2:
            return 0.0
        low, _, high = quantiles(self.times, n=4, method="inclusive")
        return (high - low) / 2 / self.median if self.median else 0.0


def in_turn(
    candidates: Mapping[Name, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = perf_counter,
) -> dict[Name, Measured]:
    """Call each once to warm up, then all of them `rounds` times, one after the other in every round."""
    seconds: dict[Name, list[float]] = {name: [] for name in candidates}
    for measured in range(rounds + 1):
        for name, call in candidates.items():
            start = clock()
            call()
            if measured:
                seconds[name].append(clock() - start)
    return {name: Measured(tuple(some)) for name, some in seconds.items()}
