import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.bundle import Parts
from convert.checkpoint import Checkpoint, load_parts
from convert.errors import ConvertError
from convert.whisper import write_speech
from edge_llasm.whisper_file import read_whisper
from tests.tiny import WHISPER, tiny_parts, write_shards, write_tiny_checkpoint

pytestmark = pytest.mark.torch

SHARD = "pytorch_model-00002-of-00002.bin"
INDEX = "pytorch_model.bin.index.json"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    write_tiny_checkpoint(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy"


def load(folder: Path, **options: Any) -> Parts:
    return load_parts(folder / "llasm", folder / "whisper", **options)


def edit_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_everything_written_is_read_again(original: Path) -> None:
    expected = tiny_parts(original / "llasm/tokenizer.model", n_queries=64)
    parts = load(original)
    assert (parts.manifest, parts.vocabulary) == (expected.manifest, expected.vocabulary)
    assert (parts.llama_shape, parts.whisper_shape) == (expected.llama_shape, expected.whisper_shape)
    assert parts.n_queries == 64
    for ours, theirs in ((parts.llama, expected.llama), (parts.whisper, expected.whisper)):
        assert set(ours) == set(theirs)
        for name, data in theirs.items():
            np.testing.assert_array_equal(ours[name][:], data[:])


def test_a_single_file_needs_no_index(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    llasm = folder / "llasm"
    tensors = {name: torch.from_numpy(np.array(data[:])) for name, data in Checkpoint(llasm).items()}
    for path in llasm.glob("pytorch_model*"):
        path.unlink()
    torch.save(tensors, llasm / "pytorch_model.bin")
    assert set(load(folder).llama) == set(tensors)
    (llasm / "pytorch_model.bin").unlink()
    save_file({name: data.bfloat16() for name, data in tensors.items()}, llasm / "model.safetensors")
    head = load(folder).llama["lm_head.weight"][:]
    assert head.dtype == np.float32
    np.testing.assert_allclose(head, tensors["lm_head.weight"].numpy(), rtol=1e-2)


def test_a_whisper_folder_of_todays_transformers_is_read(folder: Path) -> None:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    tower = folder / "saved"
    config = json.loads((folder / "whisper/config.json").read_text())
    model = WhisperForConditionalGeneration(WhisperConfig(**config))
    model.save_pretrained(tower)
    parts = load_parts(folder / "llasm", tower)
    assert parts.whisper_shape == replace(WHISPER, n_text_ctx=64)
    write_speech(folder / "speech.bin", parts.whisper_shape, parts.whisper)
    assert read_whisper(folder / "speech.bin").n_text_ctx == 64


def test_released_checkpoints_need_no_table_of_ours(folder: Path) -> None:
    edit_json(folder / "llasm/config.json", edge_llasm=None)
    manifest = load(folder).manifest
    assert (manifest.name, manifest.template, manifest.system) == ("llasm", "llama2-llasm", None)
    assert (manifest.temperature, manifest.max_tokens, manifest.trim_window) == (0.2, 1024, False)


def test_options_go_before_the_config(original: Path) -> None:
    overrides = {"name": "other", "template": "vicuna-llasm", "licence": None}
    parts = load(original, overrides=overrides, whisper_licence="apache-2.0")
    manifest = parts.manifest
    assert (manifest.name, manifest.template, manifest.licence) == ("other", "vicuna-llasm", "MIT")
    assert parts.origins["whisper"].licence == "apache-2.0"


def test_the_released_baichuan_is_prompted_in_its_own_form(folder: Path) -> None:
    edit_json(folder / "llasm/config.json", edge_llasm=None)
    (folder / "llasm").rename(folder / "LLaSM-Baichuan")
    assert load_parts(folder / "LLaSM-Baichuan", folder / "whisper").manifest.template == "vicuna-llasm"


def test_of_a_long_context_no_more_is_kept_than_asked_for(folder: Path) -> None:
    assert load(folder).n_ctx == 512  # what the model was trained on
    edit_json(folder / "llasm/config.json", max_position_embeddings=131_072)
    assert load(folder).n_ctx == 8192
    assert load(folder, overrides={"context": 300}).n_ctx == 300


@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_that_runs_code_is_refused(folder: Path, zipped: bool) -> None:
    import torch

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(folder / "ran"),))

    path = folder / "llasm" / SHARD
    if zipped:
        torch.save({"lm_head.weight": Evil()}, path)
    else:
        path.write_bytes(pickle.dumps({"lm_head.weight": Evil()}))
    words = "is refused: it would run posix.mkdir" if zipped else ""
    with pytest.raises(ConvertError, match=f"{SHARD} {words}"):
        load(folder)
    assert not (folder / "ran").exists()
    if zipped:
        torch.load(path, weights_only=False)
    else:
        pickle.loads(path.read_bytes())
    assert (folder / "ran").exists()  # it was no dud


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_a_truncated_shard_is_refused(folder: Path, keep: int) -> None:
    path = folder / "llasm" / SHARD
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ConvertError, match=f"{SHARD}.*download it again"):
        load(folder)


