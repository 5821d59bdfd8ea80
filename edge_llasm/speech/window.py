"""The window that the encoder is given, and what fits into it: the same for every engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_llasm.manifest import SpeechSpec
from edge_llasm.speech.mel import SAMPLES_PER_POSITION

__all__ = ["MIN_POSITIONS", "fitting", "window"]

MIN_POSITIONS = 8
"""Shortest trimmed window, encoder positions of 20 ms"""


def window(n_samples: int, spec: SpeechSpec) -> int:
    """Encoder positions for a clip: as many as it needs when the model was trained so, otherwise all."""
    if not spec.trim_window:
        return spec.n_audio_ctx
    return min(spec.n_audio_ctx, max(MIN_POSITIONS, -(-n_samples // SAMPLES_PER_POSITION)))


def fitting(samples: NDArray[np.float32], spec: SpeechSpec) -> NDArray[np.float32]:
    """The same samples, contiguous f32. Raises ValueError unless they are (n_samples,) and fit the full window."""
    if samples.ndim != 1 or not 0 < samples.shape[0] <= spec.n_audio_ctx * SAMPLES_PER_POSITION:
        raise ValueError(
            f"the model takes up to {spec.window_seconds:g} s of mono audio, not the shape {samples.shape}"
        )
    return np.ascontiguousarray(samples, np.float32)
