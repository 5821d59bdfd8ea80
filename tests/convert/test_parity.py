from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from convert.bundle import write_bundle
from convert.checkpoint import load_parts
from convert.compare import Bounds, Expected, bounds, compare, difference, expect, faults, worst
from convert.engines import Engines
from convert.errors import ConvertError
from convert.parity import find_whisper, main
from convert.reference import Reference
from convert.speech_weights import OnnxType
from convert.whisper import SpeechType
from edge_llasm.bundle import Bundle
from edge_llasm.parity import Difference, Parity
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


CLIPS = [babble(seconds, seed) for seed, seconds in enumerate(SECONDS)]


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
    onnx_type: OnnxType | None = "f32",
    **overrides: object,
) -> Bundle:
    parts = load_parts(*checkpoint, overrides=overrides)
    write_bundle(parts, target, speech_type=speech_type, onnx_type=onnx_type, llm_type=llm_type)
    return Bundle.load(target)


def measure(bundle: Bundle, expected: Expected) -> Parity:
    engines = Engines(bundle)
    parity = compare(engines, expected)
    engines.close()
    return parity


@pytest.mark.parametrize("trim_window", [True, False])
def test_f16_parts_give_the_reference_features_and_tokens(
    tmp_path: Path, checkpoint: tuple[Path, Path], reference: Reference, trim_window: bool
) -> None:
    bundle = convert(checkpoint, tmp_path / "tiny", trim_window=trim_window)
    parity = measure(bundle, expect(reference, bundle, CLIPS))
    assert parity.faults == ()
    assert parity.mel.max_abs <= 1e-3
    assert parity.features.cosine >= 0.9995
    assert parity.features.max_abs <= 2e-2
    assert parity.embeddings.max_abs <= 2e-2
    assert parity.logits.max_abs <= 0.1
    assert parity.positions == 64 * len(CLIPS)
    assert (parity.agreement, parity.first_difference) == (1.0, 0)
    assert parity.perplexity == pytest.approx(parity.reference_perplexity, rel=1e-2)
    assert parity.onnx is not None
    assert parity.onnx.features.max_abs <= 1e-3
    assert parity.onnx.features.cosine >= 0.999999
    assert (parity.onnx.agreement, parity.onnx.first_difference) == (1.0, 0)


@pytest.mark.parametrize("template", ["llama2-llasm", "vicuna-llasm"])
def test_the_released_prompts_are_tokenized_alike(
    tmp_path: Path, checkpoint: tuple[Path, Path], reference: Reference, template: str
) -> None:
    bundle = convert(checkpoint, tmp_path / "tiny", template=template, system=None)
    assert measure(bundle, expect(reference, bundle, CLIPS[1:3])).faults == ()


@pytest.mark.parametrize("onnx_type", ["int8", "q8_0"])
def test_eight_bits_keep_99_of_100_tokens(tmp_path: Path, onnx_type: OnnxType) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "checkpoint", n_kv_heads=2, margin=20.0)
    bundle = convert(checkpoint, tmp_path / "tiny", "q8_0", "Q8_0", onnx_type=onnx_type)
    parity = measure(bundle, expect(Reference(*checkpoint), bundle, CLIPS))
    assert parity.faults == ()
    assert parity.onnx is not None
    for heard in (parity, parity.onnx):
        assert heard.agreement >= 0.99
        assert heard.features.cosine >= 0.99


def test_eight_bits_tip_the_tokens_that_all_but_tie(
    tmp_path: Path, checkpoint: tuple[Path, Path], reference: Reference
) -> None:
    bundle = convert(checkpoint, tmp_path / "tiny", "q8_0", "Q8_0")
    parity = measure(bundle, expect(reference, bundle, CLIPS))
    assert 0.95 <= parity.agreement < 1.0
    assert parity.first_difference > 0


def test_four_bits_are_measured_but_not_judged(
    tmp_path: Path, checkpoint: tuple[Path, Path], reference: Reference
) -> None:
    bundle = convert(checkpoint, tmp_path / "tiny", "q8_0", "Q4_0")
    parity = measure(bundle, expect(reference, bundle, CLIPS[1:2]))
    assert parity.faults == ()
    assert parity.agreement < 1.0
    assert parity.first_difference > 0


def test_clips_are_told_apart(reference: Reference) -> None:
    first, second = (reference.features(clip, 45) for clip in (CLIPS[1], babble(0.9, seed=7)))
    assert difference(first, second).max_abs > 0.2


