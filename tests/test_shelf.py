"""Chats take turns with one KV cache, and each goes on where it was."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_llasm.llm import Llm, Sampling
from edge_llasm.segments import Embeddings, Segment, Tokens, length
from edge_llasm.shelf import Shelf
from tests.tiny import ONE_THREAD

OPTIONS = Sampling(max_tokens=8)


def tokens(*ids: int) -> list[Segment]:
    return [Tokens(ids)]


def state(size: int) -> np.ndarray:
    return np.zeros(size, np.uint8)


def test_the_longest_common_beginning_is_found() -> None:
    shelf = Shelf(100)
    shelf.put(tokens(1, 2, 3), state(10))
    shelf.put(tokens(1, 2, 9, 9), state(10))
    found = shelf.find(tokens(1, 2, 9, 4), more_than=0)
    assert found is not None
    assert found.segments == (Tokens((1, 2, 9, 9)),)
    assert shelf.find(tokens(1, 2, 9, 4), more_than=3) is None
    assert shelf.find(tokens(5), more_than=0) is None


def test_a_continuation_takes_its_beginnings_place() -> None:
    shelf = Shelf(100)
    shelf.put(tokens(1, 2), state(10))
    shelf.put(tokens(1, 2, 3), state(10))
    shelf.put(tokens(1, 5), state(10))
    assert (len(shelf), shelf.used) == (2, 20)


def test_what_was_used_longest_ago_makes_room() -> None:
    shelf = Shelf(25)
    shelf.put(tokens(1, 1), state(10))
    shelf.put(tokens(2, 2), state(10))
    shelf.find(tokens(1, 1), more_than=0)
    shelf.put(tokens(3, 3), state(10))
    assert shelf.find(tokens(2, 2), more_than=0) is None
    assert shelf.find(tokens(1, 1), more_than=0) is not None
    shelf.put(tokens(4, 4), state(26))
    assert shelf.used == 20


@pytest.fixture
def llm(tiny_bundle: Path) -> Iterator[Llm]:
    llm = Llm.load(tiny_bundle / "llm.gguf", n_ctx=512, device="cpu", setup=ONE_THREAD)
    yield llm
    llm.close()


def chat(llm: Llm, seed: int, more: str = "") -> list[Segment]:
    sound = np.random.default_rng(seed).standard_normal((16, llm.n_embd), np.float32)
    begun: list[Segment] = [
        Tokens((1, *llm.tokenize(f"chat {seed} " + "go to line " * 8))),
        Embeddings(sound),
    ]
    return [*begun, Tokens(tuple(llm.tokenize("answer " + more)))]


def ask(llm: Llm, segments: list[Segment]) -> tuple[str, int]:
    """The answer, and how many positions had to be fed."""
    pieces = list(llm.generate(segments, OPTIONS))
    return "".join(piece.text for piece in pieces), pieces[-1].prompt_tokens - pieces[-1].cached_tokens


def test_chats_that_take_turns_feed_only_what_is_new_and_answer_the_same(llm: Llm, tiny_bundle: Path) -> None:
    other = Llm.load(tiny_bundle / "llm.gguf", n_ctx=512, device="cpu", setup=ONE_THREAD)
    alone = {seed: ask(other, chat(llm, seed, "and more of it"))[0] for seed in range(3)}
    other.close()
    llm.shelf.room = 1 << 24
    for seed in range(3):
        _, fed = ask(llm, chat(llm, seed))
        assert fed > 30
    for seed in range(3):
        text, fed = ask(llm, chat(llm, seed, "and more of it"))
        assert text == alone[seed]
        assert fed < 16
    assert 0 < llm.shelf.used <= llm.shelf.room


def test_without_room_the_cache_holds_one_chat(llm: Llm) -> None:
    ask(llm, chat(llm, 0))
    ask(llm, chat(llm, 1))
    _, fed = ask(llm, chat(llm, 0, "and more"))
    assert fed > 30
    assert len(llm.shelf) == 0


def test_a_draft_puts_nothing_on_the_shelf_but_what_it_drove_out(llm: Llm) -> None:
    llm.shelf.room = 1 << 24
    ask(llm, chat(llm, 0))
    llm.prepare(chat(llm, 1))
    assert [length(cache.segments) for cache in llm.shelf._caches] == [
        length(chat(llm, 0)) + OPTIONS.max_tokens - 1
    ]
    llm.prepare(chat(llm, 2))
    assert len(llm.shelf) == 1
    _, fed = ask(llm, chat(llm, 0, "and more"))
    assert fed < 16
