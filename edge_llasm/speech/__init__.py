"""Audio -> embeddings: all that the assistant sees; how many stages stand behind is the bundle's business."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_llasm.adapter import Adapter
from edge_llasm.bundle import Bundle
from edge_llasm.devices import speech_device
from edge_llasm.errors import BundleError
from edge_llasm.verify import check_adapter

__all__ = ["Embedded", "SpeechEmbedder", "SpeechEncoder"]


class SpeechEncoder(Protocol):
    """An engine that turns a piece of audio into hidden states."""

    name: str
    """as in bundle.toml, such as whisper.cpp"""
    device: str
    """cpu, metal or cuda"""

    @property
    def d(self) -> int:
        """Width of a state, floats."""

    @property
    def n_queries(self) -> int:
        """States per piece."""

    @property
    def window_seconds(self) -> float:
        """Longest piece."""

    def encode(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_samples,) f32, 16 kHz, not longer than the window -> (n_queries, d) f32."""

    def close(self) -> None:
        """Free native memory; closing twice is fine."""


@dataclass(frozen=True)
class Embedded:
    """What the language model reads in the place of a piece of audio."""

    embeddings: NDArray[np.float32]
    """(n, n_embd) f32"""
    speech_ms: float
    """time of the speech tower"""
    adapter_ms: float
    """time of the adapter"""


class SpeechEmbedder:
    """The speech side of a bundle, loaded."""

    def __init__(self, encoder: SpeechEncoder, adapter: Adapter) -> None:
        self._encoder = encoder
        self._adapter = adapter

    @classmethod
    def open(
        cls,
        bundle: Bundle,
        device: str = "auto",
        n_threads: int | None = None,
        verbose: bool = False,
        *,
        engine: str = "auto",
    ) -> SpeechEmbedder:
        """Load the files of a bundle that `Bundle.verify` has passed; `engine` is auto, onnx or whisper.cpp.

        An engine whose build does not support `device` computes on the CPU; the result says what it took.
        Raises BundleError, EngineError, DeviceError.
        """
        adapter = Adapter.open(bundle.adapter_file, device)
        try:
            check_adapter(bundle, adapter)
            return cls(_encoder(bundle, device, n_threads, verbose, engine), adapter)
        except BaseException:
            adapter.close()
            raise

    @property
    def engine(self) -> str:
        """Name of the speech tower's engine."""
        return self._encoder.name

    @property
    def device(self) -> str:
        """Where the speech tower computes: cpu, metal or cuda."""
        return self._encoder.device

    @property
    def n_embd(self) -> int:
        """Width of an embedding, floats."""
        return self._adapter.n_embd

    @property
    def window_seconds(self) -> float:
        """Longest piece that `embed` takes."""
        return self._encoder.window_seconds

    def embed(self, samples: NDArray[np.float32]) -> Embedded:
        """(n_samples,) f32, 16 kHz, within the window -> embeddings. Raises ValueError, EngineError."""
        start = perf_counter()
        states = self._encoder.encode(samples)
        heard = perf_counter()
        embeddings = self._adapter.embed(states)
        return Embedded(embeddings, 1000 * (heard - start), 1000 * (perf_counter() - heard))

    def close(self) -> None:
        """Free native memory; closing twice is fine."""
        self._encoder.close()
        self._adapter.close()

    def __enter__(self) -> SpeechEmbedder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


def _encoder(bundle: Bundle, device: str, n_threads: int | None, verbose: bool, engine: str) -> SpeechEncoder:
    from edge_llasm.speech import onnx, whisper_cpp

    if bundle.speech.engine != whisper_cpp.NAME:
        raise BundleError(
            f"{bundle.name} needs the speech engine {bundle.speech.engine!r}, this version only has "
            f"{whisper_cpp.NAME!r}; upgrade edge-llasm"
        )
    if speech_device(device, engine, has_onnx=bundle.has_onnx).engine == onnx.NAME:
        return onnx.OnnxSpeech.open(bundle.onnx_file, bundle.speech, n_threads, verbose)
    return whisper_cpp.WhisperCpp.open(bundle.speech_file, bundle.speech, device, n_threads, verbose)
