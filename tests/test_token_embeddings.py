"""Tokens fed as their embeddings are the tokens: llama.cpp computes the same from both."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.llm import LLM_TYPES, quantize, write_llm
from edge_llasm.errors import EngineError
from edge_llasm.gguf_file import read_gguf
from edge_llasm.llama import Llama
from edge_llasm.llama_setup import Setup
from edge_llasm.token_embeddings import TokenEmbeddings
from tests.tiny import tiny_parts

NANO = Path("models/nano/llm.gguf")  # wide enough for blocks of 256
PLAIN = ("f32", "f16", "bf16")
IDS = (1, 17, 399, 300, 42, 5, 8)


@pytest.fixture(scope="module", params=LLM_TYPES)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp(request.param) / "llm.gguf"
    if request.param in PLAIN:
        parts = tiny_parts(file.with_name("tokenizer.model"))
        write_llm(file, parts.llama_shape, parts.llama, parts.vocabulary, name="tiny", llm_type=request.param)
    else:
        quantize(NANO, file, request.param)
    return file


def test_every_type_of_weights_is_read_as_llama_cpp_reads_it(path: Path) -> None:
    table = TokenEmbeddings.open(path, read_gguf(path))
    assert table is not None
    llama = Llama.open(path, n_ctx=64, device="cpu", setup=Setup(n_threads=1))
    llama.feed_tokens(IDS, 0)
    expected = llama.logits().copy()
    llama.forget(0)
    llama.feed_embeddings(table.of(IDS), 0)
    np.testing.assert_array_equal(llama.logits(), expected)
    llama.close()


def test_tokens_around_embeddings_go_with_them_in_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    table = TokenEmbeddings.open(NANO, read_gguf(NANO))
    assert table is not None
    llama = Llama.open(NANO, n_ctx=64, device="cpu")
    sizes: list[int] = []
    decode = llama._decode
    monkeypatch.setattr(llama, "_decode", lambda batch, n, at: (sizes.append(n), decode(batch, n, at)))
    llama.feed_tokens(IDS, 0)
    expected = llama.logits().copy()
    llama.forget(0)
    assert llama.feed([IDS[:2], table.of(IDS[2:5]), IDS[5:]], 0) == len(IDS)
    assert sizes == [len(IDS), len(IDS)]
    np.testing.assert_array_equal(llama.logits(), expected)
    llama.close()


def test_what_embeds_otherwise_is_fed_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    header = read_gguf(NANO)
    table = TokenEmbeddings.open(NANO, header)
    assert table is not None
    assert TokenEmbeddings.open(NANO, replace(header, architecture="gemma")) is None
    monkeypatch.setattr(TokenEmbeddings, "open", lambda path, header: None)
    llama = Llama.open(NANO, n_ctx=64, device="cpu")
    llama.feed_tokens(IDS, 0)
    expected = llama.logits().copy()
    llama.forget(0)
    assert llama.feed([IDS[:2], table.of(IDS[2:5]), IDS[5:]], 0) == len(IDS)
    np.testing.assert_allclose(llama.logits(), expected, atol=1e-2)
    assert llama.logits().argmax() == expected.argmax()
    llama.close()


@pytest.mark.parametrize("token", [-1, 4003])
def test_a_token_outside_the_vocabulary_is_refused_beside_embeddings_too(token: int) -> None:
    llama = Llama.open(NANO, n_ctx=64, device="cpu")
    with pytest.raises(EngineError, match="token ids"):
        llama.feed([(1, token), np.zeros((2, llama.n_embd), np.float32)], 0)
    llama.close()
