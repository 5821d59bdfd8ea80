"""Whisper's log-mel spectrogram in numpy (Radford et al. 2022, section 2.2; arXiv 2212.04356).

The same numbers as whisper.cpp and transformers' ``WhisperFeatureExtractor`` compute: a periodic Hann window of 25 ms,
a hop of 10 ms, Slaney-normalized mel filters up to 8 kHz, log10, the floor 8 decades under the loudest cell.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz
N_FFT = 400  # samples, 25 ms
HOP = 160  # samples, 10 ms
FRAMES_PER_SECOND = SAMPLE_RATE // HOP  # mel frames
MEL_PER_POSITION = 2  # mel frames per encoder position (the second convolution's stride)
SAMPLES_PER_POSITION = HOP * MEL_PER_POSITION  # 320: one encoder position is 20 ms
POWER_FLOOR = 1e-10
DYNAMIC_RANGE = 8.0  # decades kept below the loudest cell
AT_ONCE = 64  # frames: what is computed of them stays in a core's cache
SMALL_PRODUCT = (
    1 << 18
)  # multiplications up to which OpenBLAS computes on the calling thread (its interface/gemm.c)

# Slaney's mel scale: linear below 1 kHz, logarithmic above (Auditory Toolbox, 1998).
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    return (
        hz / _LINEAR_HZ_PER_MEL if hz < _BREAK_HZ else float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)
    )


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(
        mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, _BREAK_HZ * np.exp((mel - _BREAK_MEL) * _LOG_STEP)
    )


@cache
def mel_filters(n_mels: int) -> NDArray[np.float32]:
    """Triangular filters of unit area, ``(n_mels, N_FFT // 2 + 1)`` float32, 0 Hz to 8 kHz."""
    edges = _mel_to_hz(
        np.linspace(_hz_to_mel(0.0), _hz_to_mel(SAMPLE_RATE / 2), n_mels + 2)
    )  # (n_mels + 2,) Hz
    bins = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)  # (201,) Hz
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    filters = (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
    filters.setflags(write=False)
    return filters


def log_mel_power(samples: NDArray[np.float32], n_mels: int = 80) -> NDArray[np.float32]:
    """log10 of the mel power, not yet normalized: ``(n_samples,)`` 16 kHz -> ``(n_mels, ceil(n_samples / HOP))``."""
    n_frames = -(-len(samples) // HOP)
    padded = np.pad(samples.astype(np.float32), (0, n_frames * HOP + N_FFT - len(samples)))
    padded = np.concatenate([padded[N_FFT // 2 : 0 : -1], padded])  # reflected at the start, zeros at the end
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP][:n_frames]
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    mel = np.empty((n_mels, n_frames), np.float32)
    for start in range(0, n_frames, AT_ONCE):
        some = frames[start : start + AT_ONCE] * window
        power = np.abs(np.fft.rfft(some, axis=1)).astype(np.float32) ** 2  # (n, 201)
        mel[:, start : start + AT_ONCE] = _on_one_thread(mel_filters(n_mels), power)
    return np.asarray(np.log10(np.maximum(mel, POWER_FLOOR)), dtype=np.float32)


def _on_one_thread(filters: NDArray[np.float32], power: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(n_mels, n_bins), (n_frames, n_bins)`` -> their product ``(n_mels, n_frames)``, in equal small steps.

    Small, because OpenBLAS would share a larger one with another thread, which spins for tens of milliseconds after
    its half of one, on the core that the encoder wants next. Equal, because its kernels round a frame as the number of
    frames beside it makes them.
    """
    n_frames, n_bins = power.shape
    step = max(1, SMALL_PRODUCT // filters.size)
    steps = np.pad(power, ((0, -n_frames % step), (0, 0))).reshape(-1, step, n_bins)
    product = filters @ steps.transpose(0, 2, 1)  # (n_steps, n_mels, step)
    return product.transpose(1, 0, 2).reshape(len(filters), -1)[:, :n_frames]


def normalize(log_power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whisper's scaling of a whole clip's log-mel power: floor at 8 decades below the peak, then ``(x + 4) / 4``."""
    scaled: NDArray[np.float32] = (np.maximum(log_power, log_power.max() - DYNAMIC_RANGE) + 4.0) / 4.0
    return scaled


def log_mel(
    samples: NDArray[np.float32], n_mels: int = 80, n_frames: int | None = None
) -> NDArray[np.float32]:
    """What the encoder reads: ``(n_samples,)`` f32 16 kHz -> ``(n_mels, n_frames)`` f32.

    ``n_frames`` (10 ms each) pads with silence or cuts; without it there is a frame for each started hop.
    """
    if n_frames is None:
        return normalize(log_mel_power(samples, n_mels))
    sounding = min(n_frames, -(-(len(samples) + N_FFT // 2) // HOP))  # later frames reach no sample
    samples = np.pad(samples, (0, max(0, sounding * HOP - len(samples))))
    log_power = log_mel_power(samples, n_mels)
    silent = max(0, n_frames - log_power.shape[1])
    floor = np.log10(np.float32(POWER_FLOOR))
    return normalize(np.pad(log_power, ((0, 0), (0, silent)), constant_values=floor))[:, :n_frames]