def test_a_wrong_adapter_is_a_fault_and_the_bundle_is_marked(
    tmp_path: Path, checkpoint: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    parts = load_parts(*checkpoint)
    name = "model.mm_projector.weight"
    wrong = {**parts.llama, name: -parts.llama[name][:]}
    write_bundle(replace(parts, llama=wrong), tmp_path / "tiny")
    places = ["--reference", str(checkpoint[0]), "--whisper", str(checkpoint[1])]
    assert main([str(tmp_path / "tiny"), *places, "--tokens", "8"]) == 1
    table = capsys.readouterr().out.rstrip()
    bundle = Bundle.load(tmp_path / "tiny")
    assert bundle.parity is not None
    assert "greedy tokens agree, 100% are asked" in bundle.parity.faults[0]
    assert table == "\n".join(bundle.parity.lines())
    bundle.verify()


def test_the_bounds_go_by_the_types() -> None:
    exact = Bounds(features_max_abs=2e-2, features_cosine=0.9995)
    assert bounds("f16", "plain") == replace(exact, agreement=1.0)
    assert bounds("f16", "Q8_0") == bounds("f32", "plain") == replace(exact, agreement=0.99)
    assert bounds("f16", "other") == exact
    assert bounds("q8_0", "plain") == bounds("q8_0", "Q8_0") == Bounds(agreement=0.99)
    assert bounds("int8", "plain") == bounds("int8", "Q8_0") == Bounds(agreement=0.99)
    assert bounds("other", "plain") == bounds("int8", "other") == Bounds()


def test_the_types_are_the_files_own(tmp_path: Path, checkpoint: tuple[Path, Path]) -> None:
    engines = Engines(convert(checkpoint, tmp_path / "tiny", "q8_0", "Q8_0", onnx_type="int8"))
    assert (engines.speech_type("whisper.cpp"), engines.speech_type("onnx")) == ("q8_0", "int8")
    assert engines.llm_type == "Q8_0"
    engines.close()


def test_faults_are_named() -> None:
    least = Bounds(features_max_abs=2e-2, features_cosine=0.9995, agreement=1.0)
    assert faults(least, Difference(0.02, 0.0, 0.9995), 1.0) == []
    assert faults(least, Difference(0.05, 0.0, 0.99), 0.5) == [
        "features differ by 0.05, allowed is 0.02",
        "features cosine 0.9900, at least 0.9995 is asked",
        "50.0% of the greedy tokens agree, 100% are asked",
    ]
    assert faults(Bounds(), Difference(9.0, 9.0, 0.0), 0.0) == []


def test_not_a_number_is_a_fault() -> None:
    nothing = float("nan")
    bad = worst([Difference(0.0, 0.0, 1.0), Difference(nothing, nothing, nothing)])
    assert len(faults(Bounds(2e-2, 0.9995, 1.0), bad, nothing)) == 3


def test_the_whisper_beside_the_checkpoint_is_found(tmp_path: Path, checkpoint: tuple[Path, Path]) -> None:
    with pytest.raises(ConvertError, match=r"tiny, is not beside it: add --whisper"):
        find_whisper(checkpoint[0])
    (tmp_path / "llasm").mkdir()
    (tmp_path / "llasm/config.json").write_text('{"mm_audio_tower": "openai/whisper-large-v2"}')
    (tmp_path / "whisper-large-v2").mkdir()
    assert find_whisper(tmp_path / "llasm") == tmp_path / "whisper-large-v2"


def test_the_command_prints_the_table_and_notes_it(
    tmp_path: Path, checkpoint: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    convert(checkpoint, tmp_path / "tiny")
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips/question.wav", CLIPS[1], RATE)
    places = ["--reference", str(checkpoint[0]), "--whisper", str(checkpoint[1])]
    arguments = [str(tmp_path / "tiny"), *places, "--tokens", "8", "--clips"]
    assert main([*arguments, str(tmp_path / "clips")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "8 of 8 agree (100.0%); same texts" in lines[5]
    assert lines[-1].split() == ["bounds", "kept"]
    assert main([*arguments, str(tmp_path)]) == 1
    assert "has no recordings" in capsys.readouterr().err


def test_of_a_model_of_the_full_window_the_command_tells_what_trimming_changes(
    tmp_path: Path, checkpoint: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    convert(checkpoint, tmp_path / "tiny", trim_window=False)
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips/question.wav", CLIPS[1], RATE)
    places = ["--reference", str(checkpoint[0]), "--whisper", str(checkpoint[1])]
    assert main([str(tmp_path / "tiny"), *places, "--tokens", "4", "--clips", str(tmp_path / "clips")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4] == "a window as long as the clip (--trim-window), against the full one:"
    assert [line.split()[:2] for line in lines[-3:]] == [["1", "s"], ["2", "s"], ["4", "s"]]
    parity = Bundle.load(tmp_path / "tiny").parity
    assert parity is not None
    assert [row.seconds for row in parity.trimmed] == [1.0, 2.0, 4.0]
    assert {row.positions for row in parity.trimmed} == {3 * 4}


def test_a_context_without_room_for_an_answer_is_one_line(
    tmp_path: Path, checkpoint: tuple[Path, Path], reference: Reference
) -> None:
    bundle = convert(checkpoint, tmp_path / "tiny")
    small = replace(bundle, llm=replace(bundle.llm, n_ctx=70))
    with pytest.raises(ConvertError, match=r"the prompt alone takes \d+ of 70 tokens"):
        expect(reference, small, CLIPS[:1])


def test_at_least_one_token_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bundle", "--reference", "checkpoint", "--tokens", "0"])
    assert "must be at least 1" in capsys.readouterr().err
