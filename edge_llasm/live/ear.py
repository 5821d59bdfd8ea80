"""Does somebody speak right now? Frame by frame, while it is recorded; `vad.py` judges what is complete."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.detector import FRAME, new_detector
from edge_llasm.vad import EDGE, LEVEL, LOUD_FRAMES, SPEECH

__all__ = ["Ear"]

FAINT = 1e-3
"""RMS: what is fainter is not made as loud as speech"""
FIRST_FRAMES = 3
"""Of speech in a row, before somebody is taken to speak"""


class Ear:
    """Listens to one recording from its beginning on."""

    def __init__(self) -> None:
        self._detector = new_detector()
        self._rest = np.zeros(0, np.float32)
        self._loudest = [FAINT] * LOUD_FRAMES
        self._run = 0
        self.heard_speech = False
        """whether anybody has spoken yet"""
        self.heard_s = 0.0
        """s that were judged so far"""
        self.spoken_s = 0.0
        """s until the end of what was last spoken"""

    @property
    def pause_s(self) -> float:
        """s since somebody spoke last; since the beginning, if nobody has."""
        return self.heard_s - self.spoken_s

    def feed(self, samples: npt.NDArray[np.float32]) -> None:
        """The next (n_samples,) f32, 16 kHz."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % FRAME
        for frame in samples[:whole].reshape(-1, FRAME):
            self._judge(frame)
        self._rest = samples[whole:]

    def _judge(self, frame: npt.NDArray[np.float32]) -> None:
        rms = float(np.sqrt(np.square(frame, dtype=np.float64).mean()))
        self._loudest = sorted([*self._loudest, rms])[-LOUD_FRAMES:]
        gained = np.clip(frame * (LEVEL / self._loudest[0]), -1.0, 1.0).astype(np.float32)
        probability = self._detector.process_array(gained)
        self._run = self._run + 1 if probability > SPEECH else 0
        self.heard_speech = self.heard_speech or self._run >= FIRST_FRAMES
        self.heard_s += FRAME / SAMPLE_RATE
        if probability > (EDGE if self.heard_speech else SPEECH):
            self.spoken_s = self.heard_s