def test_truncated_safetensors_are_refused(folder: Path) -> None:
    path = folder / "whisper/model.safetensors"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ConvertError, match=r"model\.safetensors"):
        load(folder)


def test_missing_shards_are_named(folder: Path) -> None:
    (folder / "llasm" / SHARD).unlink()
    with pytest.raises(ConvertError, match=f"lacks {SHARD}"):
        load(folder)


def test_an_index_that_points_elsewhere_is_refused(folder: Path) -> None:
    edit_json(folder / "llasm" / INDEX, weight_map={"lm_head.weight": f"../llasm/{SHARD}"})
    with pytest.raises(ConvertError, match="weight_map"):
        load(folder)


def test_an_index_that_promises_too_much_is_refused(folder: Path) -> None:
    path = folder / "llasm" / INDEX
    names = json.loads(path.read_text())["weight_map"]
    edit_json(path, weight_map=dict.fromkeys(names, SHARD))
    with pytest.raises(
        ConvertError, match=f"{SHARD} has no tensor model.embed_tokens.weight, though the index"
    ):
        load(folder)


def test_tensors_of_another_architecture_are_refused(folder: Path) -> None:
    path = folder / "llasm" / INDEX
    names = json.loads(path.read_text())["weight_map"]
    edit_json(path, weight_map=names | {"model.layers.0.self_attn.W_pack.weight": SHARD})
    with pytest.raises(ConvertError, match="W_pack"):
        load(folder)


def test_sharded_safetensors_are_read_and_checked(folder: Path) -> None:
    llasm = folder / "llasm"
    tensors = {name: np.array(data[:]) for name, data in Checkpoint(llasm).items()}
    for path in llasm.glob("pytorch_model*"):
        path.unlink()
    write_shards(llasm, tensors, 3, safetensors=True)
    for name, data in load(folder).llama.items():
        np.testing.assert_array_equal(data[:], tensors[name])
    shard = llasm / "model-00002-of-00003.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-4])
    with pytest.raises(ConvertError, match=f"{shard.name} is damaged"):
        load(folder)
    shard.write_bytes(whole)
    index = json.loads((llasm / "model.safetensors.index.json").read_text())["weight_map"]
    wrong = index | {"lm_head.weight": shard.name}
    edit_json(llasm / "model.safetensors.index.json", weight_map=wrong)
    with pytest.raises(ConvertError, match=f"{shard.name} has no tensor lm_head.weight"):
        load(folder)
    shard.unlink()
    with pytest.raises(ConvertError, match=f"lacks {shard.name}"):
        load(folder)


def test_a_tensor_is_read_by_rows(original: Path) -> None:
    head = Checkpoint(original / "llasm")["lm_head.weight"]
    assert head.shape == (400, 64)
    np.testing.assert_array_equal(np.concatenate([head[:100], head[100:]]), head[:])


def test_an_index_that_leaves_a_tensor_out_is_refused(folder: Path) -> None:
    path = folder / "llasm" / INDEX
    names = json.loads(path.read_text())["weight_map"]
    del names["model.layers.1.mlp.up_proj.weight"]
    edit_json(path, weight_map=names)
    with pytest.raises(ConvertError, match=r"no tensor model\.layers\.1\.mlp\.up_proj\.weight"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"intermediate_size": 100}, r"gate_proj\.weight is \(96, 64\), config\.json says \(100, 64\)"),
        ({"vocab_size": 401}, r"embed_tokens\.weight is \(400, 64\), config\.json says \(401, 64\)"),
        ({"architectures": ["BaichuanForCausalLM"]}, "BaichuanForCausalLM.*known are LlamaForCausalLM"),
    ],
)
def test_a_config_that_does_not_fit_the_tensors_is_refused(
    folder: Path, change: dict[str, object], words: str
) -> None:
    edit_json(folder / "llasm/config.json", **change)
    with pytest.raises(ConvertError, match=words):
        load(folder)


def test_a_vocabulary_larger_than_the_embedding_is_refused(folder: Path) -> None:
    edit_json(folder / "llasm/added_tokens.json", **{"<au_end>": 400})
    with pytest.raises(ConvertError, match="<au_end> at row 400, the embedding has 400 rows"):
        load(folder)


def test_an_adapter_for_another_llm_is_refused(folder: Path) -> None:
    import torch

    path = folder / "llasm" / SHARD
    state = torch.load(path, weights_only=True)
    state["model.mm_projector.weight"] = torch.zeros(128, 64)
    torch.save(state, path)
    with pytest.raises(ConvertError, match="width 128, this LLM has 64: it was trained for another one"):
        load(folder)


def test_unknown_keys_of_our_table_are_refused(folder: Path) -> None:
    edit_json(folder / "llasm/config.json", edge_llasm={"nmae": "nano"})
    with pytest.raises(ConvertError, match="nmae"):
        load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_broken_config_is_refused(folder: Path, text: str) -> None:
    (folder / "llasm/config.json").write_text(text)
    with pytest.raises(ConvertError, match=r"config\.json"):
        load(folder)


def test_folders_without_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="is it a checkpoint folder"):
        Checkpoint(tmp_path)
    with pytest.raises(ConvertError, match="cannot read"):
        load(tmp_path)
