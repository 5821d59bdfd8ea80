import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.errors import ConvertError
from convert.llm import write_llm
from convert.reference import load_tokenizer
from convert.special_tokens import SpecialTokens
from convert.tokenizer import load_vocabulary
from convert.vocabulary import CONTROL, UNUSED, USER_DEFINED, Vocabulary
from edge_llasm.llama import Llama
from tests.byte_level import FAMILIES, ByteLevel, write_byte_level
from tests.texts import TEXTS
from tests.tiny import LLAMA, ONE_THREAD, WHISPER, llama_tensors

pytestmark = pytest.mark.torch

Read = tuple[Path, Vocabulary, Llama]


@pytest.fixture(scope="module", params=FAMILIES)
def read(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    """A tokenizer's folder, its vocabulary, and llama.cpp with it."""
    folder = tmp_path_factory.mktemp("byte-level")
    vocabulary = load(folder, FAMILIES[request.param])
    shape = replace(LLAMA, n_vocab=len(vocabulary.texts))
    tensors = llama_tensors(np.random.default_rng(0), shape, WHISPER.d, vocabulary)
    write_llm(folder / "llm.gguf", shape, tensors, vocabulary, name="tiny")
    llama = Llama.open(folder / "llm.gguf", n_ctx=64, device="cpu", setup=ONE_THREAD)
    yield folder, vocabulary, llama
    llama.close()


def load(
    folder: Path, family: ByteLevel, change: Callable[[dict[str, Any]], None] | None = None
) -> Vocabulary:
    rows = write_byte_level(folder, family, change)
    return load_vocabulary(folder, rows + 3, SpecialTokens.read(folder))


def test_llama_cpp_gives_the_ids_of_hugging_face(read: Read) -> None:
    folder, _, llama = read
    reference = load_tokenizer(folder)
    for text in TEXTS:
        assert llama.tokenize(text) == reference(text), text


def test_pieces_spell_the_text_again(read: Read) -> None:
    _, vocabulary, llama = read
    for text in TEXTS:
        spelled = b"".join(llama.piece(token) for token in llama.tokenize(text)).decode()
        assert spelled == (unicodedata.normalize("NFC", text) if vocabulary.nfc else text)


def test_no_text_becomes_a_special_token(read: Read) -> None:
    _, vocabulary, llama = read
    special = {row for row, kind in enumerate(vocabulary.types) if kind in (CONTROL, UNUSED)}
    names = [vocabulary.texts[row].rstrip() for row in special]
    assert {"<au_start>", "<au_patch>", "<au_end>"} < set(names)
    for name in names:
        for text in (name, f"x{name} y", f"{name} "):
            assert not special & set(llama.tokenize(text))


def test_rows_of_the_embedding_without_token_are_unused(read: Read) -> None:
    _, vocabulary, llama = read
    assert vocabulary.types[-3:] == (UNUSED,) * 3
    assert vocabulary.types.count(USER_DEFINED) == 2
    assert llama.is_end(vocabulary.eos)


def test_without_bos_the_end_takes_its_place(tmp_path: Path) -> None:
    vocabulary = load(tmp_path, FAMILIES["qwen 2"])
    assert vocabulary.texts[vocabulary.bos] == "<|im_end|> "
    assert vocabulary.nfc


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file["pre_tokenizer"]["pretokenizers"].pop(0), "llama-bpe, smaug-bpe, qwen2"),
        (lambda file: file["model"].update(ignore_merges=True), "llama-bpe, smaug-bpe, qwen2"),
        (lambda file: file["model"].update(byte_fallback=True), r"tokenizer\.model"),
        (lambda file: file.update(normalizer={"type": "Lowercase"}), "NFC"),
        (lambda file: file["added_tokens"][-1].update(lstrip=True), "</think>"),
        (lambda file: file["added_tokens"][-1].update(id=100_000), "row 100000"),
        (lambda file: file["added_tokens"][-1].update(content="<think>"), "twice"),
        (lambda file: file["added_tokens"].pop(1), "no token <au_patch>"),
        (lambda file: file["model"]["vocab"].pop("!"), "1 of the 256 bytes"),
        (lambda file: file["model"].pop("merges"), "merges"),
    ],
)
def test_tokenizers_that_llama_cpp_would_read_differently_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    with pytest.raises(ConvertError, match=words):
        load(tmp_path, FAMILIES["qwen 2"], change)


def test_a_folder_without_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"neither tokenizer\.model nor tokenizer\.json"):
        load_vocabulary(tmp_path, 100, SpecialTokens())


def test_a_vocabulary_without_end_is_refused(tmp_path: Path) -> None:
    rows = write_byte_level(tmp_path, FAMILIES["qwen 2"])
    with pytest.raises(ConvertError, match="eos_token"):
        load_vocabulary(tmp_path, rows, SpecialTokens())
