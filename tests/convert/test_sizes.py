from collections import namedtuple
from pathlib import Path

import pytest

from convert.bundle import Parts, write_bundle
from convert.llm import LLM_TYPES
from convert.sizes import (
    LLM_BITS,
    SPEECH_BITS,
    adapter_bytes,
    float32_bytes,
    graph_bytes,
    llm_bytes,
    speech_bytes,
)
from convert.speech_weights import weights_bytes
from convert.whisper import SPEECH_TYPES, SpeechType
from edge_llasm.errors import NoRoom
from tests.tiny import tiny_parts

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return tiny_parts(tmp_path_factory.mktemp("parts") / "tokenizer.model")


@pytest.mark.parametrize(("speech_type", "llm_type"), [("f16", "f32"), ("q8_0", "Q8_0"), ("f16", "f16")])
def test_the_sizes_are_foretold(tmp_path: Path, parts: Parts, speech_type: SpeechType, llm_type: str) -> None:
    write_bundle(parts, tmp_path / "tiny", speech_type=speech_type, llm_type=llm_type)
    foretold = {
        "speech.bin": speech_bytes(parts.whisper_shape, speech_type),
        "speech.onnx": graph_bytes(parts.whisper_shape, parts.n_queries, "int8"),
        "speech.weights": weights_bytes(parts.whisper_shape, parts.n_queries, "int8"),
        "adapter.onnx": adapter_bytes(parts.llama_shape.n_embd, parts.whisper_shape.d),
        "llm.gguf": llm_bytes(parts.llama_shape, parts.vocabulary, llm_type),
    }
    for name, size in foretold.items():
        # The mel filters and the header, 70 kB, are no matter but here.
        assert (tmp_path / "tiny" / name).stat().st_size == pytest.approx(size, rel=0.1, abs=80_000), name


def test_every_type_has_its_bits() -> None:
    assert set(LLM_TYPES) <= set(LLM_BITS)
    assert set(SPEECH_TYPES) <= set(SPEECH_BITS)


def test_float32_is_four_bytes_a_weight(parts: Parts) -> None:
    weights = [data.size for name, data in parts.llama.items() if "mm_projector" not in name]
    weights += [data.size for name, data in parts.whisper.items() if "embed_tokens" not in name]
    assert float32_bytes(parts.whisper_shape, parts.llama_shape) == 4 * sum(weights)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(
    tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_llasm.room.shutil.disk_usage", lambda folder: Usage(10**9, 10**9 - 5000, 5000))
    with pytest.raises(NoRoom, match=r"needs \d\.\d MB, there are 5\.0 kB free"):
        write_bundle(parts, tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []
