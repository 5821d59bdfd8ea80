from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from convert.bundle import write_bundle
from convert.checkpoint import load_parts
from convert.engines import Engines
from convert.parity import ClipParity, Difference, compare, faults, main
from convert.reference import Reference
from convert.whisper import SpeechType
from edge_llasm.bundle import Bundle
from tests.tiny import write_tiny_checkpoint

pytestmark = pytest.mark.torch

RATE = 16_000
SECONDS = (0.02, 0.9, 2.51, 5.0, 6.2)  # under whisper.cpp's shortest window, ..., beyond the model's 5 s


def babble(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Noise and gliding tones that come and go four times a second."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    tones = np.sum(
        [np.sin(2 * np.pi * f * time * (1 + 0.2 * time)) for f in rng.uniform(120, 3000, 6)], axis=0
    )
    envelope = np.clip(np.sin(2 * np.pi * 4 * time + seed), 0, 1)
    samples = (0.1 * tones + 0.02 * rng.standard_normal(len(time))) * envelope
    return np.asarray(samples, np.float32)


CLIPS = [(f"{seconds} s", babble(seconds, seed)) for seed, seconds in enumerate(SECONDS)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"), n_kv_heads=2)


@pytest.fixture(scope="module")
def reference(checkpoint: tuple[Path, Path]) -> Reference:
    import torch

    torch.set_num_threads(1)  # its threads and ggml's get into each other's way
    return Reference(*checkpoint)


def convert(
    checkpoint: tuple[Path, Path],
    target: Path,
    speech_type: SpeechType = "f16",
    llm_type: str = "f16",
    **overrides: object,
) -> Bundle:
    write_bundle(
        load_parts(*checkpoint, overrides=overrides), target, speech_type=speech_type, llm_type=llm_type
    )
    return Bundle.load(target)


def measure(bundle: Bundle, reference: Reference) -> list[ClipParity]:
    engines = Engines(bundle)
    results = list(compare(engines, reference, CLIPS))
    engines.close()
    return results


@pytest.mark.parametrize("trim_window", [True, False])
def test_f16_parts_give_the_reference_features_and_tokens(
    tmp_path: Path, checkpoint: tuple[Path, Path], reference: Reference, trim_window: bool
) -> None:
    results = measure(convert(checkpoint, tmp_path / "tiny", trim_window=trim_window), reference)
    assert len(results) == len(CLIPS)
    for result in results:
        assert not faults(result, exact=True)
        assert result.features.cosine >= 0.9995
        assert result.features.max_abs <= 2e-2
        assert result.embeddings.max_abs <= 2e-2
        assert result.logits.max_abs <= 0.1
        assert result.same_tokens == result.n_tokens == 64


@pytest.mark.parametrize("template", ["llama2-llasm", "vicuna-llasm"])
def test_the_released_prompts_are_tokenized_alike(
    tmp_path: Path, checkpoint: tuple[Path, Path], reference: Reference, template: str
) -> None:
    bundle = convert(checkpoint, tmp_path / "tiny", template=template, system=None)
    for result in measure(bundle, reference):
        assert not faults(result, exact=True)


def test_quantized_parts_stay_near(
    tmp_path: Path, checkpoint: tuple[Path, Path], reference: Reference
) -> None:
    for result in measure(convert(checkpoint, tmp_path / "tiny", "q8_0", "Q8_0"), reference):
        assert not faults(result, exact=False)
        assert result.features.cosine >= 0.99


def test_clips_are_told_apart(checkpoint: tuple[Path, Path], reference: Reference) -> None:
    first, second = (reference.features(clip, 45) for _, clip in (CLIPS[1], ("", babble(0.9, seed=7))))
    assert Difference.of(first, second).max_abs > 0.2


def test_a_wrong_adapter_is_a_fault(
    tmp_path: Path, checkpoint: tuple[Path, Path], reference: Reference
) -> None:
    parts = load_parts(*checkpoint)
    name = "model.mm_projector.weight"
    write_bundle(replace(parts, llama={**parts.llama, name: -parts.llama[name][:]}), tmp_path / "tiny")
    for result in measure(Bundle.load(tmp_path / "tiny"), reference):
        assert "embeddings cosine below 0.9995" in faults(result, exact=True)


def test_a_token_that_differs_is_a_fault_only_of_exact_parts() -> None:
    good = Difference(0.0, 0.0, 1.0)
    result = ClipParity("a", good, good, good, same_tokens=3, n_tokens=64, lead=0.25)
    assert faults(result, exact=True) == ["token 4 differs, by 0.25 in the reference's logits"]
    assert not faults(result, exact=False)


def test_not_a_number_is_a_fault() -> None:
    bad = Difference(0.0, 0.0, float("nan"))
    assert len(faults(ClipParity("a", bad, bad, bad, 64, 64), exact=True)) == 3


def test_the_command_prints_a_table(
    tmp_path: Path, checkpoint: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    convert(checkpoint, tmp_path / "tiny")
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips/question.wav", CLIPS[1][1], RATE)
    places = ["--reference", str(checkpoint[0]), "--whisper", str(checkpoint[1])]
    arguments = [str(tmp_path / "tiny"), *places, "--tokens", "8", "--clips"]
    assert main([*arguments, str(tmp_path / "clips")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("question.wav")
    assert lines[3].endswith("8/8  ok")
    assert main([*arguments, str(tmp_path)]) == 1
    assert "has no recordings" in capsys.readouterr().err
