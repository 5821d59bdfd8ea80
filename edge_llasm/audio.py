"""Any recording -> float32, mono, 16 kHz. Decoding and resampling are left to libraries that do nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge_llasm.decode import decode
from edge_llasm.errors import AudioError

__all__ = ["SAMPLE_RATE", "AudioSource", "load_audio", "load_recordings"]

AudioSource = str | os.PathLike[str] | bytes | BinaryIO | NDArray[Any]

SAMPLE_RATE = 16_000
"""Hz, of everything behind `load_audio`"""
MAX_BYTES = 1 << 30
"""Largest file that is read: hours of any format but a film"""
MIN_RATE, MAX_RATE = 2_000, 768_000
"""Hz; what lies outside is a broken header"""
MAX_PEAK = 10.0
"""Full scale is 1. Floats far above it are integers that somebody forgot to scale."""
MAX_CHANNELS = 64
CANCELLED = 0.01
"""A mean of channels with less than this share of their power has cancelled them: they are in opposite phase"""


def load_audio(
    source: AudioSource,
    sample_rate: int | None = None,
    *,
    max_seconds: float | None = None,
) -> NDArray[np.float32]:
    """A file's path, its bytes, an open binary file or an array -> (n_samples,) f32, 16 kHz, n_samples >= 1.

    An array is (n_samples,) or (n_samples, n_channels), floats of full scale 1 or integers of their type's full
    scale, at `sample_rate` (16 kHz if not given); files know their own rate. Channels are averaged.
    A file that is longer than `max_seconds`, or says so, is refused before it is decoded further.
    Raises AudioError for what is missing, empty, no sound, or not finite; ValueError for a rate beside a file.
    """
    if isinstance(source, np.ndarray):
        samples, rate, name = (
            _scaled(source),
            SAMPLE_RATE if sample_rate is None else sample_rate,
            "the array",
        )
    else:
        if sample_rate is not None:
            raise ValueError("sample_rate is for arrays: a file knows its own")
        data, name = _read(source)
        samples, rate = decode(data, name, max_seconds)
    if samples.shape[0] == 0:
        raise AudioError(f"{name} holds no samples; record it again")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"{name} has a sample rate of {rate} Hz; record it at {SAMPLE_RATE} Hz or more")
    if not np.isfinite(samples).all():
        raise AudioError(
            f"{name} holds samples that are not finite numbers (NaN or infinite); export it again"
        )
    peak = float(np.abs(samples).max())
    if peak > MAX_PEAK:
        raise AudioError(
            f"{name} holds samples up to {peak:.4g}, full scale is 1; divide 16-bit values by 32768"
        )
    mono = _resampled(_mixed(samples), rate)
    if mono.shape[0] == 0:
        raise AudioError(f"{name} is too short: {samples.shape[0]} samples at {rate} Hz; record it again")
    return mono


def load_recordings(audio: AudioSource | Sequence[AudioSource] | None) -> list[NDArray[np.float32]]:
    """One source or a list of them, each as `load_audio` gives it; none for None. Raises AudioError."""
    if audio is None:
        return []
    sources = audio if isinstance(audio, (list, tuple)) else (audio,)  # an array or bytes is one source
    return [load_audio(source) for source in sources]


def _read(source: str | os.PathLike[str] | bytes | BinaryIO) -> tuple[bytes, str]:
    """The bytes of a file, and what to call it in a message."""
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), "the recording"
    elif isinstance(source, str | os.PathLike):
        data, name = _read_file(Path(source)), str(source)
    elif hasattr(source, "read"):
        name = str(getattr(source, "name", "<"))
        name = "the recording" if name.startswith("<") else name  # Python calls standard input <stdin>
        try:
            data = source.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise AudioError(f"{name} cannot be read ({error}); open it again in binary mode") from error
        if not isinstance(data, bytes):
            raise AudioError(f"{name} was opened as text; open it in binary mode ('rb')")
    else:
        raise AudioError(
            f"audio must be a path, bytes, a binary file or an array, not {type(source).__name__}"
        )
    if not data:
        raise AudioError(f"{name} is empty; record it again")
    if len(data) > MAX_BYTES:
        raise AudioError(f"{name} is larger than {MAX_BYTES >> 30} GiB; cut out the part that matters")
    return data, name


def _read_file(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise AudioError(f"{path} is a folder; give a recording in it")
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise AudioError(f"{path} does not exist; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{path} cannot be read ({reason}); check its permissions") from error


def _scaled(array: NDArray[Any]) -> NDArray[np.float32]:
    """(n,) or (n, n_channels) of any real type -> (n, n_channels) f32 of full scale 1."""
    if array.ndim not in (1, 2):
        raise AudioError(f"an array must be (n_samples,) or (n_samples, n_channels), not {array.shape}")
    samples = array.reshape(-1, 1) if array.ndim == 1 else array
    if samples.shape[1] > MAX_CHANNELS or samples.shape[1] == 0:
        raise AudioError(f"an array of shape {array.shape} has too many or no channels; transpose it")
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype.kind not in "iu":
        raise AudioError(f"an array must hold floats or integers, not {array.dtype}")
    bits = 8 * samples.dtype.itemsize
    middle = 2.0 ** (bits - 1) if samples.dtype.kind == "u" else 0.0
    return ((samples.astype(np.float64) - middle) / 2.0 ** (bits - 1)).astype(np.float32)


def _mixed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, n_channels) -> (n,): the mean, or the loudest channel where the mean would cancel them."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    mean: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    power = np.square(samples, dtype=np.float64).mean(axis=0)
    if np.square(mean, dtype=np.float64).mean() < CANCELLED * power.mean():
        return samples[:, int(power.argmax())]
    return mean


def _resampled(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    samples = np.ascontiguousarray(samples, np.float32)
    if rate == SAMPLE_RATE:
        return samples
    import soxr

    return np.ascontiguousarray(soxr.resample(samples, rate, SAMPLE_RATE), np.float32)
