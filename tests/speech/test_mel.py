"""The spectrogram of a window is the same whether its silence is computed or known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llasm.speech import mel
from edge_llasm.speech.mel import HOP, N_FFT, log_mel, log_mel_power, mel_filters, normalize


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


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n_frames", [1, 9, 10, 16, 17, 3000])
def test_the_filters_are_applied_in_small_steps_that_make_no_difference(n_mels: int, n_frames: int) -> None:
    frames: list[int] = []

    class Filters(np.ndarray):  # type: ignore[type-arg]
        def __matmul__(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
            frames.append(power.shape[-1])
            return np.asarray(self) @ power

    power = np.random.default_rng(0).random((n_frames + 5, N_FFT // 2 + 1), np.float32)
    filters = mel_filters(n_mels)
    product = mel._on_one_thread(filters.view(Filters), power[:n_frames])
    np.testing.assert_allclose(product, filters @ power[:n_frames].T, rtol=1e-5)
    assert filters.size * max(frames) <= mel.SMALL_PRODUCT
    np.testing.assert_array_equal(product, mel._on_one_thread(filters, power)[:, :n_frames])
