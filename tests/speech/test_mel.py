"""The spectrogram of a window is the same whether its silence is computed or known."""

import numpy as np
import pytest

from edge_llasm.speech.mel import HOP, log_mel, log_mel_power, normalize


@pytest.mark.parametrize("n_samples", [1, 159, 160, 199, 200, 201, 5000, 15_999, 16_000, 16_001])
@pytest.mark.parametrize("n_frames", [16, 100, 102, 300])
@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_silence_after_a_clip_is_what_would_be_computed(
    n_samples: int, n_frames: int, n_mels: int
) -> None:
    samples = (0.1 * np.random.default_rng(n_samples).standard_normal(n_samples)).astype(np.float32)
    padded = np.pad(samples, (0, max(0, n_frames * HOP - n_samples)))
    computed = normalize(log_mel_power(padded, n_mels))[:, :n_frames]
    found = log_mel(samples, n_mels, n_frames)
    assert found.dtype == np.float32
    assert found.shape == (n_mels, n_frames)
    np.testing.assert_allclose(found, computed, atol=1e-6)


def test_silence_alone_is_the_floor() -> None:
    np.testing.assert_allclose(
        log_mel(np.zeros(1600, np.float32), 80, 40), np.full((80, 40), -1.5), atol=1e-6
    )
