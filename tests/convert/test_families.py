"""Every architecture, with random weights, against transformers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.family import FAMILIES
from convert.llm import LlamaShape, write_llm
from convert.reference import load_llama
from convert.rope import Llama3Scaling
from convert.vocabulary import Vocabulary
from edge_llasm.llama import Llama
from tests.tiny import ADDED, LLAMA, ONE_THREAD, WHISPER, llama_tensors, write_vocabulary

pytestmark = pytest.mark.torch

PROMPT = 80
"""tokens, beyond the context before Llama 3's stretching"""
ANSWER = 32

BASE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": LLAMA.n_vocab,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama 2": {"architectures": ["LlamaForCausalLM"]},
    "llasm": {"architectures": ["LlaaaLlamaForCausalLM"], "num_key_value_heads": None},
    "llama 3": {"architectures": ["LlamaForCausalLM"], "rope_theta": 5e5, "rope_scaling": LLAMA3_ROPE},
    "llama 3.2": {
        "architectures": ["LlamaForCausalLM"],
        "rope_parameters": LLAMA3_ROPE | {"rope_theta": 5e5, "factor": 32.0},
        "tie_word_embeddings": True,
    },
    "mistral": {"architectures": ["MistralForCausalLM"], "head_dim": 32, "sliding_window": None},
    "qwen 2": {"architectures": ["Qwen2ForCausalLM"], "sliding_window": 99, "use_sliding_window": False},
    "qwen 2, tied": {"architectures": ["Qwen2ForCausalLM"], "rope_theta": 1e6, "tie_word_embeddings": True},
    "qwen 3": {"architectures": ["Qwen3ForCausalLM"], "rope_theta": 1e6, "head_dim": 32, "attention_bias": False},
}  # fmt: skip


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path = tmp_path_factory.mktemp("vocabulary") / "tokenizer.model"
    write_vocabulary(path)
    return Vocabulary.load(path, ADDED, LLAMA.n_vocab)


@pytest.mark.parametrize("name", CONFIGS)
def test_llama_cpp_answers_as_transformers_does(tmp_path: Path, vocabulary: Vocabulary, name: str) -> None:
    import torch

    config = BASE | CONFIGS[name]
    shape = LlamaShape.from_config(config)
    rng = np.random.default_rng(0)
    tensors = llama_tensors(rng, shape, WHISPER.d, vocabulary)
    write_llm(tmp_path / "llm.gguf", shape, tensors, vocabulary, name=name)

    torch.set_num_threads(1)  # its threads and ggml's get into each other's way
    reference = load_llama(config, tensors)
    assert type(reference).__name__ == {"llasm": "LlamaForCausalLM"}.get(name, config["architectures"][0])
    ids = rng.integers(3, shape.n_vocab, PROMPT).tolist()
    llama = Llama.open(tmp_path / "llm.gguf", n_ctx=128, device="cpu", setup=ONE_THREAD)
    llama.feed_tokens(ids, 0)
    for _ in range(ANSWER):
        with torch.no_grad():
            theirs = reference(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].numpy()
        ours = llama.logits()
        assert ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) >= 0.9995
        assert ours.argmax() == theirs.argmax()
        ids.append(int(theirs.argmax()))
        llama.feed_tokens(ids[-1:], len(ids) - 1)
    llama.close()


def test_every_architecture_is_tried() -> None:
    tried = {config["architectures"][0] for config in CONFIGS.values()}
    assert {FAMILIES[name] for name in tried} == set(FAMILIES.values())


def test_llama_3_factors_are_those_of_transformers() -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = LLAMA3_ROPE | {"original_max_position_embeddings": 8192, "rope_theta": 5e5}
    config = LlamaConfig(hidden_size=512, num_attention_heads=4, rope_parameters=rope)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = 5e5 ** -(np.arange(0, 128, 2) / 128)
    factors = Llama3Scaling(8.0, 1.0, 4.0, 8192).factors(128, 5e5)
    np.testing.assert_allclose(plain / factors, scaled.numpy(), rtol=1e-5)
    assert factors[0] == 1.0
    assert factors[-1] == 8.0
