"""What rooms, microphones and lines do to a voice: resampling, rooms, filters, noise, gain, coding."""

from dataclasses import dataclass
from random import Random

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import fftconvolve

from edge_llasm.speech.mel import SAMPLE_RATE

Samples = NDArray[np.float32]  # (n,) 16 kHz, full scale 1


@dataclass(frozen=True)
class Strength:
    """How hard, and how often, a clip is distorted."""

    warp: float  # largest change of speed, pitch and formants together, a ratio
    often: float  # probability of each of the other changes
    snr_db: tuple[float, float]  # signal to noise
    rt60_s: tuple[float, float]  # reverberation time


TRAINING = Strength(warp=0.13, often=0.4, snr_db=(3.0, 35.0), rt60_s=(0.1, 0.6))
HELD_OUT = Strength(warp=0.0, often=0.25, snr_db=(12.0, 35.0), rt60_s=(0.1, 0.35))


def distort(samples: Samples, strength: Strength, rng: Random) -> tuple[Samples, float, float]:
    """``(distorted, lead, speed)``: what was said at time t is now at ``lead + t * speed`` seconds."""
    noise = np.random.default_rng(rng.getrandbits(32))
    speed = 1.0
    if strength.warp and rng.random() < 0.6:
        speed = rng.uniform(1.0 - strength.warp, 1.0 + strength.warp)
        samples = soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE * speed).astype(np.float32)
    lead, tail = rng.uniform(0.03, 0.35), rng.uniform(0.05, 0.35)
    clip = np.pad(
        samples / max(1e-4, float(np.abs(samples).max())), (int(lead * SAMPLE_RATE), int(tail * SAMPLE_RATE))
    )
    if rng.random() < strength.often:
        clip = _room(clip, rng.uniform(*strength.rt60_s), noise)
    if rng.random() < strength.often * 1.5:
        clip = _filter(clip, rng)
    if rng.random() < strength.often * 1.5:
        clip = add_noise(clip, rng.uniform(*strength.snr_db), rng.choice((0.0, 0.5, 1.0, 1.0, 2.0)), noise)
    else:
        clip = add_noise(clip, rng.uniform(45.0, 70.0), 1.0, noise)
    clip = clip / np.abs(clip).max() * 10 ** rng.uniform(-2.0, 0.0)
    if rng.random() < strength.often * 0.25:
        clip = _companded(clip)
    return clip.astype(np.float32), lead, speed


def add_noise(clip: Samples, snr_db: float, slope: float, noise: np.random.Generator) -> Samples:
    """Noise whose power falls with frequency to the power of ``slope``: 0 white, 1 pink, 2 brown."""
    length = next_fast_len(len(clip), real=True)
    spectrum = rfft(noise.standard_normal(length))
    spectrum /= np.maximum(1.0, np.arange(len(spectrum)) * SAMPLE_RATE / length / 50.0) ** (slope / 2.0)
    sound = irfft(spectrum, length)[: len(clip)]
    power = float(np.mean(clip**2)) or 1e-8
    return np.asarray(
        clip + sound * np.sqrt(power / np.mean(sound**2) * 10 ** (-snr_db / 10.0)), dtype=np.float32
    )


def _room(clip: Samples, rt60_s: float, noise: np.random.Generator) -> Samples:
    """Convolved with exponentially decaying noise behind a direct sound."""
    length = int(rt60_s * SAMPLE_RATE)
    response = (
        noise.standard_normal(length) * 10 ** (-3.0 * np.arange(length) / length) * noise.uniform(0.02, 0.08)
    )
    response[: int(0.002 * SAMPLE_RATE)] = 0.0
    response[0] = 1.0
    return np.asarray(fftconvolve(clip, response)[: len(clip)], dtype=np.float32)


def _filter(clip: Samples, rng: Random) -> Samples:
    """A loudspeaker's or a microphone's uneven response: a random curve, and sometimes a band's end."""
    length = next_fast_len(len(clip), real=True)
    hz = np.fft.rfftfreq(length, 1.0 / SAMPLE_RATE)
    points = np.array([0, 150, 400, 800, 1500, 2500, 4000, 6000, 8000], dtype=float)
    decibel = np.interp(hz, points, [rng.gauss(0.0, 5.0) for _ in points])
    if rng.random() < 0.4:
        decibel -= 40.0 * np.clip((hz - rng.uniform(3200, 7500)) / 600.0, 0.0, 1.0)
    if rng.random() < 0.4:
        decibel -= 40.0 * np.clip((rng.uniform(80, 320) - hz) / 100.0, 0.0, 1.0)
    return np.asarray(
        irfft(rfft(clip, length) * 10 ** (decibel / 20.0), length)[: len(clip)], dtype=np.float32
    )


def _companded(clip: Samples) -> Samples:
    """Through 8-bit mu-law, as a telephone would send it (ITU-T G.711)."""
    coded = np.round(np.sign(clip) * np.log1p(255.0 * np.abs(clip)) / np.log(256.0) * 127.0) / 127.0
    return np.asarray(np.sign(coded) * (256.0 ** np.abs(coded) - 1.0) / 255.0, dtype=np.float32)
