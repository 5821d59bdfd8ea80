"""Cuts of long audio: never too long, in the deepest pause, nothing lost."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llasm.split import HOP, quietest_cuts

RATE = 16_000
Samples = NDArray[np.float32]


def buzz(seconds: float, level: float = 0.1) -> Samples:
    return (level * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


def lengths(cuts: list[int], n: int) -> NDArray[np.int64]:
    return np.diff([0, *cuts, n])


@pytest.mark.parametrize("n", [16_001, 16_100, 31_999, 32_000, 32_001, 100_000, 123_457])
def test_no_piece_is_longer_than_the_window(n: int) -> None:
    samples = buzz(n / RATE + 1)[:n]
    pieces = lengths(quietest_cuts(samples, np.ones(n, np.float32), RATE), n)
    assert pieces.sum() == n
    assert pieces.max() <= RATE
    assert pieces.min() > 0


def test_the_one_pause_is_found_wherever_it_is() -> None:
    for pause in (0.3, 0.5, 0.8, 1.4, 1.6):
        samples = buzz(2.2)
        at = round(pause * RATE)
        samples[at : at + 4000] *= 0.001
        cuts = quietest_cuts(samples, np.ones(len(samples), np.float32), 2 * RATE)
        assert len(cuts) == 1
        assert at <= cuts[0] <= at + 4000


def test_a_long_pause_is_preferred_to_the_closure_of_a_plosive() -> None:
    samples = buzz(3.0)
    samples[20_000:21_000] = 0  # 60 ms of nothing
    samples[30_000:36_000] *= 0.03  # 380 ms, not quite quiet
    (cut,) = quietest_cuts(samples, np.ones(len(samples), np.float32), 2 * RATE + 8000)
    assert 30_000 <= cut <= 36_000


def test_few_cuts_when_there_are_many_pauses() -> None:
    samples = buzz(20.0)
    for at in range(0, len(samples), RATE // 2):
        samples[at : at + 3200] *= 0.001
    cuts = quietest_cuts(samples, np.ones(len(samples), np.float32), 5 * RATE)
    assert len(cuts) <= 4
    assert all(cut % (RATE // 2) <= 3200 for cut in cuts)


def test_where_the_level_says_nothing_the_voice_decides() -> None:
    samples = buzz(2.0)
    voiced = np.ones(len(samples), np.float32)
    voiced[18_000:23_000] = 0.0
    (cut,) = quietest_cuts(samples, voiced, RATE + 12_000)
    assert 18_000 <= cut <= 23_000


def test_cuts_are_at_hops() -> None:
    assert all(cut % HOP == 0 for cut in quietest_cuts(buzz(5.0), np.ones(5 * RATE, np.float32), RATE))
