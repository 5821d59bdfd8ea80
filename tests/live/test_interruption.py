"""Who speaks over an answer is heard when louder than its echo; the echo itself is not."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llasm.audio import load_audio
from edge_llasm.live.interruption import Interruption

Samples = NDArray[np.float32]
BLOCK = 800  # 50 ms: a tick of the screen


def loudness(samples: Samples, end: int) -> float:
    """RMS of the loudest 20 ms of the second before."""
    frames = samples[max(0, end - 16_000) : end]
    return float(np.sqrt(np.square(frames[: len(frames) // 320 * 320].reshape(-1, 320)).mean(axis=1).max()))


def interrupted(heard: Samples, played: Samples) -> int | None:
    """The sample at which somebody is found to speak."""
    judge = Interruption()
    for end in range(BLOCK, len(heard), BLOCK):
        if judge.hear(heard[end - BLOCK : end], loudness(played, end)):
            return end
    return None


@pytest.fixture
def answer(speech: Path) -> Samples:
    said = load_audio(speech)
    return np.tile(said, 4)


@pytest.mark.parametrize("gain", [0.01, 0.1, 1.0])
def test_the_answers_own_echo_does_not_interrupt_it(answer: Samples, gain: float) -> None:
    noise = np.random.default_rng(4).normal(0, 1e-4, len(answer)).astype(np.float32)
    delayed = np.pad(gain * answer, (3200, 0))[: len(answer)]
    assert interrupted(delayed + noise, answer) is None


@pytest.mark.parametrize("gain", [0.01, 0.1, 0.25])
def test_louder_speech_interrupts_wherever_it_begins(answer: Samples, speech: Path, gain: float) -> None:
    said = load_audio(speech)
    for start in (32_000, 40_000, 48_500):
        heard = gain * answer
        heard[start : start + len(said)] += said[: len(heard) - start]
        at = interrupted(heard, answer)
        assert at is not None
        assert start < at < start + len(said)


def test_a_knock_does_not_interrupt(answer: Samples) -> None:
    heard = 0.05 * answer
    heard[40_000:40_400] += 0.8 * np.random.default_rng(4).standard_normal(400).astype(np.float32).clip(-1, 1)
    assert interrupted(heard, answer) is None
