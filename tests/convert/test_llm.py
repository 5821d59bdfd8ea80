from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.bundle import Parts
from convert.errors import ConvertError
from convert.llm import LLM_TYPES, LlamaShape, interleave_heads, write_llm
from convert.rope import Rope
from edge_llasm.gguf_file import read_gguf
from edge_llasm.llama import Llama
from tests.tiny import LLAMA, ONE_THREAD, llasm_config, tiny_parts


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return tiny_parts(tmp_path_factory.mktemp("llm") / "tokenizer.model")


def write(path: Path, parts: Parts, llm_type: str = "f16") -> Path:
    write_llm(path, parts.llama_shape, parts.llama, parts.vocabulary, name="tiny", llm_type=llm_type)
    return path


def logits(path: Path, ids: list[int]) -> np.ndarray:
    llama = Llama.open(path, n_ctx=64, device="cpu", setup=ONE_THREAD)
    llama.feed_tokens(ids, 0)
    result = llama.logits().copy()
    llama.close()
    return result


@pytest.mark.parametrize("llm_type", LLM_TYPES)
def test_every_type_loads_and_says_about_the_same(tmp_path: Path, parts: Parts, llm_type: str) -> None:
    ids = [1, 300, 310, 320]
    exact = logits(write(tmp_path / "f32.gguf", parts, "f32"), ids)
    ours = logits(write(tmp_path / "llm.gguf", parts, llm_type), ids)
    cosine = float(exact @ ours / np.linalg.norm(exact) / np.linalg.norm(ours))
    assert cosine > {"f32": 0.999999, "f16": 0.9999, "bf16": 0.999, "Q8_0": 0.999}.get(llm_type, 0.9)


def test_nothing_is_left_beside_a_quantized_file(tmp_path: Path, parts: Parts) -> None:
    write(tmp_path / "llm.gguf", parts, "Q4_K_M")
    assert [path.name for path in tmp_path.iterdir()] == ["llm.gguf"]


def test_the_runtime_reads_the_header(tmp_path: Path, parts: Parts) -> None:
    header = read_gguf(write(tmp_path / "llm.gguf", parts))
    assert (header.architecture, header.n_embd, header.n_vocab, header.n_ctx_train) == ("llama", 64, 400, 512)


def test_rows_of_a_head_become_neighbouring_pairs() -> None:
    rows = np.arange(8)[:, None]  # two heads of four
    assert interleave_heads(rows, 4)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_config_of_old_and_new_transformers_is_read(parts: Parts) -> None:
    config = llasm_config(parts)
    assert LlamaShape.from_config(config) == LLAMA
    new = config | {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}
    assert LlamaShape.from_config(new).rope == Rope(5e5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rope_scaling": {"type": "linear", "factor": 2}}, "linear.*known are default, llama3"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, "config.json"),
        ({"architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel.*LlaaaLlamaForCausalLM.*Qwen3ForCausalLM"),
        ({"architectures": None}, "known are"),
        ({"architectures": ["MistralForCausalLM"], "sliding_window": 4096}, "sliding window"),
        ({"architectures": ["Qwen2ForCausalLM"], "sliding_window": 9, "use_sliding_window": True}, "sliding"),
        ({"hidden_act": "gelu"}, "silu"),
        ({"attention_bias": True}, "biases"),
        ({"rms_norm_eps": None}, "config.json"),
    ],
)
def test_other_kinds_of_llama_are_refused(parts: Parts, change: dict[str, object], words: str) -> None:
    with pytest.raises(ConvertError, match=words):
        LlamaShape.from_config(llasm_config(parts) | change)


def test_a_missing_tensor_is_named(tmp_path: Path, parts: Parts) -> None:
    del (rest := dict(parts.llama))["model.layers.1.mlp.up_proj.weight"]
    with pytest.raises(ConvertError, match=r"model\.layers\.1\.mlp\.up_proj"):
        write(tmp_path / "llm.gguf", replace(parts, llama=rest))


def test_a_tensor_of_another_shape_is_refused(tmp_path: Path, parts: Parts) -> None:
    with pytest.raises(ConvertError, match=r"mlp\.gate_proj.*config\.json says"):
        write(tmp_path / "llm.gguf", replace(parts, llama_shape=replace(LLAMA, n_ffn=100)))


def test_an_unknown_type_lists_the_known_ones(tmp_path: Path, parts: Parts) -> None:
    with pytest.raises(ConvertError, match="Q4_K_M"):
        write(tmp_path / "llm.gguf", parts, "Q4")
