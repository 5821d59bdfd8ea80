"""The speech tower on whisper.cpp: LLaSM's features are the *decoder's* hidden states.

n_queries copies of the start-of-transcript token at positions 0, 1, … read the encoder's output; the states
after the decoder's last layer norm are the features (LLaSM, llasm.py). The model file's vocabulary is the
identity, so that whisper.cpp's logits are these states (see edge_llasm/whisper_file.py).
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from edge_llasm.cores import physical_cores
from edge_llasm.devices import take, whisper_devices
from edge_llasm.errors import BundleError, EngineError
from edge_llasm.manifest import SpeechSpec
from edge_llasm.speech.mel import N_FFT
from edge_llasm.speech.whisper_lib import (
    AUDIO_CTX,
    DURATION_MS,
    N_THREADS,
    WhisperLibrary,
    load_library,
    log,
)
from edge_llasm.speech.window import fitting, window

NAME = "whisper.cpp"
MIN_SAMPLES = N_FFT
"""whisper.cpp mirrors the first 200 samples without asking whether there are so many"""
STOP_BEFORE_ENCODING_MS = 100
"""whisper_full computes the spectrogram, sets the window and returns when asked for so short a piece"""
MAX_ENCODER_THREADS = 8
DECODER_THREADS = 1
"""A step is small: threads that wait for each other dozens of times in it collapse on a busy machine"""
SMALL_FILE = 64 << 20
"""Bytes. Below, the encoder's steps are as small, and one thread encodes too: two of them, on a machine whose cores
were busy, took minutes for what one did in a second."""


class WhisperCpp:
    """An open speech.bin. Not for two threads at once."""

    name = NAME

    def __init__(
        self, library: WhisperLibrary, context: int, spec: SpeechSpec, device: str, n_threads: int
    ) -> None:
        self._library = library
        self._context: int | None = context
        self._spec = spec
        self._n_threads = n_threads
        self.device = device
        """cpu, metal or cuda"""

    @classmethod
    def open(
        cls,
        path: Path,
        spec: SpeechSpec,
        device: str = "cpu",
        n_threads: int | None = None,
        verbose: bool = False,
    ) -> WhisperCpp:
        """Load a file that `Bundle.verify` has passed. Raises EngineError, DeviceError, BundleError."""
        library = load_library()
        log.verbose = verbose
        log.clear()
        taken = take(NAME, device, whisper_devices()).device
        params = library.context_params()
        params.use_gpu = taken != "cpu"
        # Flash attention pads the keys with zeros and does not mask them: a trimmed window would see nothing.
        params.flash_attn = False
        context = library.cdll.whisper_init_from_file_with_params(os.fsencode(path), params)
        if not context:
            raise EngineError(f"whisper.cpp cannot load {path} ({log.last_error()}); convert the model again")
        engine = cls(library, context, spec, taken, n_threads or encoder_threads(os.path.getsize(path)))
        try:
            engine._check()
        except BundleError:
            engine.close()
            raise
        return engine

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

        Raises ValueError for what does not fit the window, EngineError when whisper.cpp fails.
        """
        if self._context is None:
            raise EngineError("the speech engine is closed; load the model again")
        samples = fitting(samples, self._spec)
        n_samples = len(samples)
        if n_samples < MIN_SAMPLES:
            samples = np.pad(samples, (0, MIN_SAMPLES - n_samples))
        self._open_window(samples, window(n_samples, self._spec))
        self._must(self._library.cdll.whisper_encode(self._context, 0, self._n_threads), "whisper_encode")
        return self._read_states()

    def _open_window(self, samples: NDArray[np.float32], positions: int) -> None:
        """Compute the spectrogram and set how many encoder positions there are: no other call sets that."""
        params = self._library.full_params()
        params.set_int(N_THREADS, self._n_threads)
        params.set_int(DURATION_MS, STOP_BEFORE_ENCODING_MS)
        params.set_int(AUDIO_CTX, positions)
        data = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        self._must(self._library.cdll.whisper_full(self._context, params, data, len(samples)), "whisper_full")

    def _read_states(self) -> NDArray[np.float32]:
        cdll, token = self._library.cdll, ctypes.c_int(self.d)
        states = np.empty((self.n_queries, self.d), np.float32)
        for position in range(
            self.n_queries
        ):  # one by one: only the last row of a batch's logits is copied out
            code = cdll.whisper_decode(self._context, ctypes.byref(token), 1, position, DECODER_THREADS)
            self._must(code, "whisper_decode")
            states[position] = np.ctypeslib.as_array(cdll.whisper_get_logits(self._context), (self.d + 1,))[
                : self.d
            ]
        if not np.isfinite(states).all():
            raise EngineError("whisper.cpp gave states that are not finite; convert the model again")
        return states

    def _check(self) -> None:
        """The loaded model must be the one of the manifest: its sizes are trusted from here on."""
        spec, cdll = self._spec, self._library.cdll
        found = tuple(
            getattr(cdll, f"whisper_model_{name}")(self._context)
            for name in ("n_vocab", "n_text_state", "n_audio_ctx", "n_mels")
        )
        if found != (spec.d + 1, spec.d, spec.n_audio_ctx, spec.n_mels):
            raise BundleError(
                f"speech.bin is of another size than the manifest says {found}; convert the model again"
            )
        if cdll.whisper_model_n_text_ctx(self._context) < spec.n_queries:
            raise BundleError(
                f"speech.bin has too few decoder positions for {spec.n_queries} queries; "
                "convert the model again"
            )

    def _must(self, code: int, call: str) -> None:
        if code != 0:
            raise EngineError(
                f"{call} failed with {code} ({log.last_error()}); close other programs and try again"
            )

    def close(self) -> None:
        """Free the model's memory; closing twice is fine."""
        context, self._context = self._context, None
        if context is not None:
            self._library.cdll.whisper_free(context)

    def __enter__(self) -> WhisperCpp:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


def encoder_threads(size: int) -> int:
    """One for a small file (`size`, bytes), else one for each physical core that this process may use."""
    return 1 if size < SMALL_FILE else min(MAX_ENCODER_THREADS, physical_cores())
