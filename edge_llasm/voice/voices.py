"""Who reads: a voice for each language, and which of them says what of a sentence that holds both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import soxr

from edge_llasm.voice.script import Language, language, runs

__all__ = ["Voice", "Voices"]

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, full scale 1

SILENT = 1e-3
"""Full scale 1"""
JOIN_S = 0.050
"""Of silence is left at both ends where two voices take turns in one sentence"""


class Voice(Protocol):
    """A synthesizer. `say` may be called by one thread at a time."""

    @property
    def name(self) -> str: ...

    @property
    def speaks(self) -> frozenset[Language]:
        """A Chinese voice that also reads English words says a mixed sentence in one breath."""
        ...

    def say(self, text: str) -> tuple[Samples, int]:
        """-> (n_samples,) f32 and their rate in Hz. Raises VoiceError."""
        ...


class Voices:
    """One voice or none for each language."""

    def __init__(self, voices: Mapping[Language, Voice], remarks: tuple[str, ...] = ()) -> None:
        self._voices = dict(voices)
        self.remarks = remarks
        """one line each: what is not read, or not well, and what to do about it"""
        self._last: Language = "en" if "en" in voices else "zh"

    @property
    def names(self) -> str:
        return ", ".join(f"{spoken} {voice.name}" for spoken, voice in self._voices.items())

    def say(self, text: str, rate: int) -> Samples:
        """A clause -> (n_samples,) f32 at `rate` Hz; empty if there is no voice for it. Raises VoiceError."""
        self._last = language(text, self._last)
        voice = self._voices.get(self._last)
        parts = runs(text, self._last)
        if voice is not None and {spoken for spoken, _ in parts} <= voice.speaks:
            return _resampled(*voice.say(text), rate)
        said = [
            _resampled(*self._voices[spoken].say(part), rate)
            for spoken, part in parts
            if spoken in self._voices and any(map(str.isalnum, part))
        ]
        keep = round(JOIN_S * rate)
        return np.concatenate([np.zeros(0, np.float32), *(_trimmed(part, keep) for part in said)])


def _resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    return samples if rate == wanted else soxr.resample(samples, rate, wanted).astype(np.float32, copy=False)


def _trimmed(samples: Samples, keep: int) -> Samples:
    loud = np.flatnonzero(np.abs(samples) > SILENT)
    return samples[max(0, loud[0] - keep) : loud[-1] + 1 + keep] if len(loud) else samples[:0]
