"""What every speech engine does, with random weights."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llasm.bundle import Bundle
from edge_llasm.errors import EngineError
from edge_llasm.speech import SpeechEncoder
from edge_llasm.speech.onnx import OnnxSpeech
from edge_llasm.speech.whisper_cpp import WhisperCpp

Samples = NDArray[np.float32]
WINDOW = 5 * 16_000  # samples, the tiny bundle's


class Open(Protocol):
    """An engine, for a number of threads."""

    def __call__(self, n_threads: int = 1) -> SpeechEncoder: ...


@pytest.fixture(scope="module", params=["onnx", "whisper.cpp"])
def open_engine(request: pytest.FixtureRequest, tiny_bundle: Path) -> Open:
    bundle = Bundle.load(tiny_bundle)
    if request.param == "onnx":
        return lambda n_threads=1: OnnxSpeech.open(bundle.onnx_file, bundle.speech, n_threads=n_threads)
    return lambda n_threads=1: WhisperCpp.open(bundle.speech_file, bundle.speech, n_threads=n_threads)


@pytest.fixture(scope="module")
def engine(open_engine: Open) -> Iterator[SpeechEncoder]:
    with closing(open_engine()) as engine:
        yield engine


def noise(n: int, seed: int = 0) -> Samples:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 199, 200, 201, 399, 400, 401, 2560, 2561, 16_000, WINDOW - 1, WINDOW])
def test_clips_of_every_length_give_all_queries(engine: SpeechEncoder, n: int) -> None:
    states = engine.encode(noise(n))
    assert states.shape == (engine.n_queries, engine.d) == (16, 64)
    assert states.dtype == np.float32
    assert np.isfinite(states).all()


def test_what_does_not_fit_the_window_is_refused(engine: SpeechEncoder) -> None:
    for samples in (noise(WINDOW + 1), noise(0), noise(100).reshape(10, 10)):
        with pytest.raises(ValueError, match="5 s of mono"):
            engine.encode(samples)


def test_a_clip_gives_the_same_states_whatever_came_before(engine: SpeechEncoder) -> None:
    clip = noise(20_000)
    first = engine.encode(clip)
    engine.encode(noise(WINDOW, 1))
    engine.encode(noise(300, 2))
    np.testing.assert_array_equal(engine.encode(clip), first)
    np.testing.assert_array_equal(engine.encode(np.repeat(clip, 2)[::2]), first)  # an array with strides


def test_the_states_depend_on_the_sound_and_on_the_position(engine: SpeechEncoder) -> None:
    states = engine.encode(noise(20_000))
    assert np.abs(states - engine.encode(noise(20_000, 1))).max() > 0.01
    assert np.abs(states[0] - states[1]).max() > 0.01


def test_the_number_of_threads_changes_nothing_but_rounding(open_engine: Open, engine: SpeechEncoder) -> None:
    with closing(open_engine(n_threads=2)) as other:
        np.testing.assert_allclose(other.encode(noise(9000)), engine.encode(noise(9000)), atol=1e-2)


def test_a_closed_engine_says_so(open_engine: Open) -> None:
    engine = open_engine()
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.encode(noise(100))
