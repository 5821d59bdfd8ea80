"""The speech tower on onnxruntime, for the CPU: encoder and decoder in one pass, all queries at once.

The graph takes a log-mel spectrogram of any even length, so the window is trimmed by what it is given. Its numbers
lie in a file beside it, which onnxruntime maps while it packs them: unpacked ones would be mapped for good, and a clip
would take more than twice the time.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_llasm.cores import physical_cores
from edge_llasm.errors import BundleError, EngineError
from edge_llasm.manifest import SpeechSpec
from edge_llasm.onnx_session import open_session
from edge_llasm.speech.eight_bits import adds_up
from edge_llasm.speech.mel import MEL_PER_POSITION, log_mel
from edge_llasm.speech.window import fitting, window

__all__ = ["NAME", "OnnxSpeech", "look_at"]

NAME = "onnx"
MAX_THREADS = 8
ROWS_OF_8_BITS = "int8"
"""The manifest's name of such numbers"""


class OnnxSpeech:
    """An open speech.onnx."""

    name = NAME
    device = "cpu"

    def __init__(self, session: Any, path: Path, spec: SpeechSpec) -> None:
        self._session = session
        self._path = path
        self._spec = spec

    @classmethod
    def open(
        cls, path: Path, spec: SpeechSpec, n_threads: int | None = None, verbose: bool = False
    ) -> OnnxSpeech:
        """Load a file that `Bundle.verify` has passed. Raises BundleError, EngineError."""
        n_threads = n_threads or min(MAX_THREADS, physical_cores())
        wide_sums = spec.onnx == ROWS_OF_8_BITS and not adds_up()
        session = open_session(path, n_threads, verbose=verbose, any_length=True, wide_sums=wide_sums)
        _check(session, path, spec)
        return cls(session, path, spec)

    @property
    def d(self) -> int:
        """Width of a state, floats."""
        return self._spec.d

    @property
    def n_queries(self) -> int:
        """States per piece."""
        return self._spec.n_queries

    @property
    def window_seconds(self) -> float:
        return self._spec.window_seconds

    def encode(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_samples,) f32, 16 kHz, not longer than the window -> (n_queries, d) f32.

        Raises ValueError for what does not fit the window, EngineError when onnxruntime fails.
        """
        if self._session is None:
            raise EngineError("the speech engine is closed; load the model again")
        samples = fitting(samples, self._spec)
        n_frames = window(len(samples), self._spec) * MEL_PER_POSITION
        mel = log_mel(samples, self._spec.n_mels, n_frames)
        try:
            states = self._session.run(None, {self._session.get_inputs()[0].name: mel})[0]
        except Exception as error:  # onnxruntime's errors have no base class of their own
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise EngineError(
                f"onnxruntime failed on {self._path.name} ({reason}); close other programs and try again"
            ) from error
        if not np.isfinite(states).all():
            raise EngineError(f"{self._path.name} gave states that are not finite; convert the model again")
        return np.asarray(states, np.float32)

    def close(self) -> None:
        """Free the session; closing twice is fine."""
        self._session = None

    def __enter__(self) -> OnnxSpeech:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


def look_at(path: Path, spec: SpeechSpec) -> None:
    """Find out whether `open` would take the file, in far less time. Raises BundleError, EngineError."""
    _check(open_session(path, 1, look_only=True), path, spec)


def _check(session: Any, path: Path, spec: SpeechSpec) -> None:
    """The graph must be the manifest's: one input (n_mels, any), one output (n_queries, d), both float32."""
    values = [*session.get_inputs(), *session.get_outputs()]
    shapes = [tuple(value.shape) for value in values]
    if (
        len(session.get_inputs()) != 1
        or [len(shape) for shape in shapes] != [2, 2]
        or any(value.type != "tensor(float)" for value in values)
        or (shapes[0][0], *shapes[1]) != (spec.n_mels, spec.n_queries, spec.d)
        or isinstance(shapes[0][1], int)
    ):
        raise BundleError(
            f"{path} does not fit this bundle: float32 ({spec.n_mels}, any) to ({spec.n_queries}, {spec.d}) is wanted, "
            f"it has {', '.join(map(str, shapes))}; convert the model again"
        )
