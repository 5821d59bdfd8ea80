import hashlib
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from convert.bundle import Parts, write_bundle
from convert.errors import ConvertError
from convert.whisper import SpeechType
from edge_llasm.bundle import Bundle
from edge_llasm.errors import BundleError
from tests.tiny import tiny_parts


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return tiny_parts(tmp_path_factory.mktemp("parts") / "tokenizer.model")


@pytest.mark.parametrize(("speech_type", "llm_type"), [("f16", "f16"), ("q8_0", "Q4_K_M")])
def test_the_runtime_accepts_the_bundle(
    tmp_path: Path, parts: Parts, speech_type: SpeechType, llm_type: str
) -> None:
    write_bundle(parts, tmp_path / "tiny", speech_type=speech_type, llm_type=llm_type)
    bundle = Bundle.load(tmp_path / "tiny")
    bundle.verify()
    assert (bundle.name, bundle.template, bundle.system) == ("tiny", "llama2-llasm-paper", "")
    assert (bundle.speech.d, bundle.speech.n_queries, bundle.speech.window_seconds) == (64, 16, 5.0)
    assert (bundle.llm.n_embd, bundle.llm.n_vocab, bundle.llm.n_ctx) == (64, 400, 512)
    assert (bundle.tokens.bos, bundle.tokens.eos, bundle.tokens.au_patch) == (1, 2, 397)


def test_the_same_parts_give_the_same_bytes(tmp_path: Path, parts: Parts) -> None:
    for name in ("a", "b"):
        write_bundle(parts, tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_the_manifest_lists_each_file_with_its_checksum(tmp_path: Path, parts: Parts) -> None:
    write_bundle(parts, tmp_path / "tiny")
    files = tomllib.loads((tmp_path / "tiny/bundle.toml").read_text())["files"]
    assert sorted(files) == ["adapter.onnx", "llm.gguf", "speech.bin", "speech.onnx", "speech.weights"]
    for name, entry in files.items():
        data = (tmp_path / "tiny" / name).read_bytes()
        assert entry == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_the_second_engine_s_files_can_be_left_out(tmp_path: Path, parts: Parts) -> None:
    write_bundle(parts, tmp_path / "tiny", onnx_type=None)
    bundle = Bundle.load(tmp_path / "tiny")
    bundle.verify()
    assert sorted(file.name for file in bundle.files) == ["adapter.onnx", "llm.gguf", "speech.bin"]
    assert (bundle.has_onnx, bundle.speech.onnx) == (False, None)


def test_awkward_texts_survive_the_manifest(tmp_path: Path, parts: Parts) -> None:
    text = 'Say "你好"\\n:\t\x7f\u2028 é\n'
    manifest = replace(parts.manifest, transcribe=text, system=text)
    write_bundle(replace(parts, manifest=manifest), tmp_path / "tiny")
    bundle = Bundle.load(tmp_path / "tiny")
    assert bundle.transcribe == bundle.system == text


def test_without_a_system_text_the_template_keeps_its_own(tmp_path: Path, parts: Parts) -> None:
    write_bundle(replace(parts, manifest=replace(parts.manifest, system=None)), tmp_path / "tiny")
    assert Bundle.load(tmp_path / "tiny").system is None


@pytest.mark.parametrize("kind", ["file", "empty folder", "broken link"])
def test_nothing_is_overwritten(tmp_path: Path, parts: Parts, kind: str) -> None:
    target = tmp_path / "tiny"
    if kind == "file":
        target.write_text("mine")
    elif kind == "empty folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConvertError, match="exists already"):
        write_bundle(parts, target)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, parts: Parts) -> None:
    del (llama := dict(parts.llama))["lm_head.weight"]
    with pytest.raises(ConvertError, match=r"lm_head\.weight"):
        write_bundle(replace(parts, llama=llama), tmp_path / "tiny")
    assert not list(tmp_path.iterdir())


def test_what_the_runtime_would_refuse_is_not_written(tmp_path: Path, parts: Parts) -> None:
    manifest = replace(parts.manifest, template="chatml")
    with pytest.raises(BundleError, match="llama2-llasm"):
        write_bundle(replace(parts, manifest=manifest), tmp_path / "tiny")
    assert not list(tmp_path.iterdir())


def test_an_adapter_for_another_whisper_is_refused(tmp_path: Path, parts: Parts) -> None:
    name = "model.mm_projector.weight"
    llama = {**parts.llama, name: parts.llama[name][:, :32]}
    with pytest.raises(ConvertError, match="right Whisper"):
        write_bundle(replace(parts, llama=llama), tmp_path / "tiny")


def test_a_checkpoint_without_adapter_is_refused(tmp_path: Path, parts: Parts) -> None:
    del (llama := dict(parts.llama))["model.mm_projector.weight"]
    with pytest.raises(ConvertError, match="LLaSM checkpoint"):
        write_bundle(replace(parts, llama=llama), tmp_path / "tiny")


def test_more_queries_than_decoder_positions_are_refused(tmp_path: Path, parts: Parts) -> None:
    with pytest.raises(ConvertError, match="64 queries"):
        write_bundle(replace(parts, n_queries=64), tmp_path / "tiny")
