"""The speech tower on onnxruntime, with random weights, beside the same one on whisper.cpp."""

import shutil
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
from edge_llasm.speech.onnx import OnnxSpeech, look_at
from edge_llasm.speech.whisper_cpp import WhisperCpp

Samples = NDArray[np.float32]
WINDOW = 5 * 16_000  # samples, the tiny bundle's


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


@pytest.fixture(scope="module")
def engine(bundle: Bundle) -> Iterator[OnnxSpeech]:
    with OnnxSpeech.open(bundle.onnx_file, bundle.speech, n_threads=1) as engine:
        yield engine


def noise(n: int, seed: int = 0) -> Samples:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 199, 200, 201, 399, 400, 401, 2560, 2561, 16_000, WINDOW - 1, WINDOW])
def test_both_engines_hear_the_same_in_clips_of_every_length(
    bundle: Bundle, engine: OnnxSpeech, n: int
) -> None:
    states = engine.encode(noise(n))
    assert states.shape == (engine.n_queries, engine.d) == (16, 64)
    assert states.dtype == np.float32
    with WhisperCpp.open(bundle.speech_file, bundle.speech, n_threads=1) as other:
        theirs = other.encode(noise(n))
    cosines = (states * theirs).sum(axis=1)
    cosines /= np.linalg.norm(states, axis=1) * np.linalg.norm(theirs, axis=1)
    assert cosines.min() >= 0.999


def test_both_engines_hear_the_same_in_the_full_window(bundle: Bundle) -> None:
    spec, clip = replace(bundle.speech, trim_window=False), noise(20_000)
    with (
        OnnxSpeech.open(bundle.onnx_file, spec, n_threads=1) as ours,
        WhisperCpp.open(bundle.speech_file, spec, n_threads=1) as other,
        OnnxSpeech.open(bundle.onnx_file, bundle.speech, n_threads=1) as trimmed,
    ):
        states, theirs = ours.encode(clip), other.encode(clip)
        np.testing.assert_allclose(states, theirs, atol=0.15)
        np.testing.assert_array_equal(states, ours.encode(np.pad(clip, (0, WINDOW - len(clip)))))
        assert np.abs(states - trimmed.encode(clip)).max() > 2 * np.abs(states - theirs).max()


@pytest.mark.parametrize(
    "change", [{"d": 32}, {"n_queries": 17}, {"n_mels": 128}], ids=["width", "queries", "mel bands"]
)
def test_a_manifest_of_another_model_is_refused(bundle: Bundle, change: dict[str, int]) -> None:
    spec = replace(bundle.speech, **change)  # type: ignore[arg-type]
    for look in (OnnxSpeech.open, look_at):
        with pytest.raises(
            BundleError, match=r"speech\.onnx does not fit this bundle.*convert the model again"
        ):
            look(bundle.onnx_file, spec)


@pytest.mark.parametrize("damage", ["no graph", "no weights", "half of the weights"])
def test_files_that_are_not_whole_are_one_line(tiny_bundle: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_bundle, folder)
    weights = folder / "speech.weights"
    if damage == "no graph":
        (folder / "speech.onnx").write_bytes(b"no graph")
    elif damage == "no weights":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    bundle = Bundle.load(folder)
    for look in (OnnxSpeech.open, look_at):
        with pytest.raises(BundleError, match=r"speech\.onnx cannot be opened") as caught:
            look(bundle.onnx_file, bundle.speech)
        assert "\n" not in str(caught.value)


def test_weights_that_give_no_numbers_are_an_error(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_bundle, folder)
    weights = folder / "speech.weights"
    weights.write_bytes(b"\xff" * weights.stat().st_size)  # every float32 is a NaN
    bundle = Bundle.load(folder)
    with (
        OnnxSpeech.open(bundle.onnx_file, bundle.speech) as engine,
        pytest.raises(EngineError, match="not finite"),
    ):
        engine.encode(noise(5000))


def test_a_cpu_hears_by_onnx_where_the_bundle_has_it(bundle: Bundle, speech: Path) -> None:
    with SpeechEmbedder.open(bundle, "cpu", n_threads=1) as embedder:
        assert (embedder.engine, embedder.device, embedder.window_seconds) == ("onnx", "cpu", 5.0)
        heard = embedder.embed(load_audio(speech))
    with SpeechEmbedder.open(bundle, "cpu", n_threads=1, engine="whisper.cpp") as embedder:
        assert embedder.engine == "whisper.cpp"
        np.testing.assert_allclose(embedder.embed(load_audio(speech)).embeddings, heard.embeddings, atol=0.15)


def test_a_bundle_without_it_is_heard_by_whisper_cpp(bundle: Bundle) -> None:
    files = tuple(file for file in bundle.files if file.name not in ("speech.onnx", "speech.weights"))
    older = replace(bundle, files=files)
    with SpeechEmbedder.open(older, "cpu", n_threads=1) as embedder:
        assert embedder.engine == "whisper.cpp"
    with pytest.raises(EngineError, match=r"no speech\.onnx; choose whisper\.cpp, or convert it again"):
        SpeechEmbedder.open(older, "cpu", engine="onnx")
