"""Speech and pauses are told apart while they are recorded, at any level."""

from pathlib import Path

import numpy as np
import pytest

from edge_llasm.audio import SAMPLE_RATE, load_audio
from edge_llasm.live.ear import Ear


@pytest.mark.parametrize("gain", [1.0, 0.02])
@pytest.mark.parametrize("block", [320, 777, 16_000])
def test_a_pause_after_speech_is_measured(speech: Path, gain: float, block: int) -> None:
    said = load_audio(speech)
    sound = gain * np.concatenate([said, np.zeros(SAMPLE_RATE, np.float32)])
    sound += 1e-4 * gain * np.random.default_rng(0).standard_normal(len(sound))
    ear = Ear()
    for start in range(0, len(sound), block):
        ear.feed(sound[start : start + block].astype(np.float32))
    assert ear.heard_speech
    assert ear.spoken_s == pytest.approx(len(said) / SAMPLE_RATE, abs=0.25)
    assert ear.pause_s == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.05])
def test_noise_is_no_speech(level: float) -> None:
    ear = Ear()
    ear.feed((level * np.random.default_rng(1).standard_normal(3 * SAMPLE_RATE)).astype(np.float32))
    assert not ear.heard_speech
    assert ear.pause_s == pytest.approx(3.0, abs=0.05)
