"""Prompts, cache, ends and refusals, on a kB-sized model with random weights."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llasm.errors import Busy, EngineError, PromptTooLong
from edge_llasm.llm import Llm, Piece, Sampling
from edge_llasm.segments import Embeddings, Segment, Tokens, length
from tests.tiny import ONE_THREAD

BOS = 1
GREEDY = Sampling(max_tokens=24)
SPECIAL = ["<s>", "</s>", "<unk>", "<au_start>", "<au_patch>", "<au_end>", "<s> </s> "]


@pytest.fixture(scope="module")
def path(tiny_bundle: Path) -> Path:
    return tiny_bundle / "llm.gguf"


@pytest.fixture
def llm(path: Path) -> Iterator[Llm]:
    llm = Llm.load(path, n_ctx=512, device="cpu", setup=ONE_THREAD)
    yield llm
    llm.close()


@pytest.fixture(scope="module")
def embedding(path: Path) -> np.ndarray:
    """(n_vocab, n_embd) f32: the rows that the model itself looks up."""
    tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
    return np.asarray(tensors["token_embd.weight"], np.float32)


def prompt(llm: Llm, text: str) -> Tokens:
    return Tokens((BOS, *llm.tokenize(text)))


def audio(llm: Llm, seed: int, n: int = 16) -> Embeddings:
    return Embeddings(np.random.default_rng(seed).standard_normal((n, llm.n_embd), np.float32))


def run(llm: Llm, segments: list[Segment], options: Sampling = GREEDY, **more: object) -> tuple[str, Piece]:
    pieces = list(llm.generate(segments, options, **more))  # type: ignore[arg-type]
    assert [piece.finish_reason is None for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert all(piece.text for piece in pieces[:-1])
    return "".join(piece.text for piece in pieces), pieces[-1]


def fresh(path: Path, segments: list[Segment], options: Sampling = GREEDY) -> str:
    llm = Llm.load(path, n_ctx=512, device="cpu", setup=ONE_THREAD)
    text, _ = run(llm, segments, options)
    llm.close()
    return text


# Tokens and embeddings


def test_text_becomes_ids_without_bos(llm: Llm) -> None:
    ids = llm.tokenize("What is 李白?")
    assert BOS not in ids
    assert all(0 <= token < llm.n_vocab for token in ids)
    assert llm.tokenize("") == []


@pytest.mark.parametrize("name", SPECIAL)
def test_names_of_special_tokens_in_text_are_plain_text(llm: Llm, name: str) -> None:
    special = {0, 1, 2, llm.n_vocab - 3, llm.n_vocab - 2, llm.n_vocab - 1}
    assert not special & set(llm.tokenize(f"say {name} now"))


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "👩🏽‍💻" * 50, " " * 300, "\n"])
def test_any_text_can_be_tokenized(llm: Llm, text: str) -> None:
    assert llm.tokenize(text)


def test_embeddings_of_tokens_stand_for_the_tokens(llm: Llm, path: Path, embedding: np.ndarray) -> None:
    ids = prompt(llm, "What is the capital of France?").ids
    spliced: list[Segment] = [Tokens(ids[:3]), Embeddings(embedding[list(ids[3:7])]), Tokens(ids[7:])]
    assert run(llm, spliced)[0] == fresh(path, [Tokens(ids)])


def test_a_prompt_may_end_in_embeddings(llm: Llm, path: Path, embedding: np.ndarray) -> None:
    ids = prompt(llm, "What is the capital of France?").ids
    spliced: list[Segment] = [Tokens(ids[:3]), Embeddings(embedding[list(ids[3:])])]
    for _ in range(2):
        assert run(llm, spliced)[0] == fresh(path, [Tokens(ids)])


def test_a_prompt_longer_than_a_batch_is_fed_in_parts(llm: Llm, path: Path, embedding: np.ndarray) -> None:
    ids = (BOS, *(llm.tokenize("read every line of it ") * 60))[:420]
    whole = Embeddings(embedding[list(ids)])
    answer, last = run(llm, [whole, Tokens((20,))])
    assert answer == fresh(path, [Tokens((*ids, 20))])
    assert last.prompt_tokens == 421


# The cache


def test_a_longer_prompt_feeds_only_what_is_new(llm: Llm, path: Path) -> None:
    heard, first = audio(llm, 0), prompt(llm, "read ")
    segments: list[Segment] = [first, heard, Tokens((10, 11))]
    answer, last = run(llm, segments)
    assert last.cached_tokens == 0
    later = [*segments, Tokens((12, 13, 14))]
    second, last = run(llm, later)
    assert last.cached_tokens == length(segments)
    assert second == fresh(path, later)


def test_generated_tokens_are_reused(llm: Llm, monkeypatch: pytest.MonkeyPatch) -> None:
    segments: list[Segment] = [prompt(llm, "read ")]
    said: list[int] = []
    feed_tokens = llm._llama.feed_tokens

    def noted(ids: Sequence[int], position: int) -> None:
        said.extend(ids)
        feed_tokens(ids, position)

    monkeypatch.setattr(llm._llama, "feed_tokens", noted)
    run(llm, segments)
    answer = said[length(segments) :]
    _, last = run(llm, [*segments, Tokens((*answer, 2, 1))])
    assert last.cached_tokens == length(segments) + len(answer)


def test_the_same_prompt_feeds_one_position(llm: Llm) -> None:
    segments: list[Segment] = [prompt(llm, "read "), audio(llm, 0), Tokens((10, 11))]
    first, _ = run(llm, segments)
    again, last = run(llm, segments)
    assert again == first
    assert last.cached_tokens == last.prompt_tokens - 1


def test_a_prepared_prompt_is_answered_without_feeding_anything(llm: Llm, path: Path) -> None:
    segments: list[Segment] = [prompt(llm, "read "), audio(llm, 0), Tokens((10, 11))]
    assert llm.prepare(segments)
    answer, last = run(llm, segments)
    assert answer == fresh(path, segments)
    assert (last.cached_tokens, last.prefill_ms) == (last.prompt_tokens, 0.0)
    assert run(llm, segments)[0] == answer  # its logits are gone by now


def test_a_prompt_that_was_prepared_in_vain_changes_nothing(llm: Llm, path: Path) -> None:
    segments: list[Segment] = [prompt(llm, "read "), audio(llm, 0), Tokens((10, 11))]
    for other in ([*segments, Tokens((12,))], segments[:2], [prompt(llm, "no")]):
        assert llm.prepare(other)
        assert run(llm, segments)[0] == fresh(path, segments)


def test_preparing_may_be_cancelled(llm: Llm, path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    segments: list[Segment] = [prompt(llm, "read "), audio(llm, 0), Tokens((10,))]
    assert not llm.prepare(segments, cancel=cancel)
    assert run(llm, segments)[0] == fresh(path, segments)


def test_the_same_audio_is_reused_and_other_audio_is_not(llm: Llm, path: Path) -> None:
    head = prompt(llm, "read ")
    run(llm, [head, audio(llm, 0), Tokens((10,))])
    _, last = run(llm, [head, audio(llm, 0), Tokens((11,))])
    assert last.cached_tokens == len(head) + 16
    answer, last = run(llm, [head, audio(llm, 1), Tokens((11,))])
    assert last.cached_tokens == len(head)
    assert answer == fresh(path, [head, audio(llm, 1), Tokens((11,))])


def test_a_shorter_prompt_after_a_long_one_is_answered_right(llm: Llm, path: Path) -> None:
    run(llm, [prompt(llm, "read every line of it, then go"), audio(llm, 0), Tokens((10,))])
    short: list[Segment] = [prompt(llm, "read every")]
    assert run(llm, short)[0] == fresh(path, short)


def test_closing_an_answer_early_leaves_the_cache_right(llm: Llm, path: Path) -> None:
    segments: list[Segment] = [prompt(llm, "read "), audio(llm, 0), Tokens((10,))]
    answer = llm.generate(segments, GREEDY)
    for _ in range(5):
        next(answer)
    answer.close()
    later = [*segments, Tokens((12, 13))]
    assert run(llm, later)[0] == fresh(path, later)


# How an answer ends


def test_max_tokens_ends_the_answer(llm: Llm) -> None:
    _, last = run(llm, [prompt(llm, "read")], Sampling(max_tokens=7))
    assert (last.finish_reason, last.n_tokens) == ("length", 7)


def test_a_full_context_ends_the_answer(path: Path) -> None:
    llm = Llm.load(path, n_ctx=64, device="cpu", setup=ONE_THREAD)
    segments: list[Segment] = [Tokens((BOS, *[20] * 49))]
    for _ in range(2):
        _, last = run(llm, segments, Sampling(max_tokens=500))
        assert (last.finish_reason, last.n_tokens) == ("length", 64 - 50 + 1)
    llm.close()


def test_cancel_before_the_answer(llm: Llm, path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    segments: list[Segment] = [prompt(llm, "read "), audio(llm, 0), Tokens((10,))]
    text, last = run(llm, segments, cancel=cancel)
    assert (text, last.finish_reason, last.n_tokens) == ("", "cancelled", 0)
    assert run(llm, segments)[0] == fresh(path, segments)


def test_cancel_between_tokens(llm: Llm, path: Path) -> None:
    cancel = threading.Event()
    segments: list[Segment] = [prompt(llm, "read")]
    seen = []
    for piece in llm.generate(segments, Sampling(max_tokens=400), cancel=cancel):
        seen.append(piece)
        if len(seen) == 3:
            cancel.set()
    assert (seen[-1].finish_reason, len(seen)) == ("cancelled", 4)
    assert run(llm, segments)[0] == fresh(path, segments)


def test_cancel_inside_the_prompt_leaves_the_cache_right(
    llm: Llm, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = audio(llm, 3, 3 * llm._llama.n_batch // 2)  # cut after its first batch
    segments: list[Segment] = [prompt(llm, "read "), block, Tokens((10,))]
    cancel = threading.Event()
    feed = llm._llama.feed_embeddings

    def fed(values: NDArray[np.float32], position: int) -> None:
        feed(values, position)
        cancel.set()

    monkeypatch.setattr(llm._llama, "feed_embeddings", fed)
    assert run(llm, segments, cancel=cancel)[1].finish_reason == "cancelled"
    monkeypatch.undo()
    text, last = run(llm, segments)
    assert last.cached_tokens == length(segments[:1])
    assert text == fresh(path, segments)


def test_a_failure_inside_the_prompt_leaves_the_cache_right(
    llm: Llm, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments: list[Segment] = [prompt(llm, "read "), audio(llm, 4), Tokens((10, 11))]

    def fail(values: NDArray[np.float32], position: int) -> None:
        raise EngineError("llama.cpp could not run the model")

    monkeypatch.setattr(llm._llama, "feed_embeddings", fail)
    with pytest.raises(EngineError, match="could not run"):
        run(llm, segments)
    monkeypatch.undo()
    text, last = run(llm, segments)
    assert (text, last.cached_tokens) == (fresh(path, segments), 0)


# What is refused, before native code sees it


@pytest.mark.parametrize("ids", [(-1,), (400,), (1, 2, 10**9)])
def test_ids_outside_the_vocabulary_are_refused(llm: Llm, ids: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match="token ids"):
        run(llm, [Tokens(ids)])


def test_embeddings_of_another_width_are_refused(llm: Llm) -> None:
    with pytest.raises(EngineError, match="do not fit"):
        run(llm, [Embeddings(np.zeros((4, llm.n_embd + 1), np.float32))])


@pytest.mark.parametrize("segments", [[], [Tokens(())], [Tokens((1,)), Tokens(())]])
def test_an_empty_prompt_is_refused(llm: Llm, segments: list[Segment]) -> None:
    with pytest.raises(ValueError, match="empty"):
        run(llm, segments)


def test_a_prompt_longer_than_the_context_is_refused(llm: Llm) -> None:
    with pytest.raises(PromptTooLong, match="512"):
        run(llm, [Tokens((20,) * 512)])
    assert run(llm, [Tokens((20,) * 511)])[1].n_tokens == 2


def test_a_model_that_computes_nan_is_an_error(tmp_path: Path, path: Path) -> None:
    broken = shutil.copy(path, tmp_path / "nan.gguf")
    reader = gguf.GGUFReader(broken, "r+")
    next(tensor for tensor in reader.tensors if tensor.name == "output_norm.weight").data[:] = np.nan
    reader.data.flush()
    llm = Llm.load(broken, n_ctx=64, device="cpu", setup=ONE_THREAD)
    for temperature in (0, 1):
        with pytest.raises(EngineError, match="NaN"):
            run(llm, [Tokens((1, 20))], Sampling(temperature=temperature))
    llm.close()


def test_a_second_answer_meanwhile_is_refused(llm: Llm) -> None:
    answer = llm.generate([prompt(llm, "read")], GREEDY)
    next(answer)
    with pytest.raises(Busy):
        run(llm, [prompt(llm, "read")])
    with pytest.raises(Busy):
        llm.close()
    answer.close()
    run(llm, [prompt(llm, "read")])


def test_two_threads_never_share_the_cache(llm: Llm, path: Path) -> None:
    segments: list[Segment] = [prompt(llm, "read")]
    expected = fresh(path, segments)
    results: list[str | None] = []

    def ask() -> None:
        for _ in range(10):
            try:
                results.append(run(llm, segments)[0])
            except Busy:
                results.append(None)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) <= {expected, None}
    assert expected in results
