from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from convert.errors import ConvertError
from convert.llm import write_llm
from convert.vocabulary import AU_END, BYTE, CONTROL, NORMAL, UNUSED, Vocabulary
from edge_llasm.llama import Llama
from tests.texts import TEXTS
from tests.tiny import ADDED, LLAMA, N_PIECES, ONE_THREAD, tiny_parts, write_vocabulary

Model = Any  # a SentencePiece ModelProto


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vocabulary") / "tokenizer.model"
    write_vocabulary(path)
    return path


@pytest.fixture
def changed(model_file: Path, tmp_path: Path) -> Callable[[Callable[[Model], None]], Path]:
    """Write the model with a change made to it."""

    def write(change: Callable[[Model], None]) -> Path:
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString(model_file.read_bytes())
        change(model)
        path = tmp_path / "tokenizer.model"
        path.write_bytes(model.SerializeToString())
        return path

    return write


@pytest.fixture(scope="module")
def llama(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    yield from open_llama(model_file, tmp_path_factory.mktemp("llm"))


def open_llama(model_file: Path, folder: Path) -> Iterator[Llama]:
    parts = tiny_parts(model_file)
    write_llm(folder / "llm.gguf", LLAMA, parts.llama, parts.vocabulary, name="tiny")
    llama = Llama.open(folder / "llm.gguf", n_ctx=64, device="cpu", setup=ONE_THREAD)
    yield llama
    llama.close()


@pytest.mark.parametrize("text", TEXTS)
def test_llama_cpp_gives_sentencepiece_ids(llama: Llama, model_file: Path, text: str) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_file=str(model_file))
    assert llama.tokenize(text) == reference.encode(text)


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_spell_the_text_again(llama: Llama, text: str) -> None:
    spelled = b"".join(llama.piece(token) for token in llama.tokenize(text)).decode()
    assert spelled == (f" {text}".replace("▁", " ") if text else "")


def test_no_text_becomes_a_special_token_even_where_pieces_would_merge_into_it(
    changed: Callable[[Callable[[Model], None]], Path], tmp_path: Path
) -> None:
    wanted = ["</", "s>", "<s", "<au", "<au_", "_end>", "end>", "nd>", "d>", "au", "_e"]

    def add_mergeable_pieces(model: Model) -> None:
        taken = {piece.piece for piece in model.pieces}
        new = [piece for piece in wanted if piece not in taken]
        last = [piece for piece in model.pieces if piece.type == NORMAL and len(piece.piece) > 2][-len(new) :]
        for piece, text in zip(last, new, strict=True):
            piece.piece = text

    path = changed(add_mergeable_pieces)
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    for llama in open_llama(path, tmp_path):
        for text in ("</s>", "x</s>y", "<s>", AU_END, "<unk>"):
            ids = llama.tokenize(text)
            assert ids == reference.encode(text)
            assert not {0, 1, 2, *ADDED.values()} & set(ids)


def test_rows_beyond_sentencepiece_are_the_added_tokens(model_file: Path) -> None:
    vocabulary = Vocabulary.load(model_file, ADDED, LLAMA.n_vocab + 5)
    assert (vocabulary.au_patch, vocabulary.au_start, vocabulary.au_end) == (397, 398, 399)
    assert vocabulary.types[N_PIECES:] == (CONTROL,) * 3 + (UNUSED,) * 5
    assert (vocabulary.unk, vocabulary.bos, vocabulary.eos) == (0, 1, 2)
    assert vocabulary.types.count(BYTE) == 256
    assert vocabulary.add_space_prefix


def test_audio_tokens_may_be_sentencepiece_pieces(
    changed: Callable[[Callable[[Model], None]], Path],
) -> None:
    def name_the_last_pieces(model: Model) -> None:
        for piece, name in zip(model.pieces[-3:], ADDED, strict=True):
            piece.piece, piece.type = name, 4  # user-defined

    vocabulary = Vocabulary.load(changed(name_the_last_pieces), {}, N_PIECES)
    assert vocabulary.au_end == N_PIECES - 1
    assert vocabulary.types[-3:] == (CONTROL,) * 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: setattr(model.trainer_spec, "model_type", 1), "BPE"),
        (lambda model: setattr(model.normalizer_spec, "precompiled_charsmap", b"x"), "normalizes"),
        (lambda model: setattr(model.normalizer_spec, "remove_extra_whitespaces", True), "extra spaces"),
        (lambda model: setattr(model.trainer_spec, "treat_whitespace_as_suffix", True), "spaces"),
        (lambda model: setattr(model.pieces[100], "type", NORMAL), "bytes"),
        (lambda model: setattr(model.pieces[-1], "type", 4), "user-defined"),
        (lambda model: setattr(model.pieces[-1], "piece", model.pieces[-2].piece), "twice"),
        (lambda model: model.ClearField("pieces"), "without pieces"),
    ],
)
def test_models_that_llama_cpp_would_read_differently_are_refused(
    changed: Callable[[Callable[[Model], None]], Path], change: Callable[[Model], None], words: str
) -> None:
    with pytest.raises(ConvertError, match=words):
        Vocabulary.load(changed(change), ADDED, LLAMA.n_vocab)


def test_missing_audio_tokens_are_named(model_file: Path) -> None:
    with pytest.raises(ConvertError, match="no token <au_start>"):
        Vocabulary.load(model_file, {}, LLAMA.n_vocab)


def test_added_tokens_beyond_the_embedding_are_named(model_file: Path) -> None:
    with pytest.raises(ConvertError, match="<au_end> at row 399, the embedding has 399 rows"):
        Vocabulary.load(model_file, ADDED, LLAMA.n_vocab - 1)


def test_more_pieces_than_rows_are_refused(model_file: Path) -> None:
    with pytest.raises(ConvertError, match="397 pieces"):
        Vocabulary.load(model_file, ADDED, 300)


def test_files_that_are_no_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="cannot read"):
        Vocabulary.load(tmp_path / "none.model", ADDED, 400)
    (tmp_path / "text.model").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ConvertError, match="SentencePiece"):
        Vocabulary.load(tmp_path / "text.model", ADDED, 400)
