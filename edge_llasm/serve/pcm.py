"""Sound that comes over a socket, as the microphone's place is filled on a server."""

from __future__ import annotations

import binascii

import numpy as np
import numpy.typing as npt
import soxr

from edge_llasm.audio import SAMPLE_RATE
from edge_llasm.serve.api_errors import bad_request, unsupported

__all__ = ["RATE", "PcmSource", "pcm_from"]

RATE = 24_000
"""Hz, of the realtime socket's sound"""

Samples = npt.NDArray[np.float32]  # (n_samples,) f32, full scale 1


class PcmSource:
    """A `Source` that is fed 16-bit samples, resampled with state. Not thread-safe."""

    def __init__(self) -> None:
        self._blocks: list[Samples] = []
        self.level = 0.0
        """RMS of the newest block, full scale 1"""
        self.lost = False
        """the socket itself tells when it is closed"""
        self.begin(0.0)

    def feed(self, data: bytes) -> None:
        """The next little-endian 16-bit samples at RATE."""
        samples = np.frombuffer(data, "<i2").astype(np.float32) / 32768
        self.level = float(np.sqrt(np.dot(samples, samples) / max(1, len(samples))))
        self._blocks.append(self._resampler.resample_chunk(samples))

    def begin(self, pre_roll_s: float) -> None:
        """Start a recording; nothing was heard before it."""
        self._blocks = []
        self._resampler = soxr.ResampleStream(RATE, SAMPLE_RATE, 1, dtype="float32")

    def read(self) -> Samples:
        """(n_samples,) f32 at 16 kHz since the last call."""
        blocks, self._blocks = self._blocks, []
        return np.concatenate([np.zeros(0, np.float32), *blocks])

    def end(self, spare_s: float = 0.0) -> Samples:
        """The rest of the recording; all of it is there."""
        self._blocks.append(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        return self.read()

    def drop(self) -> None:
        """Forget the recording."""
        self.begin(0.0)


def pcm_from(audio: str | None) -> bytes:
    """base64 -> 16-bit samples. Raises ApiError."""
    try:
        data = binascii.a2b_base64(audio or "", strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"audio is not base64 ({error})", "audio", "invalid_base64") from error
    if not data or len(data) % 2:
        raise unsupported("audio", "must hold whole 16-bit samples")
    return data
