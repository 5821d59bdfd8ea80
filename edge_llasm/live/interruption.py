"""Does somebody speak over an answer that is read aloud? The microphone hears the loudspeaker too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.detector import FRAME, new_detector
from edge_llasm.live.ear import FAINT
from edge_llasm.vad import LEVEL, SPEECH

__all__ = ["Interruption"]

LEARN_S = 1.5
"""Of each answer, in which only the key stops it: how loud its echo is must be heard first, and that is late"""
CLEARLY = 2.0
"""Times the loudest echo so far, 6 dB"""
FRAMES = 4
"""In a row, 128 ms: a knock is shorter"""


class Interruption:
    """One answer's. Nothing cancels the echo: only who is clearly louder than it counts as speaking."""

    def __init__(self) -> None:
        self._detector = new_detector()
        self._rest = np.zeros(0, np.float32)
        self._gain = 0.0  # RMS heard / RMS played, at most until now
        self._learnt_s = 0.0
        self._loudest = FAINT
        self._run = 0

    def hear(self, samples: npt.NDArray[np.float32], played: float) -> bool:
        """The next (n_samples,) f32, 16 kHz, and the RMS of the loudest that was played and may be in it.

        Whether somebody speaks now.
        """
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % FRAME
        self._rest = samples[whole:]
        judged = [self._judge(frame, played) for frame in samples[:whole].reshape(-1, FRAME)]
        return any(judged)

    def _judge(self, frame: npt.NDArray[np.float32], played: float) -> bool:
        rms = float(np.sqrt(np.square(frame, dtype=np.float64).mean()))
        self._loudest = max(self._loudest, rms)
        gained = np.clip(frame * (LEVEL / self._loudest), -1.0, 1.0).astype(np.float32)
        speech = self._detector.process_array(gained) > SPEECH
        learning = self._learnt_s < LEARN_S
        louder = rms > max(FAINT, CLEARLY * self._gain * played)
        if played > FAINT and (learning or not louder):
            self._gain = max(self._gain, rms / played)
            self._learnt_s += FRAME / SAMPLE_RATE
        self._run = self._run + 1 if speech and louder and not learning else 0
        return self._run >= FRAMES
