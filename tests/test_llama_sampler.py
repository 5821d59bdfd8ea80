"""Greedy and sampled choices of a real model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_llasm.llm import Llm, Sampling
from edge_llasm.segments import Tokens
from tests.tiny import ONE_THREAD

PROMPT = [Tokens((1, 280, 290, 300))]


@pytest.fixture(scope="module")
def llm(tiny_bundle: Path) -> Iterator[Llm]:
    llm = Llm.load(tiny_bundle / "llm.gguf", n_ctx=256, device="cpu", setup=ONE_THREAD)
    yield llm
    llm.close()


def said(llm: Llm, **options: float) -> str:
    return "".join(piece.text for piece in llm.generate(PROMPT, Sampling(max_tokens=40, **options)))  # type: ignore[arg-type]


def test_temperature_zero_takes_the_likeliest_token(llm: Llm) -> None:
    first = next(iter(llm.generate(PROMPT, Sampling(max_tokens=1))))
    likeliest = int(llm._llama.logits().argmax())
    assert first.text == llm._llama.piece(likeliest).decode().removeprefix(" ")


def test_greedy_answers_are_the_same_every_time(llm: Llm) -> None:
    assert said(llm) == said(llm, seed=1) == said(llm, seed=2)


def test_the_same_seed_gives_the_same_answer(llm: Llm) -> None:
    assert said(llm, temperature=1.0, seed=7) == said(llm, temperature=1.0, seed=7)


def test_other_seeds_give_other_answers(llm: Llm) -> None:
    assert len({said(llm, temperature=1.5, min_p=0, top_p=1, seed=seed) for seed in range(5)}) > 1


def test_without_a_seed_one_is_chosen(llm: Llm) -> None:
    assert len({said(llm, temperature=1.5, min_p=0, top_p=1) for _ in range(5)}) > 1


@pytest.mark.parametrize("narrow", [{"top_p": 1e-6}, {"min_p": 1.0}, {"temperature": 1e-6}])
def test_a_narrow_choice_is_greedy(llm: Llm, narrow: dict[str, float]) -> None:
    assert said(llm, **{"temperature": 1.5, "seed": 3, **narrow}) == said(llm)
