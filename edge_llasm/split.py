"""Cutting long speech into pieces that fit the window, where it hurts least."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

HOP = 160
"""Samples between places where a cut is possible, 10 ms"""
NEAR, FAR = 8, 20
"""Hops to either side that should be quiet: 80 ms is more than a plosive's closure, 200 ms prefers long pauses"""
SHORTEST = 50
"""Hops in a piece at least, half a second"""
PER_CUT = 0.15
"""What a cut costs by itself, so that there are few; the worst place costs 1, the best 0"""


def quietest_cuts(samples: NDArray[np.float32], voiced: NDArray[np.float32], window: int) -> list[int]:
    """(n,) f32 and the probability of speech at each sample -> places to cut, so that no piece exceeds `window`.

    Finds the cheapest set of cuts by dynamic programming over all of them.
    """
    cost = _cost(samples, voiced)
    n_places = len(cost)  # place k is sample k * HOP; place 0 is the beginning
    reach = max(1, window // HOP)
    shortest = min(SHORTEST, max(1, reach // 4))
    best = np.full(n_places, np.inf)
    best[0] = 0.0
    previous = np.zeros(n_places, np.int64)
    candidates: deque[int] = deque()  # places in reach, cheapest first
    for place in range(1, n_places):
        fresh = place - shortest
        if fresh >= 0 and np.isfinite(best[fresh]):
            while candidates and best[candidates[-1]] >= best[fresh]:
                candidates.pop()
            candidates.append(fresh)
        while candidates and candidates[0] < place - reach:
            candidates.popleft()
        if candidates:
            previous[place] = candidates[0]
            best[place] = best[candidates[0]] + cost[place] + PER_CUT
    first_last = max(0, -(-(len(samples) - window) // HOP))  # from here on the rest fits
    end = max(first_last + 1, min(n_places, (len(samples) - shortest * HOP) // HOP + 1))
    place = first_last + int(best[first_last:end].argmin())
    cuts = []
    while place > 0:
        cuts.append(place * HOP)
        place = int(previous[place])
    return cuts[::-1]


def _cost(samples: NDArray[np.float32], voiced: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,), (n,) -> (n // HOP,): 0 in the deepest pause, 1 in the middle of a vowel."""
    n_places = len(samples) // HOP
    hops = samples[: n_places * HOP].reshape(n_places, HOP)
    decibel = 10 * np.log10(np.square(hops, dtype=np.float64).mean(axis=1) + 1e-12)
    low, high = np.quantile(decibel, 0.05), np.quantile(decibel, 0.9)
    loud = np.clip((decibel - low) / max(1e-6, high - low), 0.0, 1.0)
    speech = voiced[: n_places * HOP].reshape(n_places, HOP).mean(axis=1)
    near, far = _around(loud, NEAR), _around(loud, FAR)
    return np.asarray(0.5 * near + 0.25 * far + 0.25 * _around(speech, NEAR), np.float64)


def _around(values: NDArray[np.floating], reach: int) -> NDArray[np.float64]:
    """The largest of the `reach` hops before and after each place."""
    padded = np.pad(values.astype(np.float64), reach, mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach)[: len(values)].max(axis=1))
