"""Real speech of any length: nano's demo recordings, one after the other.

Real, because finding the speech is part of the delay, and no two clips alike, because what was heard once is not heard
again.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from edge_llasm.audio import SAMPLE_RATE, load_audio
from edge_llasm.bundle import Bundle
from edge_llasm.errors import BundleError
from edge_llasm.vad import speech_spans

__all__ = ["Speaker"]

PAUSE = round(0.25 * SAMPLE_RATE)
"""Samples of near silence between two sentences"""
NOISE = 1e-4
"""Its RMS"""
QUIETEST = 0.8
"""Each sentence is spoken at this to 1 times its level"""

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, 16 kHz


class Speaker:
    """Says something else each time; every speaker says the same things in the same order."""

    def __init__(self) -> None:
        """Raises BundleError without nano's recordings."""
        folder = Bundle.find("nano").path / "demo"
        recordings = [load_audio(path) for path in sorted(folder.glob("*.ogg"))]
        if not recordings:
            raise BundleError(f"{folder} holds no recordings; install edge-llasm again")
        spans = [(one, *speech_spans(one, len(one) / SAMPLE_RATE)[0]) for one in recordings]
        self._sentences = [one[start:end] for one, start, end in spans]
        self._rng = np.random.default_rng(0)
        self._said = 0

    def say(self, seconds: float) -> Samples:
        """Speech of exactly this length, (n_samples,) f32, 16 kHz: it ends with the end of a sentence."""
        n = round(seconds * SAMPLE_RATE)
        parts: list[Samples] = []  # the last first
        before = itertools.count(self._said, -1)
        while sum(map(len, parts)) < n:
            sentence = self._sentences[next(before) % len(self._sentences)]
            pause = self._rng.standard_normal(PAUSE, np.float32) * np.float32(NOISE)
            parts += [sentence * np.float32(self._rng.uniform(QUIETEST, 1.0)), pause]
        self._said += 1
        return np.concatenate(parts[::-1])[-n:]
