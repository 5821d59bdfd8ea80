"""The speech tower on whisper.cpp, with random weights."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llasm.audio import load_audio
from edge_llasm.bundle import Bundle
from edge_llasm.errors import BundleError, EngineError
from edge_llasm.speech import SpeechEmbedder
from edge_llasm.speech.whisper_cpp import WhisperCpp, encoder_threads

Samples = NDArray[np.float32]
WINDOW = 5 * 16_000  # samples, the tiny bundle's


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


@pytest.fixture(scope="module")
def engine(bundle: Bundle) -> Iterator[WhisperCpp]:
    with WhisperCpp.open(bundle.speech_file, bundle.speech, n_threads=1) as engine:
        yield engine


def noise(n: int, seed: int = 0) -> Samples:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def test_a_short_clip_is_the_same_as_with_silence_up_to_the_smallest_window(engine: WhisperCpp) -> None:
    clip = noise(300)
    np.testing.assert_array_equal(engine.encode(clip), engine.encode(np.pad(clip, (0, 100))))


def test_the_window_is_trimmed_only_when_the_model_was_trained_so(bundle: Bundle, engine: WhisperCpp) -> None:
    full = replace(bundle.speech, trim_window=False)
    clip = noise(20_000)
    with WhisperCpp.open(bundle.speech_file, full, n_threads=1) as other:
        padded = other.encode(clip)
        np.testing.assert_array_equal(padded, other.encode(np.pad(clip, (0, WINDOW - len(clip)))))
        assert np.abs(padded - engine.encode(clip)).max() > 1e-3


def test_a_manifest_of_another_model_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="another size"):
        WhisperCpp.open(bundle.speech_file, replace(bundle.speech, d=32))
    with pytest.raises(BundleError, match="too few decoder positions"):
        WhisperCpp.open(bundle.speech_file, replace(bundle.speech, n_queries=17))


def test_a_file_that_vanished_is_an_error_with_a_reason(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"cannot load .*failed to open"):
        WhisperCpp.open(tmp_path / "speech.bin", bundle.speech)


def test_threads_are_few_and_one_for_a_small_model(bundle: Bundle) -> None:
    assert encoder_threads(bundle.speech_file.stat().st_size) == 1
    assert 1 <= encoder_threads(10**9) <= 8


@pytest.mark.parametrize("verbose", [False, True])
def test_native_code_is_silent_unless_verbose(tiny_bundle: Path, verbose: bool) -> None:
    program = (
        "import sys, numpy as np; from edge_llasm.bundle import Bundle; from edge_llasm.speech import SpeechEmbedder\n"
        f"e = SpeechEmbedder.open(Bundle.load(sys.argv[1]), n_threads=1, verbose={verbose}, engine='whisper.cpp')\n"
        "e.embed(np.zeros(5000, np.float32)); e.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tiny_bundle)], capture_output=True, text=True, check=True
    )
    assert ("whisper" in done.stderr) == verbose
    assert done.stdout == ""


def test_audio_becomes_embeddings(bundle: Bundle, speech: Path) -> None:
    with SpeechEmbedder.open(bundle, "cpu", n_threads=1, engine="whisper.cpp") as embedder:
        embedded = embedder.embed(load_audio(speech))
        assert embedded.embeddings.shape == (bundle.speech.n_queries, embedder.n_embd)
        assert embedded.embeddings.dtype == np.float32
        assert embedded.speech_ms > 0
        assert embedded.adapter_ms > 0
        assert (embedder.engine, embedder.device, embedder.window_seconds) == ("whisper.cpp", "cpu", 5.0)


def test_a_bundle_for_another_engine_says_to_upgrade(bundle: Bundle) -> None:
    other = replace(bundle, speech=replace(bundle.speech, engine="oracle"))
    with pytest.raises(BundleError, match=r"'oracle'.*'whisper\.cpp'.*upgrade"):
        SpeechEmbedder.open(other)
