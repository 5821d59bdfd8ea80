from dataclasses import replace

import numpy as np
import pytest

from edge_llasm.manifest import SpeechSpec
from edge_llasm.speech.window import fitting, window

SPEC = SpeechSpec("whisper.cpp", d=64, n_queries=16, window_seconds=5.0, trim_window=True, n_mels=80)
WINDOW = 5 * 16_000  # samples


def test_the_window_is_trimmed_only_when_the_model_was_trained_so() -> None:
    assert [window(n, SPEC) for n in (1, 2560, 2561, WINDOW)] == [8, 8, 9, 250]
    full = replace(SPEC, trim_window=False)
    assert [window(n, full) for n in (1, 2561, WINDOW)] == [250, 250, 250]


def test_samples_that_fit_come_back_contiguous() -> None:
    samples = np.arange(20, dtype=np.float32)
    fits = fitting(samples[::2], SPEC)
    np.testing.assert_array_equal(fits, samples[::2])
    assert fits.flags.c_contiguous


@pytest.mark.parametrize("shape", [(0,), (WINDOW + 1,), (10, 10)])
def test_others_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"up to 5 s of mono audio"):
        fitting(np.zeros(shape, np.float32), SPEC)
